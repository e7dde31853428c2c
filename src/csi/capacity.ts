// CapacityRange to a size. 0 is "not given"; a volume has a multiple of 4096 bytes.
import { RpcError } from '../rpc/status.js';
import { invalid } from './checks.js';
import type { CapacityRange } from './messages.js';

const blockBytes = 4096n;
const sizeBytesMax = 1n << 62n; // of the daemon
/** Where nothing is asked for. */
const sizeBytesDefault = 1n << 30n;

export interface Range {
  readonly leastBytes: bigint;
  readonly mostBytes: bigint;
}

/** Absent: anything. One that is there says at least one of its two bounds. */
export function parseRange(range: CapacityRange | null): Range {
  if (range === null) return { leastBytes: 0n, mostBytes: sizeBytesMax };
  const requiredBytes = BigInt(range.requiredBytes);
  const limitBytes = BigInt(range.limitBytes);
  if (requiredBytes < 0n || limitBytes < 0n) throw invalid('capacityRange', 'no negative sizes');
  if (requiredBytes === 0n && limitBytes === 0n) {
    throw invalid('capacityRange', 'required_bytes or limit_bytes; both are missing');
  }
  if (limitBytes !== 0n && requiredBytes > limitBytes) {
    throw invalid('capacityRange', 'required_bytes not above limit_bytes');
  }
  const mostBytes = limitBytes === 0n || limitBytes > sizeBytesMax ? sizeBytesMax : limitBytes;
  return { leastBytes: requiredBytes, mostBytes };
}

/** The size of a volume that is made. `sourceBytes`: of what it begins as a copy of. */
export function sizeFor({ leastBytes, mostBytes }: Range, sourceBytes = 0n): bigint {
  const wanted = leastBytes === 0n ? smaller(sourceBytes || sizeBytesDefault, mostBytes) : leastBytes;
  const sizeBytes = roundUp(larger(wanted, sourceBytes));
  if (sizeBytes <= mostBytes) return sizeBytes;
  // Only a limit was given, and it is no multiple.
  const below = mostBytes - (mostBytes % blockBytes);
  if (leastBytes === 0n && below > 0n && below >= sourceBytes) return below;
  throw outOfRange(
    `a volume has a multiple of ${blockBytes} bytes, at least those of its source, at most 2^62`,
  );
}

/** The size that an existing volume gets: its own where that is enough. */
export function expandedSize({ leastBytes, mostBytes }: Range, sizeBytes: bigint): bigint {
  const wanted = leastBytes <= sizeBytes ? sizeBytes : roundUp(leastBytes);
  if (wanted <= mostBytes) return wanted;
  throw outOfRange(
    wanted === sizeBytes
      ? `it has ${sizeBytes} bytes already`
      : `a volume has a multiple of ${blockBytes} bytes`,
  );
}

export function isWithin({ leastBytes, mostBytes }: Range, sizeBytes: bigint): boolean {
  return sizeBytes >= leastBytes && sizeBytes <= mostBytes;
}

function outOfRange(why: string): RpcError {
  return new RpcError('OUT_OF_RANGE', `capacity_range: ${why}`);
}

function roundUp(bytes: bigint): bigint {
  return ((bytes + blockBytes - 1n) / blockBytes) * blockBytes;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
