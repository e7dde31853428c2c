// `ballast pool create NAME --device PATH[:SIZE]...`: a pool on files or disks.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { parseSize } from '../../base/sizes.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { parseDevice } from './device-option.js';
import { overcommit, policyOf, reserve } from './policy-options.js';
import { renderPool } from './render.js';

interface CreateOptions extends DaemonOptions {
  readonly device: readonly string[];
  readonly checksums: boolean;
  readonly extentSize?: string;
  readonly growsTo?: string;
  readonly overcommit?: number;
  readonly reserve?: number;
  readonly force?: boolean;
}

const extentSizes = [1 << 18, 1 << 19, 1 << 20];

export function registerCreate(pool: Command, context: CliContext): void {
  const gather = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  addDaemonOptions(pool.command('create').description('make a pool on files or disks'))
    .argument('<name>')
    .requiredOption('--device <path[:size]>', 'a disk, or a file; a size makes a missing file', gather)
    .option('--no-checksums', 'do not keep and verify a checksum of each block')
    .option('--extent-size <size>', '256KiB, 512KiB or 1MiB (default: 1MiB)')
    .option('--grows-to <size>', 'set metadata aside for so much, with devices that are added later')
    .option(
      '--overcommit <percent>',
      'bound on all volumes together, of the capacity (default: none)',
      overcommit,
    )
    .option('--reserve <percent>', 'kept for the volumes that are there (default: 0)', reserve)
    .option('--force', 'overwrite a pool that is on the devices')
    .action((name: string, options: CreateOptions) => create(context, name, options));
}

async function create(context: CliContext, name: string, options: CreateOptions): Promise<void> {
  const extentBytes = options.extentSize === undefined ? undefined : Number(parseSize(options.extentSize));
  if (extentBytes !== undefined && !extentSizes.includes(extentBytes)) {
    throw new InvalidArgumentError('extent-size', `256KiB, 512KiB or 1MiB; got '${options.extentSize}'`);
  }
  const devices = options.device.map((text) => parseDevice(context, options, text));
  const daemon = await daemonOf(context, options);
  const pool = await daemon.createPool({
    name,
    devices,
    checksums: options.checksums,
    force: options.force ?? false,
    ...(extentBytes !== undefined && { extentBytes }),
    ...(options.growsTo !== undefined && { growsToBytes: parseSize(options.growsTo).toString() }),
    ...policyOf(options),
  });
  await printResult(context, options.output, pool, (color) => renderPool(pool, color));
}
