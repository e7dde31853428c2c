// The bytes of a store in LevelDB, which checks its own log when it opens but not the blocks that it reads,
// and leaves out what it cannot read of a damaged log without a word. So each record has a checksum, and the
// one record `m` says how many there are and the sum of their revisions: a lost batch is seen at the next
// open.
//
//   key `m`: u8 layout (1), u64 revision of the store, u64 number of entries, u64 sum of their revisions
//            modulo 2^64
//   key `e` + KEY: u32 CRC-32 of KEY and of all that follows, u8 flags (1: under a lease), u64 revision of
//            the entry, the value. All numbers are big-endian.
import { crc32 } from 'node:zlib';
import type { Entry } from '../key-space.js';

export const summaryKey = 'm';
export const entryPrefix = 'e';
const layoutVersion = 1;
const summaryBytes = 25;
const headerBytes = 13;
const flagLeased = 1;
const wrap = 1n << 64n;

export interface Summary {
  readonly revision: bigint;
  readonly count: bigint;
  readonly revisionsSum: bigint;
}

export interface Record {
  readonly entry: Entry;
  readonly leased: boolean;
}

export function encodeSummary({ revision, count, revisionsSum }: Summary): Uint8Array {
  const bytes = Buffer.alloc(summaryBytes);
  bytes.writeUInt8(layoutVersion, 0);
  bytes.writeBigUInt64BE(revision, 1);
  bytes.writeBigUInt64BE(count, 9);
  bytes.writeBigUInt64BE(revisionsSum, 17);
  return bytes;
}

/** What is wrong with it, in words, where it cannot be read. */
export function decodeSummary(value: Uint8Array): Summary | string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes[0] !== layoutVersion) return `has layout ${bytes[0]}, and this program knows ${layoutVersion}`;
  if (bytes.length !== summaryBytes) return 'has a summary of a wrong length';
  return {
    revision: bytes.readBigUInt64BE(1),
    count: bytes.readBigUInt64BE(9),
    revisionsSum: bytes.readBigUInt64BE(17),
  };
}

export function addRevisions(sum: bigint, added: bigint): bigint {
  return (sum + added + wrap) % wrap;
}

export function encodeEntry({ key, value, revision, lease }: Entry): Uint8Array {
  const bytes = Buffer.alloc(headerBytes + value.byteLength);
  bytes.writeUInt8(lease === undefined ? 0 : flagLeased, 4);
  bytes.writeBigUInt64BE(revision, 5);
  bytes.set(value, headerBytes);
  bytes.writeUInt32BE(checksumOf(key, bytes), 0);
  return bytes;
}

/** The value of the entry is a part of `value`. */
export function decodeEntry(key: string, value: Uint8Array): Record | string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < headerBytes || bytes.readUInt32BE(0) !== checksumOf(key, bytes)) {
    return `has a wrong checksum at '${key}'`;
  }
  const entry = { key, value: bytes.subarray(headerBytes), revision: bytes.readBigUInt64BE(5) };
  return { entry, leased: (bytes.readUInt8(4) & flagLeased) !== 0 };
}

function checksumOf(key: string, bytes: Buffer): number {
  return crc32(bytes.subarray(4), crc32(key));
}
