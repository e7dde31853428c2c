// `ballast mirror snapshot NAME SNAPSHOT`, `snapshots`, `snapshot-delete`: of all members in sync, of one
// moment.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderSnapshots } from './render.js';

export function registerSnapshots(mirror: Command, context: CliContext): void {
  addDaemonOptions(
    mirror.command('snapshot').description('take a snapshot of all members in sync, of one moment'),
  )
    .argument('<name>')
    .argument('<snapshot>', 'its name')
    .action(async (name: string, snapshot: string, options: DaemonOptions) => {
      const taken = await (await daemonOf(context, options)).snapshotMirror(name, snapshot);
      await printResult(context, options.output, taken, (color) => renderSnapshots([taken], color));
    });
  addDaemonOptions(mirror.command('snapshots').description('show its snapshots, and which members have them'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const snapshots = await (await daemonOf(context, options)).mirrorSnapshots(name);
      await printResult(context, options.output, { snapshots }, (color) => renderSnapshots(snapshots, color));
    });
  addDaemonOptions(
    mirror.command('snapshot-delete').description('delete a snapshot of all members that can be reached'),
  )
    .argument('<name>')
    .argument('<snapshot>')
    .action(async (name: string, snapshot: string, options: DaemonOptions) => {
      await (await daemonOf(context, options)).deleteMirrorSnapshot(name, snapshot);
    });
}
