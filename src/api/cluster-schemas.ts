// Nodes and volumes of a cluster in requests and answers of a controller.
import { type Static, Type } from '@sinclair/typebox';
import { ClusterUnsupportedError } from '../base/cluster-errors.js';
import { hostsMax, zonesMax } from '../base/volume-spec.js';
import type { Explanation } from '../controller/explain.js';
import type { ClusterStatus as StatusView } from '../controller/health.js';
import type { RebuildPlan } from '../controller/rebuild.js';
import type {
  ClusterNodeView,
  ClusterPoolNodeView,
  ClusterPoolView,
  ClusterVolumeView,
  VolumeWish,
} from '../controller/types.js';
import { Qos } from './qos-schemas.js';
import { Bytes, Count, count, ref } from './schemas.js';
import { Source } from './volume-schemas.js';

const Address = Type.Object({ host: Type.String(), port: Type.Integer() });
const Labels = Type.Record(Type.String(), Type.String());
const Spread = Type.Unsafe<'zone' | 'prefer-zone'>({
  type: 'string',
  enum: ['zone', 'prefer-zone'],
  description: 'zone: two replicas in one zone are refused. prefer-zone: avoided as far as there are zones.',
});

const ClusterReplica = Type.Object({
  uuid: Type.String(),
  node: Type.String({ description: 'By name.' }),
  pool: Type.String(),
  inSync: Type.Boolean({ description: 'It has everything that was acknowledged.' }),
  state: Type.String({ description: 'in-sync, stale, away, absent, leaving or discarded.' }),
  error: Type.Optional(Type.String()),
  resync: Type.Optional(
    Type.Object({ doneBytes: Count, totalBytes: Count }, { description: 'While something is copied to it.' }),
  ),
});

export const ClusterVolume = Type.Object(
  {
    name: Type.String(),
    kind: Type.String({ description: 'cluster' }),
    uuid: Type.String(),
    nqn: Type.String(),
    nsid: Type.Integer(),
    sizeBytes: Count,
    wantedSizeBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Count, description: 'It is to become so large. Absent: it is.' }),
    ),
    blockSizeBytes: Type.Integer(),
    state: Type.String({ description: 'creating, ready or deleting.' }),
    health: Type.String({ description: 'healthy, degraded, unavailable; or as its state.' }),
    head: Type.Optional(Type.String({ description: 'Name of the node that is head; absent: none is.' })),
    wantedHead: Type.Optional(Type.String()),
    epoch: Count,
    minInSync: Type.Integer(),
    replicasWanted: Type.Integer(),
    thick: Type.Boolean(),
    spread: Spread,
    pool: Type.Optional(Type.String({ description: 'Of each node, where that was asked for.' })),
    nodeLabels: Type.Optional(Labels),
    zones: Type.Optional(Type.Array(Type.String(), { description: 'Absent: of any zone, or of none.' })),
    apartGroup: Type.Optional(Type.String()),
    addresses: Type.Array(Address, { description: 'Where hosts reach it, the wanted head first.' }),
    replicas: Type.Array(ClusterReplica),
    hosts: Type.Optional(Type.Array(Type.String(), { description: 'NQNs that may use it. Absent: any.' })),
    exclusive: Type.Optional(
      Type.Boolean({ description: 'The one host that it is granted to has it alone.' }),
    ),
    qos: Type.Optional(Qos),
    originUuid: Type.Optional(Type.String({ description: 'The snapshot that it is a clone of.' })),
    cloneOf: Type.Optional(
      Type.String({ description: 'UUID of the volume that it is a clone of, as it was at a moment.' }),
    ),
    created: Type.String({ format: 'date-time' }),
    waitingFor: Type.Optional(Type.String({ description: 'What its next step waits for.' })),
  },
  { $id: 'ClusterVolume' },
);
export type ClusterVolumeBody = Static<typeof ClusterVolume>;
export const ClusterVolumeList = Type.Object({ volumes: Type.Array(ref(ClusterVolume)) });

