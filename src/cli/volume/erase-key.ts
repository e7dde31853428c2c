// `ballast volume erase-key NAME`: discards the key of an encrypted volume, so that nobody can read it any
// more.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

interface EraseOptions extends DaemonOptions {
  readonly force?: boolean;
}

export function registerEraseKey(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('erase-key').description('make an encrypted volume unreadable, for good'))
    .argument('<name>')
    .option('--force', 'also while clones have the same key, and can be read with it')
    .action(async (name: string, options: EraseOptions) => {
      const erased = await (await daemonOf(context, options)).eraseKey(name, options.force ?? false);
      await printVolume(context, options.output, erased);
    });
}
