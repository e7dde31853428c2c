// `ballast volume serve NAME`: tries again to serve a volume, when its key can be had for instance.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

export function registerServe(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('serve').description('serve a volume that is locked or stopped'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const served = await (await daemonOf(context, options)).serveVolume(name);
      await printVolume(context, options.output, served);
    });
}
