// `ballast volume snapshots VOLUME`: its snapshots, the oldest first.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderSnapshots } from './render.js';

export function registerSnapshots(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('snapshots').description('show the snapshots of a volume'))
    .argument('<volume>')
    .action(async (name: string, options: DaemonOptions) => {
      const snapshots = await (await daemonOf(context, options)).snapshots(name);
      await printResult(context, options.output, { snapshots }, (color) => renderSnapshots(snapshots, color));
    });
}
