// `ballast volume rename NAME NEW`: its NQN stays; it is not served for a moment.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

interface RenameOptions extends DaemonOptions {
  readonly force?: boolean;
}

export function registerRename(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('rename').description('give a volume another name'))
    .argument('<name>')
    .argument('<new-name>')
    .option('--force', 'also while hosts are connected, which interrupts them')
    .action(async (name: string, newName: string, options: RenameOptions) => {
      const daemon = await daemonOf(context, options);
      const changed = await daemon.changeVolume(name, { name: newName, force: options.force ?? false });
      await printVolume(context, options.output, changed);
    });
}
