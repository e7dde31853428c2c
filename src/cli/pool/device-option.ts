// PATH[:SIZE] of a device, as the API takes it.
import { parsePoolDevice } from '../../base/device-spec.js';
import type { NewPoolBody } from '../../client/api-client.js';
import { type DaemonOptions, devicePath } from '../daemon.js';
import type { CliContext } from '../engine-port.js';

export function parseDevice(
  context: CliContext,
  options: DaemonOptions,
  text: string,
): NewPoolBody['devices'][number] {
  const { path, sizeBytes } = parsePoolDevice(text);
  const where = devicePath(context, options, path);
  return sizeBytes === undefined ? { path: where } : { path: where, sizeBytes: sizeBytes.toString() };
}
