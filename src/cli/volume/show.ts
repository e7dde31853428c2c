// `ballast volume show NAME`: one volume, how hosts find it, and what they did with it.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

export function registerShow(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('show').description('show one volume'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const found = await (await daemonOf(context, options)).volume(name);
      await printVolume(context, options.output, found);
    });
}
