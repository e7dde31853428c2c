// Builds the programs of bench/probes when they are missing or older than their sources, and runs the raw
// loopback one.

import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from './ballast.mjs';

const buildDirectory = join(repository, 'build/probes');

export function buildProbes() {
  const run = (...args) => execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  run('-G', 'Ninja', '-S', join(repository, 'bench/probes'), '-B', buildDirectory);
  run('--build', buildDirectory);
}

export const allocationCounter = join(buildDirectory, 'liballocation_counter.so');

// NVMe/TCP Transport: a command capsule is 72 bytes, its in-capsule data behind it; C2HData and the response
// have headers of 24 bytes, and a read answered with the SUCCESS flag needs no response.
const headerBytes = { command: 72, answer: 24 };

export function rawLoopbackCommand({ rw, bs, qd, seconds, cpus }) {
  const request = headerBytes.command + (rw.endsWith('write') ? bs : 0);
  const response = headerBytes.answer + (rw.endsWith('read') ? bs : 0);
  const values = [request, response, qd, seconds, cpus.target ?? -1, cpus.client ?? -1];
  return [join(buildDirectory, 'raw_loopback'), ...values.map(String)];
}

/** { perSecond, meanUs } of bare messages of the same sizes, polled on both sides. */
export async function rawLoopback(options) {
  const [file, ...args] = rawLoopbackCommand(options);
  return JSON.parse((await promisify(execFile)(file, args)).stdout);
}
