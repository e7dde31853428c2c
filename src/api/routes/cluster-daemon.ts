// What a controller answers under the paths of a daemon, so that who speaks to one can speak to a cluster:
// its pools, where hosts reach it, and clear words about what it cannot do yet.
import { hostname } from 'node:os';
import { Type } from '@sinclair/typebox';
import { ClusterUnsupportedError } from '../../base/cluster-errors.js';
import type { Nodes } from '../../controller/nodes.js';
import type { ClusterVolumes } from '../../controller/volumes.js';
import type { RouteModule } from '../app-types.js';
import { ClusterPool, ClusterPoolList, clusterPoolBody } from '../cluster-schemas.js';
import { ref } from '../schemas.js';

export interface ClusterDaemonSource {
  readonly nodes: Pick<Nodes, 'list'>;
  readonly volumes: Pick<ClusterVolumes, 'pools'>;
  readonly version: string;
}

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;

const Controller = Type.Object(
  {
    name: Type.String({ description: 'The name of the machine.' }),
    kind: Type.Literal('controller'),
    version: Type.String(),
    listeners: Type.Array(
      Type.Object({ transport: Type.Literal('tcp'), host: Type.String(), port: Type.Integer() }),
      { description: 'Of the nodes that are up. Where hosts reach a volume, the volume says.' },
    ),
  },
  { $id: 'Controller' },
);

/** Method and path, and what it would be. */
const missing = [
  ['POST', '/v1/volumes/:name/revert', 'volumes that are reverted'],
  ['GET', '/v1/volumes/:name/extents', 'lists of what has changed'],
  ['PUT', '/v1/volumes/:name/pods/:podUid', 'reports of pods'],
  ['DELETE', '/v1/volumes/:name/pods/:podUid', 'reports of pods'],
  ['POST', '/v1/volumes/:name/erase-key', 'encrypted volumes'],
] as const;

export function clusterDaemonRoutes({ nodes, volumes, version }: ClusterDaemonSource): RouteModule {
  return (app) => {
    app.addSchema(Controller);
    app.addSchema(ClusterPool);
    app.get(
      '/v1/node',
      {
        config: viewer,
        schema: {
          summary: 'This controller, and where its nodes listen',
          response: { 200: ref(Controller) },
        },
      },
      async () => ({
        ...{ name: hostname(), kind: 'controller' as const, version },
        listeners: nodes
          .list()
          .filter(({ up }) => up)
          .map(({ addresses }) => ({ transport: 'tcp' as const, ...addresses.nvme })),
      }),
    );
    app.get(
      '/v1/pools',
      {
        config: viewer,
        schema: { summary: 'The pools of all nodes, by name', response: { 200: ClusterPoolList } },
      },
      async () => ({ pools: volumes.pools().map(clusterPoolBody) }),
    );
    for (const [method, url, what] of missing) {
      app.route({
        ...{ method, url, config: operator },
        schema: { summary: `A cluster cannot have ${what} yet: CLUSTER_UNSUPPORTED` },
        handler: async () => {
          throw new ClusterUnsupportedError(what);
        },
      });
    }
  };
}
