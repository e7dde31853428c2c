// The limits of a job: bare messages of its sizes over as many loopback connections, by
// probes/raw_loopback.cc. For reads of a memory device also a second one, where the data comes from so much
// memory and not from a cache. Called by the bench run for each kind of message once per run.

import { runChild } from './child.mjs';
import { probe } from './probes.mjs';
import { volumeMib } from './volumes.mjs';

// NVMe/TCP Transport: a command capsule is 72 bytes, its in-capsule data behind it; C2HData and the response
// have headers of 24 bytes, and a read answered with the SUCCESS flag needs no response. A digest is 4 bytes.
// The limit sends all data of a write behind its command: R2Ts would only make it lower.
const commandBytes = 72;
const answerBytes = 24;
const digestBytes = 4;
const messagesOfMix = 10;
// On one connection. More in flight carries no more, and then less: it fills the socket's buffers, and sends
// become small.
const depthMax = 128;

/** In flight on all connections together. */
export const limitDepth = ({ queueDepth, connections = 1 }) =>
  connections * Math.min(Math.ceil(queueDepth / connections), depthMax);

/** MiB that the server sends from, 0: always the same. The first is the limit of every job. */
const limitMemories = ({ device, rw }) =>
  device === 'memory' && (rw === 'randread' || rw === 'read') ? [0, volumeMib] : [0];

/**
 * { requests, responses }: bytes of each message of a cycle that both sides repeat.
 * @param {Pick<import('./matrix.mjs').Job, 'rw' | 'blockBytes' | 'digests' | 'rwMix'>} job
 */
export function messageSizes({ rw, blockBytes, digests, rwMix }) {
  const header = digests === 'header' || digests === 'both' ? digestBytes : 0;
  const data = blockBytes + (digests === 'data' || digests === 'both' ? digestBytes : 0);
  const read = [commandBytes + header, answerBytes + header + data];
  const write = [commandBytes + header + data, answerBytes + header];
  const count = rw === 'randrw' ? messagesOfMix : 1;
  const share = { randrw: rwMix / 100, randread: 1, read: 1, randwrite: 0, write: 0 }[rw];
  // Spread evenly: message i is a read where the running count of reads grows.
  const cycle = Array.from({ length: count }, (_, i) =>
    Math.round((i + 1) * share) > Math.round(i * share) ? read : write,
  );
  return { requests: cycle.map(([bytes]) => bytes), responses: cycle.map(([, bytes]) => bytes) };
}

/** Jobs with the same key have the same limit. */
export function limitKey(job, memoryMib = 0) {
  const { requests, responses } = messageSizes(job);
  return `${requests} ${responses} ${limitDepth(job)} ${job.connections ?? 1} ${memoryMib}`;
}

/** Of what has to be measured for these jobs: limitKey to { job, memoryMib }. */
export function limitsOf(jobs) {
  return new Map(
    jobs.flatMap((job) =>
      limitMemories(job).map((memoryMib) => [limitKey(job, memoryMib), { job, memoryMib }]),
    ),
  );
}

/** cpus: { target, client }, lists as splitCpus() gives them. */
export function rawLoopbackCommand(job, seconds, cpus, memoryMib = 0) {
  const { requests, responses } = messageSizes(job);
  const pins = [cpus.target?.[0] ?? -1, cpus.client?.[0] ?? -1];
  const load = [requests, responses, limitDepth(job), seconds, ...pins, job.connections ?? 1, memoryMib];
  return [probe('raw_loopback'), ...load.map(String)];
}

/** { perSecond, meanUs }, polled on both sides. */
export async function rawLoopback(job, seconds, cpus, memoryMib) {
  const command = rawLoopbackCommand(job, seconds, cpus, memoryMib);
  return JSON.parse((await runChild(command, (seconds + 60) * 1000)).stdout);
}
