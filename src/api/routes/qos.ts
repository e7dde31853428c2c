// /v1/qos: classes of limits that volumes share by name, and the node's budget that guarantees are admitted
// against. Limits of a volume are part of /v1/volumes.
import { Type } from '@sinclair/typebox';
import type { Qos } from '../../pools/qos.js';
import type { RouteModule } from '../app-types.js';
import { ClassQos, QosBudget, QosBudgetView, QosClass } from '../qos-schemas.js';
import { Name, ref } from '../schemas.js';

export type QosSource = Pick<Qos, 'classes' | 'putClass' | 'deleteClass' | 'budget' | 'setBudget'>;

const viewer = { access: 'viewer' } as const;
const admin = { access: 'admin' } as const;

export function qosRoutes(qos: QosSource): RouteModule {
  return (app) => {
    app.addSchema(QosClass);
    app.addSchema(QosBudgetView);
    app.get(
      '/v1/qos/classes',
      {
        config: viewer,
        schema: {
          summary: 'The QoS classes',
          response: { 200: Type.Object({ classes: Type.Array(ref(QosClass)) }) },
        },
      },
      async () => ({ classes: [...qos.classes()] }),
    );
    app.put(
      '/v1/qos/classes/:name',
      {
        config: admin,
        schema: {
          summary: 'Makes a class, or changes it for all its volumes at once',
          params: Name,
          body: ClassQos,
          response: { 200: ref(QosClass) },
        },
      },
      async ({ params, body }) => qos.putClass(params.name, body),
    );
    app.delete(
      '/v1/qos/classes/:name',
      {
        config: admin,
        schema: {
          summary: 'Deletes a class that no volume is of',
          params: Name,
          response: { 204: Type.Null({ description: 'It is gone' }) },
        },
      },
      async ({ params }, reply) => {
        await qos.deleteClass(params.name);
        return reply.code(204).send(null);
      },
    );
    app.get(
      '/v1/qos/budget',
      { config: viewer, schema: { summary: 'The budget', response: { 200: ref(QosBudgetView) } } },
      async () => qos.budget(),
    );
    app.put(
      '/v1/qos/budget',
      {
        config: admin,
        schema: {
          summary: 'Sets what all volumes can have together',
          body: QosBudget,
          response: { 200: ref(QosBudgetView) },
        },
      },
      async ({ body: { force = false, ...budget } }) => qos.setBudget(budget, { force }),
    );
  };
}
