// Volumes, snapshots and ranges as the API tells of them. Called by routes/volumes.ts and
// routes/snapshots.ts; src/client takes its types from here.
import { type Static, Type } from '@sinclair/typebox';
import { hostsMax } from '../base/volume-spec.js';
import type { ClusterSnapshotView } from '../controller/types.js';
import type { PoolRanges, Snapshot as SnapshotView, VolumeView } from '../pools/types.js';
import { Qos, QosCounters } from './qos-schemas.js';
import { Bytes, Count, count, date, ref } from './schemas.js';
import type { VolumeCounters, VolumeFacts } from './sources.js';

export const HostGrant = Type.Object({
  nqn: Type.String(),
  exclusive: Type.Boolean({ description: 'While it has the volume, nobody else does.' }),
});

const Label = Type.String({ minLength: 1, maxLength: 253 });
/** Of a pod that uses a volume; names as Kubernetes has them. */
export const podFields = {
  node: Label,
  namespace: Label,
  name: Label,
  claim: Type.Optional(Type.Unsafe<string>({ ...Label, description: 'PersistentVolumeClaim' })),
};

export const Pod = Type.Object({ uid: Type.String(), ...podFields });

export const Volume = Type.Object(
  {
    name: Type.String(),
    kind: Type.String({ description: 'pool, file, memory or null' }),
    pool: Type.Optional(Type.String()),
    state: Type.Unsafe<VolumeView['state']>({
      type: 'string',
      enum: ['serving', 'locked', 'erased', 'stopped'],
      description:
        'locked: its key cannot be had now. erased: its key was discarded. stopped: for another reason.',
    }),
    error: Type.Optional(Type.String({ description: 'Why it is not served.' })),
    sizeBytes: Count,
    allocatedBytes: Type.Optional(
      Type.Unsafe<number | string>({
        ...Count,
        description:
          'Room of its pool that it and its snapshots take, in whole extents; a clone without its origin. ' +
          'In answers to GET, where the pool counts it.',
      }),
    ),
    blockSizeBytes: Type.Integer(),
    nqn: Type.String(),
    nsid: Type.Integer(),
    uuid: Type.String(),
    durable: Type.Boolean({ description: 'What was acknowledged survives the process and a power failure.' }),
    thick: Type.Optional(Type.Boolean()),
    created: Type.Optional(Type.String({ format: 'date-time' })),
    originUuid: Type.Optional(Type.String({ description: 'The snapshot that it is a clone of.' })),
    cloneOf: Type.Optional(
      Type.String({ description: 'UUID of the volume that it is a clone of, as it was at a moment.' }),
    ),
    hosts: Type.Optional(
      Type.Array(HostGrant, { description: 'Who may use it. Absent: any host. Empty: none.' }),
    ),
    qos: Type.Optional(Qos),
    qosCounters: Type.Optional(QosCounters),
    pods: Type.Optional(Type.Array(Pod, { description: 'Of Kubernetes, that use it as nodes have told.' })),
    encrypted: Type.Boolean(),
    keyId: Type.Optional(Type.String({ description: 'Which key wraps its key.' })),
    counters: Type.Object({
      reads: Count,
      writes: Count,
      readBytes: Count,
      writeBytes: Count,
      errors: Count,
    }),
  },
  { $id: 'Volume' },
);
export type VolumeBody = Static<typeof Volume>;
export const VolumeList = Type.Object({ volumes: Type.Array(ref(Volume)) });

export const Source = Type.Object(
  {
    volume: Type.String(),
    snapshot: Type.String(),
    asVolume: Type.Optional(
      Type.Boolean({ description: 'The snapshot is only how: the clone is one of the volume (cloneOf).' }),
    ),
  },
  { additionalProperties: false },
);
export const NewVolume = Type.Object(
  {
    name: Type.String(),
    sizeBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Bytes, description: 'A clone may leave it out.' }),
    ),
    pool: Type.Optional(Type.String({ description: 'Default: the only one, or that of the source.' })),
    thick: Type.Optional(Type.Boolean({ description: 'All its room is taken now. Default: thin.' })),
    encrypted: Type.Optional(Type.Boolean()),
    source: Type.Optional(Source),
    qos: Type.Optional(Qos),
    hosts: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: hostsMax,
        description:
          'NQNs of the hosts that may use it. Absent: any host. Empty: none, until one is granted it.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type NewVolumeBody = Static<typeof NewVolume>;

export const VolumePatch = Type.Object(
  {
    sizeBytes: Type.Optional(Bytes),
    name: Type.Optional(Type.String()),
    force: Type.Optional(Type.Boolean({ description: 'Renames also while hosts are connected.' })),
    qos: Type.Optional(Type.Union([Qos, Type.Null()], { description: 'null: none any more.' })),
    hosts: Type.Optional(Type.Null({ description: 'null: any host may use it from now on.' })),
  },
  { additionalProperties: false, minProperties: 1 },
);

export type VolumePatchBody = Static<typeof VolumePatch>;

export const Revert = Type.Object(
  {
    snapshot: Type.String(),
    force: Type.Optional(Type.Boolean({ description: 'While hosts are connected.' })),
  },
  { additionalProperties: false },
);

