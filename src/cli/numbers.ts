// Whole numbers given as option values.
import { InvalidArgumentError } from '../base/errors.js';

export function parseInteger(name: string, text: string, minimum: number, maximum: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new InvalidArgumentError(name, `a whole number from ${minimum} to ${maximum}; got '${text}'`);
  }
  return value;
}

/** A logical block address: decimal, or hexadecimal with 0x. */
export function parseLba(text: string): bigint {
  const value = /^(?:\d{1,20}|0x[0-9a-f]{1,16})$/i.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value >= 1n << 64n) {
    throw new InvalidArgumentError('lba', `a block number from 0 to 2^64 - 1; got '${text}'`);
  }
  return value;
}
