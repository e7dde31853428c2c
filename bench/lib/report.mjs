// What was measured as the document of a result file, schema ballast-bench/2 (README.md). Pure.

import { limitDepth, limitKey } from './limit.mjs';
import { jobKey } from './matrix.mjs';
import { spread } from './statistics.mjs';
import { volumeMib } from './volumes.mjs';

export const schema = 'ballast-bench/2';
const percentileKeys = ['mean', 'p50', 'p90', 'p99', 'p999', 'max'];

/** Figures of the runs as one; undefined when no run has any. What no run knows is left out. */
export function summarise(runs) {
  const measured = runs.filter((run) => run !== undefined);
  if (measured.length === 0) return undefined;
  const figure = (pick) => {
    const values = measured.map(pick).filter((value) => Number.isFinite(value));
    return values.length === 0 ? undefined : spread(values);
  };
  const known = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  return known([
    ['iops', figure(({ iops }) => iops)],
    ['mibPerSecond', figure(({ mibPerSecond }) => mibPerSecond)],
    [
      'latencyUs',
      known(percentileKeys.map((key) => [key, figure(({ latencyUs }) => latencyUs[key] ?? Number.NaN)])),
    ],
    ...['targetCpuSecondsPerMillionIos', 'clientCpuSecondsPerMillionIos'].map((key) => {
      const source = key.startsWith('client') ? 'cpuSecondsPerMillionIos' : key;
      return [key, figure((run) => run[source] ?? Number.NaN)];
    }),
  ]);
}

/** Ours divided by the peer's, run by run: what stood next to each other in time is compared. */
export function pairRatios(ours, peer) {
  const both = ours.map((one, i) => [one, peer[i]]).filter(([a, b]) => a !== undefined && b !== undefined);
  if (both.length === 0) return undefined;
  const ratio = (pick) => {
    const values = both.map(([a, b]) => pick(a) / pick(b)).filter((value) => Number.isFinite(value));
    return values.length === 0 ? undefined : spread(values);
  };
  const ratios = {
    iops: ratio(({ iops }) => iops),
    p50: ratio(({ latencyUs }) => latencyUs.p50),
    p99: ratio(({ latencyUs }) => latencyUs.p99),
    targetCpu: ratio((run) => run.targetCpuSecondsPerMillionIos),
  };
  return Object.fromEntries(Object.entries(ratios).filter(([, value]) => value !== undefined));
}

function limitResult({ job, memoryMib, measured }) {
  const { rw, rwMix, blockBytes, digests, connections } = job;
  return {
    ...{ rw, rwMix, blockBytes, digests, connections, queueDepth: limitDepth(job), memoryMib },
    perSecond: spread(measured.map(({ perSecond }) => perSecond)),
    meanUs: spread(measured.map(({ meanUs }) => meanUs)),
  };
}

function pairResult({ job, client, ours, peer }, limitOf) {
  const result = { key: jobKey(job), ...job, client: client.name };
  const ourFigures = summarise(ours);
  const peerFigures = summarise(peer);
  if (ourFigures) {
    result.ours = ourFigures;
    const limit = limitOf(job, 0);
    if (limit) {
      result.limitPerSecond = limit.perSecond.median;
      result.ratioToLimit = ourFigures.iops.median / limit.perSecond.median;
    }
    const memoryLimit = limitOf(job, volumeMib);
    if (memoryLimit) {
      result.memoryLimitPerSecond = memoryLimit.perSecond.median;
      result.ratioToMemoryLimit = ourFigures.iops.median / memoryLimit.perSecond.median;
    }
  }
  if (peerFigures) result.peer = peerFigures;
  const ratios = pairRatios(ours, peer);
  if (ratios) result.ratioToPeer = ratios;
  return result;
}

/** about: environment(); head: what else goes before the figures; measured: what measureAll() gives. */
export function makeDocument({ about, head, measured, footprint }) {
  const limits = new Map([...measured.limits].map(([key, limit]) => [key, limitResult(limit)]));
  const limitOf = (job, memoryMib) => limits.get(limitKey(job, memoryMib));
  return {
    schema,
    ...about,
    ...head,
    limit: [...limits.values()],
    results: measured.pairs.map((pair) => pairResult(pair, limitOf)),
    ...(footprint && { footprint }),
    missing: measured.missing,
  };
}
