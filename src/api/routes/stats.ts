// GET /v1/stats: the counters and latency histograms of all volumes in one answer, raw: who asks twice has
// rates. What `ballast top` reads.
import { setImmediate } from 'node:timers/promises';
import { type Static, Type } from '@sinclair/typebox';
import type { Clock } from '../../base/clock.js';
import { type IoKind, ioKinds, type LatencyHistogram, latencyBoundsUs } from '../../base/io-latency.js';
import type { RouteModule } from '../app-types.js';
import { Count, count, ref } from '../schemas.js';
import { sendList } from '../send-list.js';
import type { StatsSource, VolumeActivity, VolumeSummary } from '../sources.js';
import { Pod } from '../volume-schemas.js';

const Latency = Type.Object({
  counts: Type.Array(Type.Integer(), {
    description:
      'Commands for each bucket of latencyBoundsUs, then those above; zeroes at the end are left out.',
  }),
  sumSeconds: Type.Number(),
});

const VolumeStats = Type.Object({
  name: Type.String(),
  uuid: Type.String(),
  kind: Type.String(),
  pool: Type.Optional(Type.String()),
  serving: Type.Boolean(),
  pods: Type.Array(Pod),
  reads: Count,
  writes: Count,
  readBytes: Count,
  writeBytes: Count,
  errors: Count,
  inFlight: Type.Integer(),
  throttledIos: Count,
  throttledSeconds: Type.Number({ description: 'How long I/Os waited for limits, together.' }),
  latency: Type.Partial(Type.Object({ read: Latency, write: Latency, flush: Latency, unmap: Latency }), {
    description: 'Of kinds of commands that there were.',
  }),
});

const Stats = Type.Object(
  {
    node: Type.String(),
    timeMs: Type.Number({
      description: 'When it was read, by a clock that never jumps; since the daemon began.',
    }),
    latencyBoundsUs: Type.Array(Type.Integer(), { description: 'Upper bounds of the buckets, inclusive.' }),
    volumes: Type.Array(VolumeStats),
  },
  { $id: 'Stats' },
);
export type StatsBody = Static<typeof Stats>;
export type VolumeStatsBody = StatsBody['volumes'][number];

export interface StatsOptions {
  readonly source: StatsSource;
  readonly node: string;
  readonly clock: Clock;
}

export function statsRoutes({ source, node, clock }: StatsOptions): RouteModule {
  return (app) => {
    app.addSchema(Stats);
    app.get(
      '/v1/stats',
      {
        config: { access: 'viewer' },
        schema: { summary: 'Counters and latency of all volumes', response: { 200: ref(Stats) } },
      },
      async (_request, reply) => {
        const volumes = source.volumes();
        await setImmediate(); // with ten thousand of them each of the two takes milliseconds
        const head = { node, timeMs: clock.steadyMs(), latencyBoundsUs };
        return sendList(reply, head, 'volumes', bodiesOf(volumes, source.stats()));
      },
    );
  };
}

function* bodiesOf(
  volumes: readonly VolumeSummary[],
  stats: ReturnType<StatsSource['stats']>,
): Generator<VolumeStatsBody> {
  for (const volume of volumes) yield body(volume, stats.volume(volume.name));
}

function body(
  { name, uuid, kind, pool, serving, pods }: VolumeSummary,
  activity: VolumeActivity | undefined,
): VolumeStatsBody {
  const { reads = 0n, writes = 0n, readBytes = 0n, writeBytes = 0n, errors = 0n } = activity ?? {};
  return {
    name,
    uuid,
    kind,
    ...(pool !== undefined && { pool }),
    serving,
    pods: pods.map((pod) => ({ ...pod })),
    reads: count(reads),
    writes: count(writes),
    readBytes: count(readBytes),
    writeBytes: count(writeBytes),
    errors: count(errors),
    inFlight: activity?.inFlight ?? 0,
    throttledIos: count(activity?.qos?.throttledIos ?? 0n),
    throttledSeconds: Number(activity?.qos?.throttledNs ?? 0n) / 1e9,
    latency: activity?.latency === undefined ? {} : latencyBody(activity.latency),
  };
}

function latencyBody(latency: Readonly<Record<IoKind, LatencyHistogram>>): VolumeStatsBody['latency'] {
  const kinds = ioKinds.flatMap((kind) => {
    const { counts, sumSeconds } = latency[kind];
    const last = counts.findLastIndex((one) => one > 0);
    return last < 0 ? [] : [[kind, { counts: counts.slice(0, last + 1), sumSeconds }] as const];
  });
  return Object.fromEntries(kinds);
}
