// What our target serves while it is measured, and how a device is filled first: a block that was never
// written may be read from no memory at all, which would flatter whoever does that.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { perf } from './ballast.mjs';

export const volumeMib = 512;
const fillRoundsMax = 60;

/** Written through, so that reads find data and not holes. */
export async function makeFile(path, mib = volumeMib) {
  const stream = createWriteStream(path);
  const chunk = Buffer.alloc(1 << 20, 0xa5);
  for (let i = 0; i < mib; ++i) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'close');
  execFileSync('sync', [path]);
}

/** { device: SPEC } of `ballast serve`. */
export async function volumesFor(devices, directory) {
  const volumes = {};
  if (devices.includes('memory')) volumes.memory = `mem:${volumeMib}MiB`;
  if (devices.includes('null')) volumes.null = `null:${volumeMib}MiB`;
  if (devices.includes('file')) {
    const path = join(directory, 'file.raw');
    await makeFile(path);
    volumes.file = `file:${path}`;
  }
  return volumes;
}

/** Writes memory from its beginning until as many bytes went there as ours has; warms other devices up. */
export async function fill(device, uri, cpus, stateDirectory) {
  const job = { rw: device === 'memory' ? 'write' : 'randread', blockBytes: 128 << 10, queueDepth: 32 };
  // One round of a file or a null device is enough to warm up.
  const rounds = device === 'memory' ? fillRoundsMax : 1;
  let bytes = 0;
  for (let round = 0; round < rounds && bytes < volumeMib << 20; ++round) {
    const report = await perf({ uri, job, seconds: round + 1, cpus, stateDirectory });
    bytes = report.write.ios * job.blockBytes;
  }
}
