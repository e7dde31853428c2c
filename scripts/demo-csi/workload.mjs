// What a pod does with its volume.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { Programs } from './programs.mjs';

const mib = 1 << 20;

export function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

/** Random data at the begin of the file, on stable media when this returns; answers its digest. */
export function writeData(path, mibCount) {
  const data = randomBytes(mibCount * mib);
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT);
  try {
    for (let at = 0; at < data.length; at += mib) writeSync(file, data, at, mib, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return sha256(data);
}

export function readAll(path, mibCount) {
  const file = openSync(path, 'r');
  try {
    const chunks = [];
    for (let at = 0; mibCount === undefined || at < mibCount * mib; at += mib) {
      const chunk = Buffer.alloc(mib);
      const bytes = readSync(file, chunk, 0, mib, at);
      if (bytes === 0) break;
      chunks.push(chunk.subarray(0, bytes));
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(file);
  }
}

/** 4 KiB each, past the page cache, within the file. */
export function writesPerSecond(path, count) {
  const argv = ['if=/dev/zero', `of=${path}`, 'bs=4k', `count=${count}`, 'oflag=direct', 'conv=notrunc'];
  const began = performance.now();
  const { status, stderr } = spawnSync(Programs.which('dd'), argv, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim());
  return count / ((performance.now() - began) / 1000);
}
