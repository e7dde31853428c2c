// Byte sizes as people write them: 4k, 512MiB, 1.5GiB, 10G, 4096. Called by volume specs, the configuration
// and options. k, M, G, T and P mean powers of 1024, with or without "iB"; "kB" to "PB" are powers of 1000,
// as disks are sold.
import { InvalidSizeError } from './errors.js';

const binaryUnits = ['', 'k', 'm', 'g', 't', 'p'];
const sizeBytesMax = (1n << 63n) - 1n; // what an off_t holds
const sizePattern = /^(\d{1,19})(?:\.(\d{1,9}))?\s*(?:([kmgtp])(i?b)?|b)?$/i;

export function looksLikeSize(text: string): boolean {
  return sizePattern.test(text.trim());
}

export function parseSize(text: string): bigint {
  const match = sizePattern.exec(text.trim());
  if (match === null)
    throw new InvalidSizeError(text, 'expected a number with a unit, such as 4k, 512MiB or 10GiB');
  const [, whole = '0', fraction = '', unit = '', suffix = ''] = match;
  const base = suffix.toLowerCase() === 'b' ? 1000n : 1024n;
  const factor = base ** BigInt(binaryUnits.indexOf(unit.toLowerCase()));
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * factor;
  if (scaled % scale !== 0n) throw new InvalidSizeError(text, 'is not a whole number of bytes');
  const bytes = scaled / scale;
  if (bytes > sizeBytesMax) throw new InvalidSizeError(text, 'is above 2^63 - 1 bytes');
  return bytes;
}

/** A size of a device: above zero and a whole number of logical blocks. */
export function parseDeviceSize(text: string, blockSizeBytes: number): bigint {
  const bytes = parseSize(text);
  if (bytes === 0n) throw new InvalidSizeError(text, 'is zero');
  if (bytes % BigInt(blockSizeBytes) !== 0n) {
    throw new InvalidSizeError(text, `is not a multiple of the block size ${blockSizeBytes}`);
  }
  return bytes;
}

/** The largest binary unit that shows the value exactly, else the largest one with one decimal. */
export function formatSize(bytes: bigint | number): string {
  let value = BigInt(bytes);
  if (value < 1024n) return `${value} B`;
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let index = 0;
  while (value >= 1024n && index < names.length - 1 && value % 1024n === 0n) {
    value /= 1024n;
    index += 1;
  }
  if (value < 1024n) return `${value} ${names[index]}`;
  let approximate = Number(value);
  while (approximate >= 1024 && index < names.length - 1) {
    approximate /= 1024;
    index += 1;
  }
  return `${approximate.toFixed(1)} ${names[index]}`;
}