export function clusterVolumeBody({
  sizeBytes,
  wantedSizeBytes,
  epoch,
  wishes,
  addresses,
  replicas,
  hosts,
  ...rest
}: ClusterVolumeView): ClusterVolumeBody {
  return {
    ...rest,
    ...{ kind: 'cluster', nsid: 1, sizeBytes: count(sizeBytes), epoch: count(epoch) },
    ...(wantedSizeBytes !== undefined && { wantedSizeBytes: count(wantedSizeBytes) }),
    ...{ minInSync: wishes.minInSync, replicasWanted: wishes.replicas },
    ...{ thick: wishes.thick, spread: wishes.spread },
    ...(wishes.pool !== undefined && { pool: wishes.pool }),
    ...(wishes.nodeLabels !== undefined && { nodeLabels: { ...wishes.nodeLabels } }),
    ...(wishes.zones !== undefined && { zones: [...wishes.zones] }),
    ...(wishes.apartGroup !== undefined && { apartGroup: wishes.apartGroup }),
    addresses: [...addresses],
    replicas: replicas.map(({ resync, ...replica }) => ({
      ...replica,
      ...(resync !== undefined && {
        resync: { doneBytes: count(resync.doneBytes), totalBytes: count(resync.totalBytes) },
      }),
    })),
    ...(hosts !== undefined && { hosts: [...hosts] }),
  };
}

export const NewClusterVolume = Type.Object(
  {
    name: Type.String(),
    sizeBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Bytes, description: 'A clone may leave it out.' }),
    ),
    replicas: Type.Optional(Type.Integer({ description: '1 to 8. Default: 3.' })),
    minInSync: Type.Optional(
      Type.Integer({
        description: 'Writes are acknowledged while so many are. Default: 2, of two or fewer 1.',
      }),
    ),
    thick: Type.Optional(Type.Boolean({ description: 'All its room is taken now. Default: thin.' })),
    pool: Type.Optional(Type.String({ description: 'Of each node. Default: any.' })),
    nodeLabels: Type.Optional(
      Type.Unsafe<Record<string, string>>({ ...Labels, description: 'Only nodes that have all of these.' }),
    ),
    zones: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: zonesMax,
        description: 'Only nodes in these, rather in those that come first.',
      }),
    ),
    spread: Type.Optional(Spread),
    apartGroup: Type.Optional(
      Type.String({ description: 'Not on a node with a replica of a volume of the same group.' }),
    ),
    blockSizeBytes: Type.Optional(Type.Unsafe<512 | 4096>({ type: 'integer', enum: [512, 4096] })),
    hosts: Type.Optional(Type.Array(Type.String(), { maxItems: hostsMax })),
    qos: Type.Optional(Qos),
    encrypted: Type.Optional(Type.Boolean({ description: 'Only false, for now.' })),
    source: Type.Optional(Source),
  },
  { additionalProperties: false },
);
export type NewClusterVolumeBody = Static<typeof NewClusterVolume>;

export function volumeWish({ sizeBytes, encrypted, ...rest }: NewClusterVolumeBody): VolumeWish {
  if (encrypted === true) throw new ClusterUnsupportedError('encrypted volumes');
  if (rest.qos?.class !== undefined) throw new ClusterUnsupportedError('classes of QoS');
  return { ...rest, ...(sizeBytes !== undefined && { sizeBytes: BigInt(sizeBytes) }) } as VolumeWish;
}

