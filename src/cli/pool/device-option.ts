// PATH[:SIZE] of a device. What follows the last colon is a size if it looks like one, even a wrong one; else
// the colon is part of the path, as in /dev/disk/by-path/pci-0000:01:00.0-nvme-1.
import { InvalidArgumentError } from '../../base/errors.js';
import { parseDeviceSize } from '../../base/sizes.js';
import type { NewPoolBody } from '../../client/api-client.js';
import { type DaemonOptions, devicePath } from '../daemon.js';
import type { CliContext } from '../engine-port.js';

export function parseDevice(
  context: CliContext,
  options: DaemonOptions,
  text: string,
): NewPoolBody['devices'][number] {
  const colon = text.lastIndexOf(':');
  const tail = colon < 0 ? '' : text.slice(colon + 1);
  const hasSize = colon >= 0 && isMeantAsSize(tail);
  const path = hasSize ? text.slice(0, colon) : text;
  if (path === '') throw new InvalidArgumentError('device', 'PATH or PATH:SIZE');
  const where = devicePath(context, options, path);
  if (!hasSize) return { path: where };
  return { path: where, sizeBytes: parseDeviceSize(tail, 4096).toString() };
}

// A small number without a unit is the end of a disk's name, as in ...-scsi-0:0:0:0.
function isMeantAsSize(text: string): boolean {
  return /^[+-]?[\d.]+ *[a-z]+$/i.test(text) || (/^\d{7,}$/.test(text) && Number(text) >= 1 << 20);
}
