// Two result documents, joined job by job. Pure.

import { UsageError } from './arguments.mjs';
import { jobTitle } from './matrix.mjs';
import { table } from './statistics.mjs';

const runsThatSay = 3;
const figures = [
  { name: 'IOPS', pick: ({ iops }) => iops, higherIsBetter: true },
  { name: 'p99', pick: ({ latencyUs }) => latencyUs?.p99, higherIsBetter: false },
  { name: 'CPU', pick: (ours) => ours.targetCpuSecondsPerMillionIos, higherIsBetter: false },
];

/** What of the machines differs, in words. */
export function machineDifferences(a, b) {
  return ['cpu', 'cpus', 'memoryBytes', 'kernel', 'clockSource']
    .filter((key) => a.machine[key] !== b.machine[key])
    .map((key) => `${key}: ${a.machine[key]} and ${b.machine[key]}`);
}

/**
 * B to A: the ratio of the medians; `min` and `max` of what it could be by the runs; verdict 'better',
 * 'worse', or 'same' where the ranges of the runs overlap.
 */
export function compareFigures(a, b, higherIsBetter) {
  const apart = b.min > a.max || b.max < a.min;
  const grew = b.median > a.median;
  return {
    ratio: b.median / a.median,
    min: b.min / a.max,
    max: b.max / a.min,
    verdict: !apart ? 'same' : grew === higherIsBetter ? 'better' : 'worse',
  };
}

/** { jobs: [{ title, queueDepth, client, IOPS, p99, CPU }], onlyInA, onlyInB }, the last two as titles. */
export function joinResults(a, b) {
  const measured = (document) =>
    new Map(document.results.filter(({ ours }) => ours).map((r) => [`${r.key}, ${r.client}`, r]));
  const [inA, inB] = [measured(a), measured(b)];
  const jobs = [];
  for (const [key, one] of inA) {
    const other = inB.get(key);
    if (!other) continue;
    const job = { title: jobTitle(one), queueDepth: one.queueDepth, client: one.client };
    for (const { name, pick, higherIsBetter } of figures) {
      const [x, y] = [pick(one.ours), pick(other.ours)];
      if (x && y) job[name] = compareFigures(x, y, higherIsBetter);
    }
    jobs.push(job);
  }
  if (jobs.length === 0) throw new UsageError('the two files have no job in common');
  const without = (these, those) => [...these.keys()].filter((key) => !those.has(key));
  return { jobs, onlyInA: without(inA, inB), onlyInB: without(inB, inA) };
}

const marks = { better: '+', worse: '-', same: ' ' };

function cell(compared) {
  if (!compared) return 'not known';
  const { ratio, min, max, verdict } = compared;
  return `${ratio.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)}) ${marks[verdict]}`;
}

export function comparisonText(a, b) {
  const { jobs, onlyInA, onlyInB } = joinResults(a, b);
  const clients = new Set(jobs.map(({ client }) => client)).size;
  // The mark is the last character of a cell, and a blank one must not be lost at the end of a line.
  const header = [
    'job',
    'QD',
    ...(clients > 1 ? ['client'] : []),
    ...figures.map(({ name }) => `${name} B/A  `),
  ];
  const rows = jobs.map((job) => [
    job.title,
    String(job.queueDepth),
    ...(clients > 1 ? [job.client] : []),
    ...figures.map(({ name }) => cell(job[name])),
  ]);
  const about = (name, { date, revision, modified, runs, seconds }) => {
    const changed = modified ? ' with changes' : '';
    return `${name}: ${revision.slice(0, 12)}${changed}, ${date}, ${runs} runs of ${seconds} s`;
  };
  const lines = [
    about('A', a),
    about('B', b),
    '',
    table(header, rows),
    '',
    'in parentheses: what the runs allow; + better and - worse where the ranges of the runs do not overlap',
  ];
  if (Math.min(a.runs, b.runs) < runsThatSay)
    lines.push(`fewer than ${runsThatSay} runs: their ranges say little`);
  for (const [name, keys] of Object.entries({ A: onlyInA, B: onlyInB }))
    if (keys.length > 0) lines.push(`only in ${name}: ${keys.join('; ')}`);
  return lines.join('\n');
}
