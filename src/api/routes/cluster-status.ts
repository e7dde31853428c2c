// GET /v1/cluster/status, of a controller: named checks, and what happened of late.
import type { ClusterStatus as StatusView } from '../../controller/health.js';
import type { RouteModule } from '../app-types.js';
import { ClusterStatus, clusterStatusBody } from '../cluster-schemas.js';
import { ref } from '../schemas.js';

export function clusterStatusRoutes(status: () => Promise<StatusView>): RouteModule {
  return (app) => {
    app.addSchema(ClusterStatus);
    app.get(
      '/v1/cluster/status',
      {
        config: { access: 'viewer' },
        schema: { summary: 'Whether the cluster is as it should be', response: { 200: ref(ClusterStatus) } },
      },
      async () => clusterStatusBody(await status()),
    );
  };
}
