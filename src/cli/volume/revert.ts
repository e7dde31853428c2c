// `ballast volume revert VOLUME SNAPSHOT`: back to a snapshot of its own; what was written since is gone.
// Newer snapshots stay. It is not served for a moment.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

interface RevertOptions extends DaemonOptions {
  readonly force?: boolean;
}

export function registerRevert(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('revert').description('take a volume back to a snapshot of its own'))
    .argument('<volume>')
    .argument('<snapshot>')
    .option('--force', 'also while hosts are connected: unmount first, they have cached what was there')
    .action(async (name: string, snapshot: string, options: RevertOptions) => {
      const daemon = await daemonOf(context, options);
      const reverted = await daemon.revertVolume(name, snapshot, options.force ?? false);
      await printVolume(context, options.output, reverted);
    });
}
