// `ballast volume snapshot VOLUME NAME`, or VOLUME/NAME...: of several volumes at one moment.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import type { SnapshotName } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { parseSnapshotName } from './names.js';
import { renderSnapshots } from './render.js';

export function registerSnapshot(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('snapshot').description('take a snapshot, or several at one moment'))
    .argument('<what...>', 'VOLUME NAME, or VOLUME/NAME for each volume')
    .action((what: readonly string[], options: DaemonOptions) => snapshot(context, what, options));
}

async function snapshot(context: CliContext, what: readonly string[], options: DaemonOptions): Promise<void> {
  const wanted = parseWanted(what);
  const snapshots = await (await daemonOf(context, options)).createSnapshots(wanted);
  // One snapshot is one object, a group is a list.
  const value = wanted.length === 1 ? snapshots[0] : { snapshots };
  await printResult(context, options.output, value, (color) => renderSnapshots(snapshots, color));
}

function parseWanted(what: readonly string[]): readonly SnapshotName[] {
  const [volume = '', name = ''] = what;
  if (what.length === 2 && !volume.includes('/') && !name.includes('/')) return [{ volume, name }];
  if (what.some((text) => !text.includes('/'))) {
    throw new InvalidArgumentError('snapshot', 'VOLUME NAME, or VOLUME/NAME for each volume');
  }
  return what.map(parseSnapshotName);
}
