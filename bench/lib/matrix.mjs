// The jobs of a bench run: named sets, and the product of the axes that a user gives. Pure: nothing is
// measured here. A job is one point of the matrix, and never changes.

import { UsageError } from './arguments.mjs';

/**
 * What is done: rw, blockBytes, rwMix (percent of reads, randrw only); how deep: queueDepth, the total over
 * its connections; over what: connections, digests; to what: device, and the reactors of the target.
 * @typedef {{ device: string, rw: string, rwMix?: number, blockBytes: number, queueDepth: number,
 *   connections: number, reactors: number, digests: string }} Job
 */

export const devices = ['memory', 'null', 'file'];
export const workloads = ['randread', 'randwrite', 'randrw', 'read', 'write'];
export const digestKinds = ['none', 'header', 'data', 'both'];
export const queueDepthMax = 1000; // of one connection: queues have 1,024 entries
export const connectionsMax = 4000;

const axesOfOneJob = {
  device: ['memory'],
  digests: ['none'],
  reactors: [1],
  connections: [1],
  blockBytes: [4096],
  rw: ['randread'],
  queueDepth: [32],
};
/** What axes that were not named have when others were. */
const axesOfUser = { ...axesOfOneJob, rw: ['randread', 'randwrite'], queueDepth: [1, 32, 128] };

function product(axes) {
  let jobs = [{}];
  for (const [axis, values] of Object.entries({ ...axesOfOneJob, ...axes }))
    jobs = jobs.flatMap((job) => values.map((value) => ({ ...job, [axis]: value })));
  return jobs;
}

const random = ['randread', 'randwrite'];
const small = { rw: [...random, 'randrw'], queueDepth: [1, 8, 32, 128] };
const large = { rw: ['read', 'write'], blockBytes: [128 << 10] };

const withDigests = (digests) => [...product({ rw: random, digests }), ...product({ ...large, digests })];
const overConnections = product({ rw: random, queueDepth: [1000], connections: [1, 10, 100, 1000] });
// Eight connections, so that each of two reactors has the same share.
const overReactors = product({ rw: random, queueDepth: [32, 128], connections: [8], reactors: [1, 2] });

const sets = {
  quick: { seconds: 1, jobs: product({ rw: random, queueDepth: [1, 32, 128] }) },
  standard: {
    jobs: [
      ...product(small),
      ...product({ device: ['null'], rw: random }),
      ...product({ device: ['file'], rw: random, queueDepth: [1, 32] }),
      ...product(large),
      ...withDigests(['both']),
    ],
  },
  digests: { jobs: withDigests(digestKinds) },
  connections: { footprint: true, jobs: overConnections },
  full: {
    footprint: true,
    jobs: [
      ...product({ ...small, device: devices, digests: ['none', 'both'] }),
      ...product({ ...large, device: devices, digests: ['none', 'both'] }),
      ...withDigests(digestKinds),
      ...overConnections,
      ...overReactors,
    ],
  },
};
export const setNames = Object.keys(sets);

/**
 * Two jobs with the same key are the same job; the key is also how two result files are joined.
 * @param {Job} job
 */
export function jobKey(job) {
  const { device, digests, reactors, connections, blockBytes, rw, queueDepth, rwMix } = job;
  const mix = rw === 'randrw' ? `:${rwMix}` : '';
  return `${device} ${rw}${mix} ${blockBytes} qd${queueDepth} c${connections} r${reactors} ${digests}`;
}

/**
 * A job in words, without its queue depth, which tables give a column.
 * @param {Job} job
 */
export function jobTitle({ device, digests, reactors, connections, blockBytes, rw, rwMix }) {
  const size = blockBytes % 1024 === 0 ? `${blockBytes / 1024}k` : String(blockBytes);
  const digestWords = { none: '', header: ', header digest', data: ', data digest', both: ', digests' };
  return [
    `${device} ${rw === 'randrw' ? `randrw ${rwMix}/${100 - rwMix}` : rw} ${size}`,
    digestWords[digests],
    connections > 1 ? `, ${connections} conn` : '',
    reactors > 1 ? `, ${reactors} reactors` : '',
  ].join('');
}

export const writes = ({ rw }) => rw.endsWith('write') || rw === 'randrw';

function check({ queueDepth, connections }) {
  const each = queueDepth / connections;
  if (!Number.isInteger(each))
    throw new UsageError(`--qd ${queueDepth} cannot be shared evenly by ${connections} connections`);
  if (each > queueDepthMax)
    throw new UsageError(`--qd ${queueDepth}: at most ${queueDepthMax} on each connection`);
}

/**
 * setName: undefined without --set; axes: { axis: [values] } of the axes that were named.
 * A set alone is its jobs; axes alone are their product; both: the axes replace those of the set's jobs.
 * Gives { name, seconds, footprint, jobs } with each job once.
 * @param {{ setName?: string | undefined, axes?: Record<string, unknown[]>, rwMix?: number }} choice
 * @returns {{ name: string, seconds: number, footprint: boolean, jobs: Job[] }}
 */
export function chooseJobs({ setName, axes = {}, rwMix = 70 }) {
  const own = Object.keys(axes).length > 0;
  const name = setName ?? (own ? 'own' : 'standard');
  const set = name === 'own' ? { jobs: product({ ...axesOfUser, ...axes }) } : sets[name];
  let { jobs } = set;
  if (setName !== undefined) {
    for (const [axis, values] of Object.entries(axes))
      jobs = jobs.flatMap((job) => values.map((value) => ({ ...job, [axis]: value })));
  }
  const unique = new Map();
  for (const job of jobs) {
    check(job);
    const whole = job.rw === 'randrw' ? { ...job, rwMix } : job;
    unique.set(jobKey(whole), whole);
  }
  return {
    name,
    seconds: set.seconds ?? 3,
    footprint: set.footprint ?? false,
    jobs: [...unique.values()],
  };
}
