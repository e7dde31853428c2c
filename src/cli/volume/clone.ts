// `ballast volume clone VOLUME/SNAPSHOT NAME`: a volume that begins as a snapshot, at once, and shares its
// room.
import type { Command } from 'commander';
import { membersMax } from '../../base/mirror-spec.js';
import { parseDeviceSize } from '../../base/sizes.js';
import { renderClusterVolume } from '../cluster/render.js';
import { addDaemonOptions, clusterOf, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { printResult } from '../output.js';
import { parseSnapshotName } from './names.js';
import { printVolume } from './render.js';

interface CloneOptions extends DaemonOptions {
  readonly size?: string;
  readonly replicas?: string;
}

export function registerClone(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('clone').description('make a volume out of a snapshot'))
    .argument('<volume/snapshot>')
    .argument('<name>')
    .option('--size <size>', 'larger than the snapshot (default: as large)')
    .option('--replicas <n>', 'in a cluster: 1 to 8 (default: as many as of the volume)')
    .action((source: string, name: string, options: CloneOptions) => clone(context, source, name, options));
}

async function clone(
  context: CliContext,
  text: string,
  name: string,
  { size, replicas, ...options }: CloneOptions,
): Promise<void> {
  const origin = parseSnapshotName(text);
  const source = { volume: origin.volume, snapshot: origin.name };
  const larger = size === undefined ? {} : { sizeBytes: parseDeviceSize(size, 4096).toString() };
  if (replicas !== undefined) {
    const wanted = { name, source, ...larger, replicas: parseInteger('replicas', replicas, 1, membersMax) };
    const clone = await (await clusterOf(context, options)).createVolume(wanted);
    return printResult(context, options.output, clone, (color) => renderClusterVolume(clone, color));
  }
  const made = await (await daemonOf(context, options)).createVolume({ name, source, ...larger });
  await printVolume(context, options.output, made);
}
