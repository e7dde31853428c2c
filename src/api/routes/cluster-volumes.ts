// /v1/volumes, of a controller: the volumes of a cluster. By operators, but for looking.
import { Type } from '@sinclair/typebox';
import type { ClusterVolumes } from '../../controller/volumes.js';
import type { RouteModule } from '../app-types.js';
import {
  ClusterExplanation,
  ClusterVolume,
  ClusterVolumeList,
  ClusterVolumePatch,
  clusterVolumeBody,
  explanationBody,
  MoveHead,
  NewClusterVolume,
  volumeWish,
} from '../cluster-schemas.js';
import { Flag, Name, ref } from '../schemas.js';
import { HostGrant } from '../volume-schemas.js';

export type ClusterVolumesSource = Pick<
  ClusterVolumes,
  | 'list'
  | 'get'
  | 'explain'
  | 'create'
  | 'delete'
  | 'moveHead'
  | 'resize'
  | 'setQos'
  | 'hosts'
  | 'grantHost'
  | 'revokeHost'
>;

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const Deletion = Type.Object({
  force: Type.Optional(
    Type.Unsafe<'true' | 'false'>({ ...Flag, description: 'Also while hosts are granted it.' }),
  ),
});
const Both = Type.Object({
  name: Type.String(),
  hostnqn: Type.String({ description: 'The NQN of the host, percent-encoded.' }),
});
const Grant = Type.Object(
  { exclusive: Type.Optional(Type.Boolean({ description: 'While it has the volume, nobody else does.' })) },
  { additionalProperties: false },
);
const HostList = Type.Object({
  granted: Type.Optional(
    Type.Array(HostGrant, { description: 'Absent: any host may use it. Empty: none may.' }),
  ),
  connected: Type.Array(Type.String(), { description: 'Nobody beside those: always empty.' }),
});

export function clusterVolumeRoutes(volumes: ClusterVolumesSource): RouteModule {
  return (app) => {
    app.addSchema(ClusterVolume);
    app.addSchema(ClusterExplanation);
    app.get(
      '/v1/volumes',
      { config: viewer, schema: { summary: 'The volumes', response: { 200: ClusterVolumeList } } },
      async () => ({ volumes: volumes.list().map(clusterVolumeBody) }),
    );
    app.get(
      '/v1/volumes/:name',
      {
        config: viewer,
        schema: { summary: 'One volume', params: Name, response: { 200: ref(ClusterVolume) } },
      },
      async ({ params }) => clusterVolumeBody(volumes.get(params.name)),
    );
    app.get(
      '/v1/volumes/:name/explain',
      {
        config: viewer,
        schema: {
          summary: 'Why it is as it is, what is waited for, what is safe and what is not',
          params: Name,
          response: { 200: ref(ClusterExplanation) },
        },
      },
      async ({ params }) => explanationBody(volumes.explain(params.name)),
    );
    app.post(
      '/v1/volumes',
      {
        config: operator,
        schema: {
          summary: 'Makes a volume; answers when it can be used, or after 10 s: its state says so',
          body: NewClusterVolume,
          response: { 201: ref(ClusterVolume) },
        },
      },
      async ({ body }, reply) =>
        reply.code(201).send(clusterVolumeBody(await volumes.create(volumeWish(body)))),
    );
    app.delete(
      '/v1/volumes/:name',
      {
        config: operator,
        schema: {
          summary: 'Deletes a volume with its data; what is on nodes that are away goes when they are back',
          params: Name,
          querystring: Deletion,
          response: { 204: Type.Null({ description: 'It is gone, or being deleted' }) },
        },
      },
      async ({ params, query }, reply) => {
        await volumes.delete(params.name, { force: query.force === 'true' });
        return reply.code(204).send(null);
      },
    );
    app.patch(
      '/v1/volumes/:name',
      {
        config: operator,
        schema: {
          summary:
            'Makes it larger, which is answered when it is so or after 10 s; sets its limits and guarantees',
          params: Name,
          body: ClusterVolumePatch,
          response: { 200: ref(ClusterVolume) },
        },
      },
      async ({ params, body: { qos, sizeBytes } }) => {
        // What is refused of either changes nothing of it; limits first, as a growth may take its time.
        if (qos !== undefined) await volumes.setQos(params.name, qos ?? undefined);
        if (sizeBytes !== undefined) await volumes.resize(params.name, BigInt(sizeBytes));
        return clusterVolumeBody(volumes.get(params.name));
      },
    );
    app.post(
      '/v1/volumes/:name/move-head',
      {
        config: operator,
        schema: {
          summary: 'Which node is to be its head; hosts see a short pause',
          params: Name,
          body: MoveHead,
          response: { 200: ref(ClusterVolume) },
        },
      },
      async ({ params, body }) => clusterVolumeBody(await volumes.moveHead(params.name, body.node)),
    );
    app.get(
      '/v1/volumes/:name/hosts',
      {
        config: viewer,
        schema: {
          summary: 'Who may use a volume; answers when nobody else can any more',
          params: Name,
          response: { 200: HostList },
        },
      },
      async ({ params }) => {
        const { hosts, exclusive = false } = await volumes.hosts(params.name);
        const granted = hosts?.map((nqn) => ({ nqn, exclusive }));
        return { connected: [], ...(granted !== undefined && { granted }) };
      },
    );
    app.put(
      '/v1/volumes/:name/hosts/:hostnqn',
      {
        config: operator,
        schema: {
          summary: 'Lets a host use a volume; the first one closes it to all others',
          params: Both,
          body: Grant,
          response: { 200: ref(ClusterVolume) },
        },
      },
      async ({ params, body: { exclusive = false } }) =>
        clusterVolumeBody(await volumes.grantHost(params.name, params.hostnqn, { exclusive })),
    );
    app.delete(
      '/v1/volumes/:name/hosts/:hostnqn',
      {
        config: operator,
        schema: {
          summary: 'Takes a volume from a host; answers when none of its I/O can take effect any more',
          params: Both,
          response: { 200: ref(ClusterVolume) },
        },
      },
      async ({ params }) => clusterVolumeBody(await volumes.revokeHost(params.name, params.hostnqn)),
    );
  };
}