export const Snapshot = Type.Object(
  {
    volume: Type.String(),
    volumeUuid: Type.String(),
    name: Type.String(),
    uuid: Type.String(),
    sizeBytes: Count,
    created: Type.String({ format: 'date-time' }),
    state: Type.Optional(
      Type.String({
        description: 'Of a cluster: complete, degraded (a replica does not have it yet), taking or deleting.',
      }),
    ),
    nodes: Type.Optional(Type.Array(Type.String(), { description: 'Of a cluster: the nodes that have it.' })),
    waitingFor: Type.Optional(Type.String({ description: 'What it waits for. Absent: nothing.' })),
  },
  { $id: 'Snapshot' },
);
export type SnapshotBody = Static<typeof Snapshot>;
export const SnapshotList = Type.Object({ snapshots: Type.Array(ref(Snapshot)) });

export const SnapshotBoth = Type.Object({ name: Type.String(), snapshot: Type.String() });
const onPageDefault = 1024;
/** `limit` as it was asked for. */
export function snapshotsOnPage(limit: string | undefined): number {
  return limit === undefined ? onPageDefault : Number(limit);
}
export const SnapshotPageWanted = Type.Object({
  limit: Type.Optional(
    Type.String({ pattern: '^[0-9]{1,5}$', description: `1 to 10000, default ${onPageDefault}.` }),
  ),
  after: Type.Optional(Type.String({ description: 'What `next` of the page before was.' })),
  name: Type.Optional(Type.String({ description: 'Only snapshots of this name.' })),
});

export const SnapshotPage = Type.Object({
  snapshots: Type.Array(ref(Snapshot), { description: 'Those of a volume are all on one page.' }),
  next: Type.Optional(Type.String({ description: 'Where to go on; absent at the end.' })),
});

export const NewSnapshot = Type.Object({ name: Type.String() }, { additionalProperties: false });
export const NewSnapshots = Type.Object(
  {
    snapshots: Type.Array(
      Type.Object({ volume: Type.String(), name: Type.String() }, { additionalProperties: false }),
      { description: 'Of volumes of one pool, each once: 1 to 128.' },
    ),
  },
  { additionalProperties: false },
);

export const Extents = Type.Object(
  {
    extents: Type.Array(Type.Object({ offsetBytes: Count, lengthBytes: Count })),
    nextOffsetBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Count, description: 'Where to go on; absent at the end.' }),
    ),
  },
  { $id: 'Extents' },
);
export type ExtentsBody = Static<typeof Extents>;

export function volumeBody(
  facts: VolumeFacts | VolumeView,
  counters: VolumeCounters | undefined,
): VolumeBody {
  const { qos } = counters ?? {};
  const { reads = 0n, writes = 0n, readBytes = 0n, writeBytes = 0n, errors = 0n } = counters ?? {};
  return {
    ...('info' in facts ? pooled(facts) : { ...facts, sizeBytes: count(facts.sizeBytes), ...plain }),
    counters: {
      reads: count(reads),
      writes: count(writes),
      readBytes: count(readBytes),
      writeBytes: count(writeBytes),
      errors: count(errors),
    },
    ...(qos !== undefined && {
      qosCounters: {
        ...qos,
        throttledIos: Number(qos.throttledIos),
        throttledNs: Number(qos.throttledNs),
      },
    }),
  };
}

/** What a body says of the room that its volume takes. */
export function allocatedOf(
  uuid: string,
  allocated: ReadonlyMap<string, bigint>,
): Pick<VolumeBody, 'allocatedBytes'> {
  const bytes = allocated.get(uuid);
  return bytes === undefined ? {} : { allocatedBytes: count(bytes) };
}

const plain = { state: 'serving' as const, encrypted: false };

function pooled({ pool, info, nqn, state, error, encrypted, keyId, settings }: VolumeView) {
  const { cloneOf, hosts, pods, qos } = settings;
  return {
    name: info.name,
    kind: 'pool',
    pool,
    state,
    ...(error !== undefined && { error }),
    sizeBytes: count(info.sizeBytes),
    blockSizeBytes: 4096,
    nqn,
    nsid: 1,
    uuid: info.uuid,
    durable: true,
    thick: info.thick,
    created: date(info.createdAt),
    ...(info.originUuid !== '' && { originUuid: info.originUuid }),
    ...(cloneOf !== undefined && { cloneOf }),
    ...(qos !== undefined && { qos }),
    ...(hosts !== undefined && { hosts: hosts.map((host) => ({ ...host })) }),
    ...(pods !== undefined && { pods: pods.map((pod) => ({ ...pod })) }),
    encrypted,
    ...(keyId !== undefined && { keyId }),
  };
}

export function snapshotBody(of: SnapshotView | ClusterSnapshotView): SnapshotBody {
  const { volume, volumeUuid, name, uuid, sizeBytes, createdAt } = of;
  const body = { volume, volumeUuid, name, uuid, sizeBytes: count(sizeBytes), created: date(createdAt) };
  if (!('state' in of)) return body;
  const { state, nodes, waitingFor } = of;
  return { ...body, state, nodes: [...nodes], ...(waitingFor !== undefined && { waitingFor }) };
}

export function extentsBody({ ranges, nextOffsetBytes }: PoolRanges): ExtentsBody {
  return {
    extents: ranges.map(({ offsetBytes, lengthBytes }) => ({
      offsetBytes: count(offsetBytes),
      lengthBytes: count(lengthBytes),
    })),
    ...(nextOffsetBytes !== undefined && { nextOffsetBytes: count(nextOffsetBytes) }),
  };
}
