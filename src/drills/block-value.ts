// A value as the content of a block: every 16 bytes of it say the value and the block, so that halves of two
// writes, or another block's content, are told from a value.

const unitBytes = 16;
/** Recorded of a read whose bytes are no one value; no write carries it. */
export const mixedValue = (1n << 64n) - 1n;

export function fillBlock(data: Buffer, block: number, value: bigint): void {
  data.writeBigUInt64LE(value, 0);
  data.writeBigUInt64LE(BigInt(block), 8);
  for (let filled = unitBytes; filled < data.length; filled *= 2) {
    data.copy(data, filled, 0, Math.min(filled, data.length - filled));
  }
}

/** 0n: zeroes, as before the first write. */
export function blockValue(data: Buffer, block: number): bigint {
  const value = data.readBigUInt64LE(0);
  const isOne = data.subarray(unitBytes).equals(data.subarray(0, data.length - unitBytes));
  if (!isOne) return mixedValue;
  const of = data.readBigUInt64LE(8);
  if (value === 0n) return of === 0n ? 0n : mixedValue;
  return of === BigInt(block) ? value : mixedValue;
}
