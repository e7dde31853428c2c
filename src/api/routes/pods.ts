// /v1/volumes/NAME/pods: which pods of Kubernetes use a volume. Nodes tell when they publish it and when they
// take it back. By operators.
import { Type } from '@sinclair/typebox';
import type { Pods } from '../../pools/pods.js';
import type { RouteModule } from '../app-types.js';
import { podFields } from '../volume-schemas.js';

export type PodsSource = Pick<Pods, 'put' | 'remove'>;

const operator = { access: 'operator' } as const;
const Both = Type.Object({
  name: Type.String(),
  podUid: Type.String({ minLength: 1, maxLength: 253 }),
});
const Use = Type.Object(podFields, { additionalProperties: false });
const Done = Type.Null({ description: 'It is so, also when it was so before' });

export function podRoutes(pods: PodsSource): RouteModule {
  return (app) => {
    app.put(
      '/v1/volumes/:name/pods/:podUid',
      {
        config: operator,
        schema: {
          summary: 'Says that a pod uses a volume',
          params: Both,
          body: Use,
          response: { 204: Done },
        },
      },
      async ({ params, body }, reply) => {
        await pods.put(params.name, { uid: params.podUid, ...body });
        return reply.code(204).send(null);
      },
    );
    app.delete(
      '/v1/volumes/:name/pods/:podUid',
      {
        config: operator,
        schema: { summary: 'Says that a pod uses a volume no more', params: Both, response: { 204: Done } },
      },
      async ({ params }, reply) => {
        await pods.remove(params.name, params.podUid);
        return reply.code(204).send(null);
      },
    );
  };
}
