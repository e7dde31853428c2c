// What a store takes, the same for every implementation, and small enough for etcd (1.5 MiB and 128
// operations a transaction). Keys are printable ASCII, so that all stores have them in one order.
import { InvalidArgumentError } from '../base/errors.js';
import type { Compare, Write } from './types.js';

export const keyBytesMax = 512;
export const commitBytesMax = 1 << 20;
export const commitOperationsMax = 128;
export const leaseMsMax = 3_600_000;
const printable = /^[\x21-\x7e]*$/;

export function checkKey(key: string): void {
  if (key === '') throw new InvalidArgumentError('key', 'at least one character');
  checkPrefix(key);
}

export function checkPrefix(key: unknown): void {
  if (typeof key !== 'string' || key.length > keyBytesMax || !printable.test(key)) {
    throw new InvalidArgumentError('key', `at most ${keyBytesMax} printable ASCII characters, no space`);
  }
}

export function checkRevision(revision: unknown): void {
  if (typeof revision !== 'bigint' || revision < 0n) {
    throw new InvalidArgumentError('revision', 'a bigint that is not negative');
  }
}

export function checkTtl(ttlMs: number): void {
  if (!Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > leaseMsMax) {
    throw new InvalidArgumentError('ttlMs', `1 to ${leaseMsMax} milliseconds`);
  }
}

export function checkCommit(compare: readonly Compare[], write: readonly Write[]): void {
  if (compare.length > commitOperationsMax || write.length > commitOperationsMax) {
    throw new InvalidArgumentError('commit', `at most ${commitOperationsMax} comparisons and as many writes`);
  }
  for (const { key, revision } of compare) {
    checkKey(key);
    checkRevision(revision);
  }
  let bytes = 0;
  const written = new Set<string>();
  for (const one of write) {
    checkKey(one.key);
    if (written.has(one.key))
      throw new InvalidArgumentError('commit', `each key once; '${one.key}' is twice`);
    written.add(one.key);
    bytes += one.key.length;
    if (one.type === 'delete') continue;
    if (!(one.value instanceof Uint8Array)) throw new InvalidArgumentError('value', 'a Uint8Array');
    bytes += one.value.byteLength;
  }
  if (bytes > commitBytesMax) {
    throw new InvalidArgumentError(
      'commit',
      `at most ${commitBytesMax} bytes of keys and values, not ${bytes}`,
    );
  }
}
