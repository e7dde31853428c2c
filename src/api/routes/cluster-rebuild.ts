// POST /v1/cluster/rebuild, of a controller: the records of a lost store made anew from what nodes have on
// their disks; without `execute` only what would be done.
import type { Rebuild } from '../../controller/rebuild.js';
import type { RouteModule } from '../app-types.js';
import { ClusterRebuild, ClusterRebuildRequest, clusterRebuildBody } from '../cluster-schemas.js';
import { ref } from '../schemas.js';

export function clusterRebuildRoutes(rebuild: Pick<Rebuild, 'run'>): RouteModule {
  return (app) => {
    app.addSchema(ClusterRebuild);
    app.post(
      '/v1/cluster/rebuild',
      {
        config: { access: 'admin' },
        schema: {
          summary: 'The records of the cluster, made anew from the disks of its nodes',
          body: ClusterRebuildRequest,
          response: { 200: ref(ClusterRebuild) },
        },
      },
      async ({ body }) => clusterRebuildBody(await rebuild.run(body)),
    );
  };
}
