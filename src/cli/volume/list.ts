// `ballast volume list`: all volumes of the daemon, of pools and of its command line.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderVolumes } from './render.js';

export function registerList(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('list').description('show all volumes')).action(
    async (options: DaemonOptions) => {
      const volumes = await (await daemonOf(context, options)).volumes();
      await printResult(context, options.output, { volumes }, (color) => renderVolumes(volumes, color));
    },
  );
}
