// /v1/cluster/nodes, of a controller: the nodes of a cluster, looked at by viewers, changed by admins.
import { Type } from '@sinclair/typebox';
import { type NodeAction, nodeActions } from '../../base/node-actions.js';
import type { Nodes } from '../../controller/nodes.js';
import type { RouteModule } from '../app-types.js';
import { ClusterNode, ClusterNodeList, clusterNodeBody, NodeLabels } from '../cluster-schemas.js';
import { Name, ref } from '../schemas.js';

export type NodesSource = Pick<Nodes, 'list' | 'get' | 'act' | 'label'>;

const viewer = { access: 'viewer' } as const;
const admin = { access: 'admin' } as const;
const summaries: Readonly<Record<NodeAction, string>> = {
  cordon: 'It gets no new replicas',
  uncordon: 'It may have replicas and heads again',
  drain: 'Its heads go elsewhere, as before an upgrade; its replicas stay',
  evacuate: 'Its replicas go elsewhere, too',
  decommission: 'It has nothing any more, and is none of the cluster from now on',
};

export function clusterNodeRoutes(nodes: NodesSource): RouteModule {
  return (app) => {
    app.addSchema(ClusterNode);
    app.get(
      '/v1/cluster/nodes',
      { config: viewer, schema: { summary: 'The nodes', response: { 200: ClusterNodeList } } },
      async () => ({ nodes: nodes.list().map(clusterNodeBody) }),
    );
    app.get(
      '/v1/cluster/nodes/:name',
      { config: viewer, schema: { summary: 'One node', params: Name, response: { 200: ref(ClusterNode) } } },
      async ({ params }) => clusterNodeBody(nodes.get(params.name)),
    );
    app.put(
      '/v1/cluster/nodes/:name/labels',
      {
        config: admin,
        schema: {
          summary: 'Its labels and zone, in place of those before',
          params: Name,
          body: NodeLabels,
          response: { 200: ref(ClusterNode) },
        },
      },
      async ({ params, body: { labels, zone } }) =>
        clusterNodeBody(await nodes.label(params.name, labels, zone)),
    );
    for (const action of nodeActions) {
      app.post(
        `/v1/cluster/nodes/:name/${action}`,
        {
          config: admin,
          schema: {
            summary: summaries[action],
            params: Name,
            body: Type.Object({}, { additionalProperties: false }),
            response: { 200: ref(ClusterNode) },
          },
        },
        async ({ params }) => clusterNodeBody(await nodes.act(params.name, action)),
      );
    }
  };
}
