// PATH[:SIZE] of a pool's device. What follows the last colon is a size if it looks like one, even a wrong
// one; else the colon is part of the path, as in /dev/disk/by-path/pci-0000:01:00.0-nvme-1.
import { InvalidArgumentError } from './errors.js';
import { parseDeviceSize } from './sizes.js';

export interface PoolDeviceSpec {
  readonly path: string;
  /** Makes a missing file of this size. */
  readonly sizeBytes?: bigint;
}

export function parsePoolDevice(text: string, option = 'device'): PoolDeviceSpec {
  const colon = text.lastIndexOf(':');
  const tail = colon < 0 ? '' : text.slice(colon + 1);
  const hasSize = colon >= 0 && isMeantAsSize(tail);
  const path = hasSize ? text.slice(0, colon) : text;
  if (path === '') throw new InvalidArgumentError(option, `PATH or PATH:SIZE; got '${text}'`);
  return hasSize ? { path, sizeBytes: parseDeviceSize(tail, 4096) } : { path };
}

// A small number without a unit is the end of a disk's name, as in ...-scsi-0:0:0:0.
function isMeantAsSize(text: string): boolean {
  return /^[+-]?[\d.]+ *[a-z]+$/i.test(text) || (/^\d{7,}$/.test(text) && Number(text) >= 1 << 20);
}
