// Numbers of a daemon with three volumes and two pools, for tests of metrics: one volume is not served, one
// has a name that needs escaping, one pool is missing.
import { type LatencyHistogram, latencyBoundsUs } from '../../src/base/io-latency.js';
import type { MeasuredVolume, MetricsSource } from '../../src/metrics/sources.js';
import type { MirrorMemberView, MirrorView } from '../../src/mirrors/types.js';
import type { NodeStats, StatsByVolume, VolumeStats } from '../../src/native/types.js';
import type { PoolView } from '../../src/pools/types.js';

export function histogram(counts: Readonly<Record<number, number>>, sumSeconds: number): LatencyHistogram {
  return { counts: Array.from({ length: latencyBoundsUs.length + 1 }, (_, i) => counts[i] ?? 0), sumSeconds };
}

const empty = histogram({}, 0);

export function volumeStats(name: string, changes: Partial<VolumeStats> = {}): VolumeStats {
  return {
    name,
    nqn: `nqn.2026-11.dev.ballast:volume:${name}`,
    nsid: 1,
    reads: 0n,
    writes: 0n,
    readBytes: 0n,
    writeBytes: 0n,
    errors: 0n,
    inFlight: 0,
    errorTypes: { generic: 0n, command: 0n, media: 0n, path: 0n, other: 0n },
    qos: { throttledIos: 0n, throttledNs: 0n, waitingIos: 0, guaranteeSeconds: 0, guaranteeKeptSeconds: 0 },
    latency: { read: empty, write: empty, flush: empty, unmap: empty },
    ...changes,
  };
}

export function measuredVolume(name: string, changes: Partial<MeasuredVolume> = {}): MeasuredVolume {
  return {
    name,
    uuid: `uuid-of-${name}`,
    kind: 'pool',
    pool: 'pool0',
    nqn: `nqn.2026-11.dev.ballast:volume:${name}`,
    nsid: 1,
    sizeBytes: 1n << 30n,
    serving: true,
    pods: [],
    ...changes,
  };
}

const pod = { uid: 'u1', node: 'worker-1', namespace: 'shop', name: 'db-0', claim: 'data-db-0' };

const fakeVolumeStats = [
  volumeStats('db', {
    reads: 5n,
    writes: 2n,
    readBytes: 20_480n,
    writeBytes: 2n ** 60n,
    errors: 1n,
    inFlight: 3,
    qos: {
      throttledIos: 4n,
      throttledNs: 1_500_000_000n,
      waitingIos: 2,
      guaranteeSeconds: 10,
      guaranteeKeptSeconds: 9,
    },
    errorTypes: { generic: 2n, command: 0n, media: 1n, path: 0n, other: 0n },
    latency: {
      read: histogram({ 0: 3, 2: 1, 22: 1 }, 20),
      write: histogram({ 1: 2 }, 0.00002),
      flush: empty,
      unmap: empty,
    },
  }),
  volumeStats('a"\\b'),
];

const fakeNodeStats: NodeStats = {
  reactors: [{ turns: 10, sleeps: 2, messages: 3, busyNs: 2_500_000_000n, connections: 4 }],
  transport: {
    connections: 4,
    connectionsTotal: 9n,
    bytesReceived: 10n,
    bytesSent: 11n,
    receives: 1n,
    sends: 1n,
    flushes: 1n,
    dataDigestErrors: 1n,
    pduErrors: [0n, 1n, 2n, 0n, 0n, 0n, 0n],
  },
  qos: { inFlightUnits: 1, waitingVolumes: 1, guaranteedIops: 5000, rateWaits: 8n, depthWaits: 9n },
  controllers: 2,
  keepAliveTimeouts: 6,
  logLinesDropped: 7,
};

/** Of a daemon that serves these volumes. */
export function statsOf(volumes: readonly VolumeStats[]): StatsByVolume {
  const byName = new Map(volumes.map((volume) => [volume.name, volume]));
  return { ...fakeNodeStats, volume: (name) => byName.get(name) };
}

export const fakeVolumes: readonly MeasuredVolume[] = [
  measuredVolume('db', {
    pods: [pod, { ...pod, uid: 'u2', name: 'db-1' }],
    qos: { class: 'gold', iops: 5000, readIops: 0, writeIops: 10, throughput: 3, minIops: 400, weight: 900 },
  }),
  measuredVolume('a"\\b', { kind: 'memory' }),
  measuredVolume('gone', { serving: false }),
];

export const fakePools: readonly PoolView[] = [
  {
    name: 'pool0',
    uuid: 'p0',
    state: 'open',
    problems: [],
    paths: ['/dev/x'],
    info: {
      name: 'pool0',
      uuid: 'p0',
      devices: [],
      checksums: true,
      extentBytes: 1 << 20,
      capacityBytes: 1000n,
      withoutMetadataBytes: 0n,
      usedBytes: 250n,
      freeBytes: 750n,
      metadataBytes: 100n,
      metadataUsedBytes: 10n,
      provisionedBytes: 5000n,
      overcommitPercent: 0,
      reservePercent: 10,
      volumesCount: 3,
      layersCount: 4,
      working: false,
      broken: false,
      scrub: { running: true, doneBytes: 1n, totalBytes: 2n, errors: 3n },
    },
  },
  { name: 'lost', uuid: 'p1', state: 'missing', error: 'no device', problems: [], paths: [] },
];

export const fakeMirrorViews: readonly MirrorView[] = [
  {
    name: 'db',
    uuid: 'v1',
    nqn: 'nqn.2026-11.dev.ballast:volume:v1',
    sizeBytes: 1n << 60n,
    blockSizeBytes: 4096,
    state: 'serving',
    activity: 'copying',
    epoch: 7n,
    head: 'n1',
    minInSync: 1,
    members: [
      member('m1', { local: true, place: 'replica r1' }),
      member('m2', {}),
      member('m3', {
        ...{ state: 'joining', inSync: false, reason: 'the connection was lost' },
        ...{ resyncDoneBytes: 5n, resyncTotalBytes: 20n },
      }),
    ],
    verify: {
      ...{ state: 'running', doneBytes: 6n, totalBytes: 30n, differentBytes: 4096n, unreadableBytes: 8192n },
      ...{ differences: [{ offsetBytes: 4096n, sizeBytes: 4096n, odd: ['m2'] }], unable: [] },
    },
    unreconciledRegions: 4,
    markedRegions: 9,
  },
];

function member(uuid: string, changes: Partial<MirrorMemberView>): MirrorMemberView {
  return {
    ...{ uuid, place: 'tcp://192.0.2.1:4420', local: false, inSync: true, state: 'in_sync' },
    ...{ resyncDoneBytes: 0n, resyncTotalBytes: 0n },
    ...changes,
  };
}

export const fakeMetricsSource: MetricsSource = {
  stats: () => statsOf(fakeVolumeStats),
  volumes: () => fakeVolumes,
  allocations: async () => new Map(fakeVolumes.slice(0, 1).map(({ uuid }) => [uuid, 3n << 20n])),
  pools: async () => fakePools,
  mirrors: async () => fakeMirrorViews,
  qosBudgetIops: () => 60_000,
};

export async function textOf(parts: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const part of parts) text += part;
  return text;
}