export const ClusterVolumePatch = Type.Object(
  {
    qos: Type.Optional(Type.Union([Qos, Type.Null()], { description: 'null: none any more.' })),
    sizeBytes: Type.Optional(Bytes),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const MoveHead = Type.Object(
  { node: Type.String({ description: 'Name or UUID of the node.' }) },
  { additionalProperties: false },
);

export const ClusterNode = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: Type.String({ description: 'active, cordoned, draining, evacuating or decommissioned.' }),
    up: Type.Boolean({ description: 'It answers.' }),
    addresses: Type.Object({ nvme: Address, replication: Address }),
    hostNqn: Type.String(),
    labels: Labels,
    zone: Type.Optional(Type.String()),
    joined: Type.String({ format: 'date-time' }),
    version: Type.Optional(Type.String()),
    started: Type.Optional(Type.String({ format: 'date-time' })),
    pools: Type.Array(
      Type.Object({
        name: Type.String(),
        uuid: Type.String(),
        capacityBytes: Count,
        freeBytes: Count,
        error: Type.Optional(Type.String()),
        iopsBudget: Type.Optional(Type.Number()),
      }),
    ),
    replicas: Type.Integer({ description: 'How many it keeps.' }),
    heads: Type.Integer({ description: 'Of how many volumes it is to be head.' }),
  },
  { $id: 'ClusterNode' },
);
export type ClusterNodeBody = Static<typeof ClusterNode>;
export const ClusterNodeList = Type.Object({ nodes: Type.Array(ref(ClusterNode)) });

export function clusterNodeBody(node: ClusterNodeView): ClusterNodeBody {
  const { pools, replicasCount, headsCount, slot: _slot, labels, ...rest } = node;
  return {
    ...rest,
    labels: { ...labels },
    pools: pools.map((pool) => ({
      ...pool,
      capacityBytes: count(pool.capacityBytes),
      freeBytes: count(pool.freeBytes),
    })),
    ...{ replicas: replicasCount, heads: headsCount },
  };
}

export const NodeLabels = Type.Object(
  { labels: Labels, zone: Type.Optional(Type.String()) },
  { additionalProperties: false },
);

const Lines = (description: string) => Type.Array(Type.String(), { description });

export const ClusterExplanation = Type.Object(
  {
    health: Type.String({ description: 'healthy, degraded, unavailable; or the state of the volume.' }),
    reasons: Lines('What is so, a sentence each.'),
    waitingFor: Type.Optional(Type.String({ description: 'What its next step waits for.' })),
    safe: Lines('What may be done without losing data or access.'),
    unsafe: Lines('What would.'),
  },
  { $id: 'ClusterExplanation' },
);
export type ExplanationBody = Static<typeof ClusterExplanation>;

export function explanationBody({ reasons, safe, unsafe, ...rest }: Explanation): ExplanationBody {
  return { ...rest, reasons: [...reasons], safe: [...safe], unsafe: [...unsafe] };
}

export const ClusterStatus = Type.Object(
  {
    health: Type.String({ description: 'healthy, or the worst of its checks: warning, error.' }),
    leader: Type.Optional(Type.String({ description: 'Name of the controller that leads.' })),
    nodes: Type.Object({ total: Type.Integer(), up: Type.Integer() }),
    volumes: Type.Object({ total: Type.Integer(), healthy: Type.Integer() }),
    checks: Type.Array(
      Type.Object({
        code: Type.String({ description: 'Such as NODE_AWAY.' }),
        level: Type.String({ description: 'warning or error' }),
        text: Type.String(),
        remedy: Type.String({ description: 'What a person can do.' }),
      }),
    ),
    events: Type.Array(
      Type.Object({
        at: Type.String({ format: 'date-time' }),
        level: Type.String(),
        subject: Type.String({ description: 'cluster, node, volume, replica or pool' }),
        name: Type.String(),
        reason: Type.String({ description: 'Such as NodeLost.' }),
        text: Type.String(),
      }),
      { description: 'The last ones, the newest last.' },
    ),
  },
  { $id: 'ClusterStatus' },
);
export type ClusterStatusBody = Static<typeof ClusterStatus>;

export function clusterStatusBody({ checks, events, ...rest }: StatusView): ClusterStatusBody {
  return { ...rest, checks: [...checks], events: [...events] };
}

/** A node with a pool of the name; amounts are what one more volume may have there. */
const ClusterPoolNode = Type.Object({
  node: Type.String({ description: 'By name.' }),
  zone: Type.Optional(Type.String()),
  labels: Labels,
  up: Type.Boolean(),
  capacityBytes: Count,
  freeBytes: Count,
  thinBytes: Type.Unsafe<number | string>({
    ...Count,
    description: 'What the size of a thin volume may be there; 0: it takes none now.',
  }),
  thickBytes: Type.Unsafe<number | string>({ ...Count, description: 'The same of a thick one.' }),
  error: Type.Optional(Type.String({ description: 'Why it cannot be used now.' })),
});

