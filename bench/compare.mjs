// npm run bench:compare A.json B.json: two result files of bench/run.mjs, job by job, B in relation to A.

import { readArguments, runMain, UsageError } from './lib/arguments.mjs';
import { comparisonText, machineDifferences } from './lib/comparison.mjs';
import { readResult } from './lib/results.mjs';

const help = `Usage: npm run bench:compare [--] [options] A.json B.json        (node bench/compare.mjs ...)

Prints for each job that both files have the ratio B/A of IOPS, p99 latency and the target's CPU time per I/O,
of the medians and, in parentheses, what the spread of the runs allows. A ratio is marked + (better) or -
(worse) when the ranges of the runs do not overlap.

  --force      compare although they come from different machines
  -h, --help

Exit status: 0 whatever the ratios are; 2 for wrong options, files that are no results, different machines.`;

await runMain('bench:compare', (words) => {
  const { values, positionals } = readArguments(words, { force: { type: 'boolean', default: false } }, true);
  if (values.help) {
    console.log(help);
    return;
  }
  if (positionals.length !== 2)
    throw new UsageError(`takes two result files, not ${positionals.length} (see --help)`);
  const [a, b] = positionals.map(readResult);
  const differences = machineDifferences(a, b);
  if (differences.length > 0 && !values.force)
    throw new UsageError(`they are of different machines (${differences.join('; ')}); --force compares them`);
  for (const difference of differences) console.log(`different machines: ${difference}`);
  console.log(comparisonText(a, b));
});
