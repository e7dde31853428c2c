// Reads what spdk_nvme_perf -L prints: a table with one line for each namespace and a line "Total", and below
// it one list of percentiles for each namespace and core. Pure.

import { weightedMean } from './statistics.mjs';

const percentiles = { p50: '50', p90: '90', p99: '99', p999: '99.9' };

/** IOPS, MiB/s, average, min, max: the numbers at the end of a line of the table. */
function figuresOf(line) {
  const [iops, mibPerSecond, mean, min, max] = line
    .slice(line.lastIndexOf(':') + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  return Number.isFinite(max) ? { iops, mibPerSecond, mean, min, max } : undefined;
}

/** { iops, mibPerSecond, latencyUs: { mean, p50, p90, p99, p999, max } }, or undefined if it is not that. */
export function parseSpdkPerf(output) {
  const lines = output.split('\n').map((line) => line.trim());
  const totalAt = lines.findIndex((line) => /^Total\s*:/.test(line));
  const total = totalAt === -1 ? undefined : figuresOf(lines[totalAt]);
  if (total === undefined || !(total.iops > 0)) return undefined;

  const lists = [];
  for (const line of lines.slice(totalAt)) {
    if (line.startsWith('Summary latency data')) lists.push({});
    const match = /^(\d+(?:\.\d+)?)%\s*:\s*([\d.]+)us$/.exec(line);
    if (match !== null) lists.at(-1)[Number(match[1])] = Number(match[2]);
  }
  const named = (list) =>
    Object.fromEntries(Object.entries(percentiles).map(([key, percent]) => [key, list[percent]]));
  const found = lists.map(named).filter(({ p50, p99, p999 }) => p50 && p99 && p999);
  if (found.length === 0) return undefined; // it ran without -L

  // The lines of the namespaces come in the order of the lists; where one total is all there is, lists count
  // alike.
  const above = lines
    .slice(0, totalAt)
    .filter((line) => /\bfrom core\b/.test(line))
    .map(figuresOf);
  const weights = found.map((_, i) => (above.length === found.length ? (above[i]?.iops ?? 1) : 1));
  const latencyUs = { mean: total.mean };
  for (const key of Object.keys(percentiles))
    latencyUs[key] = weightedMean(
      found.map((list) => list[key]),
      weights,
    );
  return {
    iops: total.iops,
    mibPerSecond: total.mibPerSecond,
    latencyUs: { ...latencyUs, max: total.max },
  };
}