export const ClusterPool = Type.Object(
  {
    name: Type.String(),
    kind: Type.Literal('cluster'),
    state: Type.Unsafe<'open' | 'broken'>({
      type: 'string',
      enum: ['open', 'broken'],
      description: 'open: it can be used on at least one node.',
    }),
    capacityBytes: Count,
    freeBytes: Count,
    nodes: Type.Array(ClusterPoolNode),
  },
  { $id: 'ClusterPool', description: 'All pools of one name, on several nodes; amounts are of all of them.' },
);
export type ClusterPoolBody = Static<typeof ClusterPool>;
export const ClusterPoolList = Type.Object({ pools: Type.Array(ref(ClusterPool)) });

export function clusterPoolBody({ name, nodes }: ClusterPoolView): ClusterPoolBody {
  const sum = (of: (node: ClusterPoolNodeView) => bigint) =>
    count(nodes.reduce((all, node) => all + of(node), 0n));
  return {
    ...{ name, kind: 'cluster' },
    state: nodes.some(({ up, error }) => up && error === undefined) ? 'open' : 'broken',
    capacityBytes: sum(({ capacityBytes }) => capacityBytes),
    freeBytes: sum(({ freeBytes }) => freeBytes),
    nodes: nodes.map(({ capacityBytes, freeBytes, thinBytes, thickBytes, labels, ...rest }) => ({
      ...rest,
      labels: { ...labels },
      ...{ capacityBytes: count(capacityBytes), freeBytes: count(freeBytes) },
      ...{ thinBytes: count(thinBytes), thickBytes: count(thickBytes) },
    })),
  };
}

export const ClusterRebuildRequest = Type.Object(
  {
    execute: Type.Optional(Type.Boolean({ description: 'false, the default: only what would be done.' })),
    without: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: 64,
        description: 'Names or UUIDs of nodes that are not waited for: what only they have is left out.',
      }),
    ),
  },
  { additionalProperties: false },
);

const Names = Type.Array(Type.String());

export const ClusterRebuild = Type.Object(
  {
    done: Type.Boolean({ description: 'It was carried out.' }),
    refusals: Type.Array(Type.Object({ name: Type.String(), kind: Type.String(), reason: Type.String() }), {
      description: 'Who does not take this store for that of the cluster.',
    }),
    reported: Type.Array(Type.String(), { description: 'Nodes that have said what they have.' }),
    silent: Type.Array(Type.String(), { description: 'Known nodes that have not: nothing is done.' }),
    rebuilt: Type.Array(
      Type.Object({
        ...{ name: Type.String(), uuid: Type.String(), epoch: Count },
        ...{ inSync: Names, stale: Names },
      }),
      { description: 'Volumes whose records are made, with the nodes of their replicas.' },
    ),
    refused: Type.Array(
      Type.Object({ name: Type.Optional(Type.String()), uuid: Type.String(), reason: Type.String() }),
      { description: 'Volumes that nobody serves for now, and why.' },
    ),
    gone: Type.Array(Type.String(), { description: 'Volumes of this store of which no disk has anything.' }),
  },
  { $id: 'ClusterRebuild' },
);
export type ClusterRebuildBody = Static<typeof ClusterRebuild>;

export function clusterRebuildBody(plan: RebuildPlan): ClusterRebuildBody {
  const { rebuilt, refusals, reported, silent, refused, gone, done } = plan;
  return {
    ...{ done, reported: [...reported], silent: [...silent], gone: [...gone] },
    refusals: [...refusals],
    refused: [...refused],
    rebuilt: rebuilt.map(({ epoch, inSync, stale, ...one }) => ({
      ...{ ...one, epoch: count(epoch), inSync: [...inSync], stale: [...stale] },
    })),
  };
}
