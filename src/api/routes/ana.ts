// /v1/volumes/NAME/ana: how good the way to a volume over this daemon is, of several that serve it. By
// operators.
import { type Static, Type } from '@sinclair/typebox';
import { anaStates } from '../../base/ana.js';
import { VolumeNotFoundError } from '../../base/control-errors.js';
import type { Volumes } from '../../pools/volumes.js';
import type { RouteModule } from '../app-types.js';
import { Name } from '../schemas.js';
import type { DataPlane } from '../sources.js';

const Ana = Type.Object(
  {
    state: Type.Union(
      anaStates.map((state) => Type.Literal(state)),
      { description: 'Until this daemon ends. persistent-loss does not change again.' },
    ),
  },
  { additionalProperties: false },
);

export type AnaBody = Static<typeof Ana>;

export function anaRoutes(
  dataPlane: Pick<DataPlane, 'volumes' | 'setAnaState'>,
  volumes: Pick<Volumes, 'find'>,
): RouteModule {
  const served = (name: string) => {
    const ofPool = volumes.find(name)?.info.name;
    const other = dataPlane.volumes().find((one) => one.name === name || one.uuid === name.toLowerCase());
    const found = ofPool ?? other?.name;
    if (found === undefined) throw new VolumeNotFoundError(name);
    return found;
  };
  return (app) => {
    app.put(
      '/v1/volumes/:name/ana',
      {
        config: { access: 'operator' },
        schema: {
          summary:
            'Sets the ANA state of a volume on this daemon; answers when no I/O is in flight that it forbids',
          params: Name,
          body: Ana,
          response: { 200: Ana },
        },
      },
      async ({ params, body: { state } }) => {
        await dataPlane.setAnaState(served(params.name), state);
        return { state };
      },
    );
  };
}
