// From two answers of /v1/stats to rates: of volumes, and of pods over the volumes that they use. Pure.

import type { StatsBody, VolumeStatsBody } from '../../client/api-client.js';
import { toBytes } from '../../client/api-client.js';

export interface Rates {
  readonly readIops: number;
  readonly writeIops: number;
  readonly readBytesPerSecond: number;
  readonly writeBytesPerSecond: number;
  /** Of all commands in the interval; null: there were none. */
  readonly meanUs: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Commands in flight, on average over the interval. */
  readonly queueDepth: number;
  /** The part of the time of all commands that they waited for limits. */
  readonly throttledPercent: number;
}

export interface VolumeRow extends Rates {
  readonly volume: string;
  readonly pool: string | null;
  readonly serving: boolean;
}

export interface PodRow extends Rates {
  readonly namespace: string;
  readonly pod: string;
  readonly claims: readonly string[];
  readonly node: string;
  readonly volumes: readonly string[];
}

/** What one volume did between two answers. */
interface Delta {
  readonly volume: VolumeStatsBody;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly counts: readonly number[];
  readonly sumSeconds: number;
  readonly throttledSeconds: number;
}

/** Volumes that are in both; one that was served anew in between counts from its beginning. */
function deltas(before: StatsBody, after: StatsBody): readonly Delta[] {
  const earlier = new Map(before.volumes.map((volume) => [volume.uuid, volume]));
  return after.volumes.map((volume) => {
    const found = earlier.get(volume.uuid);
    return difference(found !== undefined && isEarlier(found, volume) ? found : undefined, volume);
  });
}

function isEarlier(before: VolumeStatsBody, after: VolumeStatsBody): boolean {
  return (['reads', 'writes', 'readBytes', 'writeBytes'] as const).every(
    (key) => toBytes(before[key]) <= toBytes(after[key]),
  );
}

function difference(before: VolumeStatsBody | undefined, volume: VolumeStatsBody): Delta {
  const of = (key: 'reads' | 'writes' | 'readBytes' | 'writeBytes') =>
    Number(toBytes(volume[key]) - toBytes(before?.[key]));
  const counts: number[] = [];
  let sumSeconds = 0;
  for (const kind of ['read', 'write', 'flush', 'unmap'] as const) {
    const now = volume.latency[kind];
    if (now === undefined) continue;
    const then = before?.latency[kind];
    sumSeconds += now.sumSeconds - (then?.sumSeconds ?? 0);
    for (const [bucket, count] of now.counts.entries()) {
      counts[bucket] = (counts[bucket] ?? 0) + count - (then?.counts[bucket] ?? 0);
    }
  }
  return {
    volume,
    reads: of('reads'),
    writes: of('writes'),
    readBytes: of('readBytes'),
    writeBytes: of('writeBytes'),
    counts,
    sumSeconds,
    throttledSeconds: volume.throttledSeconds - (before?.throttledSeconds ?? 0),
  };
}

/** The value that a part of the commands did not exceed, evenly spread within its bucket. */
export function quantileUs(
  counts: readonly number[],
  bounds: readonly number[],
  part: number,
): number | null {
  const filled = Array.from(counts, (count = 0) => count);
  const total = filled.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = part * total;
  let seen = 0;
  for (const [bucket, count] of filled.entries()) {
    if (count > 0 && seen + count >= rank) {
      const low = bounds[bucket - 1] ?? 0;
      const high = bounds[bucket] ?? low; // the last bucket has no end
      return low + ((high - low) * (rank - seen)) / count;
    }
    seen += count;
  }
  return bounds.at(-1) ?? null;
}

function ratesOf(all: readonly Delta[], seconds: number, bounds: readonly number[]): Rates {
  const sum = (value: (delta: Delta) => number) => all.reduce((total, delta) => total + value(delta), 0);
  const counts = bounds.concat(0).map((_, bucket) => sum((delta) => delta.counts[bucket] ?? 0));
  const commands = counts.reduce((total, count) => total + count, 0);
  const busySeconds = sum(({ sumSeconds }) => sumSeconds);
  const throttled = sum(({ throttledSeconds }) => throttledSeconds);
  return {
    readIops: sum(({ reads }) => reads) / seconds,
    writeIops: sum(({ writes }) => writes) / seconds,
    readBytesPerSecond: sum(({ readBytes }) => readBytes) / seconds,
    writeBytesPerSecond: sum(({ writeBytes }) => writeBytes) / seconds,
    meanUs: commands === 0 ? null : (busySeconds / commands) * 1e6,
    p50Us: quantileUs(counts, bounds, 0.5),
    p99Us: quantileUs(counts, bounds, 0.99),
    queueDepth: busySeconds / seconds,
    throttledPercent: busySeconds === 0 ? 0 : Math.min(100, (100 * throttled) / busySeconds),
  };
}

export function secondsBetween(before: StatsBody, after: StatsBody): number {
  return Math.max(after.timeMs - before.timeMs, 1) / 1000;
}

export function volumeRows(before: StatsBody, after: StatsBody): readonly VolumeRow[] {
  const seconds = secondsBetween(before, after);
  return deltas(before, after).map((delta) => ({
    volume: delta.volume.name,
    pool: delta.volume.pool ?? null,
    serving: delta.volume.serving,
    ...ratesOf([delta], seconds, after.latencyBoundsUs),
  }));
}

/** A volume that several pods use counts for each of them: the target does not know them apart. */
export function podRows(before: StatsBody, after: StatsBody): readonly PodRow[] {
  const seconds = secondsBetween(before, after);
  const used = deltas(before, after).flatMap((delta) => delta.volume.pods.map((pod) => ({ pod, delta })));
  const byPod = new Map<string, typeof used>();
  for (const use of used) byPod.set(use.pod.uid, [...(byPod.get(use.pod.uid) ?? []), use]);
  return [...byPod.values()].flatMap((uses) => {
    const [first] = uses;
    if (first === undefined) return [];
    const { namespace, name, node } = first.pod;
    return {
      namespace,
      pod: name,
      claims: uses.flatMap(({ pod: { claim } }) => (claim === undefined ? [] : [claim])),
      node,
      volumes: uses.map(({ delta }) => delta.volume.name),
      ...ratesOf(
        uses.map(({ delta }) => delta),
        seconds,
        after.latencyBoundsUs,
      ),
    };
  });
}
