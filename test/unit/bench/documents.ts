// Result documents for the tests of what reads them.
import { chooseJobs } from '../../../bench/lib/matrix.mjs';
import { makeDocument } from '../../../bench/lib/report.mjs';

export const about = {
  ...{ date: '2026-11-22T10:20:30.000Z', revision: '0123456789abcdef', modified: false, node: 'v20.20.2' },
  machine: { cpu: 'Example <&> CPU', cpus: 2, memoryBytes: 1, kernel: '6.1', clockSource: 'tsc' },
};

/** memory randread 4k at QD 1 */
export const plainJob = chooseJobs({ axes: { queueDepth: [1] } }).jobs[0]!;

export interface Run {
  readonly iops: number;
  readonly latencyUs: Record<string, number>;
  readonly mibPerSecond?: number;
  readonly targetCpuSecondsPerMillionIos?: number;
  readonly cpuSecondsPerMillionIos?: number;
}

export function run(iops: number, more: Partial<Run> = {}): Run {
  const us = 1e6 / iops;
  const latencyUs = { mean: us, p50: us, p99: us * 4, p999: us * 10, max: us * 50 };
  return { iops, mibPerSecond: iops / 256, latencyUs, targetCpuSecondsPerMillionIos: us / 10, ...more };
}

/** runs: by key of the job, [ours, peer] as measured; QD 1, 32 and 128 of randread are there. */
export function makeResult(
  ours: (queueDepth: number) => (Run | undefined)[],
  peer: (queueDepth: number) => (Run | undefined)[] = () => [],
  clients = ['ballast perf'],
) {
  const jobs = chooseJobs({ axes: { rw: ['randread'] } }).jobs as { queueDepth: number }[];
  const pairs = jobs.flatMap((job) =>
    clients.map((name) => ({
      job,
      client: { name },
      ours: ours(job.queueDepth),
      peer: peer(job.queueDepth),
    })),
  );
  const head = { set: 'own', seconds: 1, runs: ours(1).length, cpus: {}, commands: {} };
  return makeDocument({
    about,
    head,
    measured: { limits: new Map(), pairs, missing: [] },
    footprint: undefined,
  });
}
