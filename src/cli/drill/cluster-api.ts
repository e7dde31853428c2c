// What drills ask of a cluster, by the REST API of its controller.
import { statePaths } from '../../base/state-directory.js';
import type { Endpoint } from '../../client/endpoint.js';
import { ask, type Request } from '../../client/transport.js';
import type { ClusterApi, ClusterNode, ClusterVolume } from '../../drills/cluster/api.js';

// A controller that is frozen is asked again.
const timeoutMs = 10_000;

export function clusterApi(stateDirectory: string): ClusterApi {
  const endpoint: Endpoint = { socketPath: statePaths(stateDirectory).apiSocket };
  const call = async <T>(method: Request['method'], path: string, body?: object): Promise<T> =>
    // The controller answers what its OpenAPI document says.
    (await ask(endpoint, { method, path, timeoutMs, ...(body && { body }) })) as T;
  return {
    createVolume: async (volume) => void (await call('POST', 'volumes', volume)),
    volume: async (name) => {
      const found = await call<ClusterVolume & { readonly sizeBytes: number | string }>(
        'GET',
        `volumes/${name}`,
      );
      return { ...found, sizeBytes: Number(found.sizeBytes) };
    },
    nodes: async () => (await call<{ nodes: ClusterNode[] }>('GET', 'cluster/nodes')).nodes,
    drain: async (node) => void (await call('POST', `cluster/nodes/${node}/drain`)),
    uncordon: async (node) => void (await call('POST', `cluster/nodes/${node}/uncordon`)),
    moveHead: async (volume, node) => void (await call('POST', `volumes/${volume}/move-head`, { node })),
  };
}
