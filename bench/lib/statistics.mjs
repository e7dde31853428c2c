// Medians with their spread, sums of reports, and plain tables. Used by every bench.

/** { median, min, max, runs }: how each figure of a result file is kept. */
export function spread(runs) {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1), runs };
}

/** Mean of `values`, each as often as its weight says. */
export function weightedMean(values, weights) {
  const sum = weights.reduce((a, b) => a + b, 0);
  return values.reduce((total, value, i) => total + value * weights[i], 0) / sum;
}

/**
 * What several controllers did at the same time, as one report. Percentiles of a whole cannot be had from
 * those of its parts: the mean of the parts' percentiles, by their I/Os, stands for it; it lies between them.
 */
export function sumReports(results, cpuSeconds) {
  const total = (pick) => results.reduce((sum, result) => sum + pick(result), 0);
  const ios = results.map(({ reads, writes }) => reads + writes);
  const latencyUs = {};
  for (const key of Object.keys(results[0].latencyUs))
    latencyUs[key] = weightedMean(
      results.map((result) => result.latencyUs[key]),
      ios,
    );
  latencyUs.max = Math.max(...results.map((result) => result.latencyUs.max));
  return {
    iops: total(({ iops }) => iops),
    mibPerSecond: total(({ bytesPerSecond }) => bytesPerSecond) / (1 << 20),
    latencyUs,
    read: { ios: total(({ reads }) => reads) },
    write: { ios: total(({ writes }) => writes) },
    cpuSecondsPerMillionIos: (cpuSeconds / total(({ reads, writes }) => reads + writes)) * 1e6,
  };
}

/** Rows of strings under a header; the first column to the left, the others to the right. */
export function table(header, rows) {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}

export function thousands(value) {
  return value >= 1000 ? `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)}k` : value.toFixed(0);
}
