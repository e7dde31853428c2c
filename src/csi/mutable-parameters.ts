// The parameters of a VolumeAttributesClass: limits and guarantees of a volume. They are checked here; that
// the daemon has no such thing yet is said by who would apply them.
import { invalid } from './checks.js';

/** Whole numbers, with the least and the most of each. 0 takes a limit away; throughput is in MiB/s. */
const numbers: Readonly<Record<string, readonly [least: number, most: number]>> = {
  iops: [0, 100_000_000],
  readIops: [0, 100_000_000],
  writeIops: [0, 100_000_000],
  throughput: [0, 1_000_000],
  readThroughput: [0, 1_000_000],
  writeThroughput: [0, 1_000_000],
  burstSeconds: [0, 3600],
  minIops: [0, 100_000_000],
  weight: [1, 10_000],
};
const classPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function checkMutableParameters(parameters: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(parameters)) {
    if (key === 'qosClass') {
      if (!classPattern.test(value)) throw invalid('mutableParameters', 'the name of a class for qosClass');
      continue;
    }
    const bounds = Object.hasOwn(numbers, key) ? numbers[key] : undefined;
    if (bounds === undefined) {
      throw invalid('mutableParameters', `only ${[...Object.keys(numbers), 'qosClass'].join(', ')}`);
    }
    const [least, most] = bounds;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw invalid('mutableParameters', `a whole number from ${least} to ${most} for ${key}`);
    }
  }
}
