// `ballast pool show NAME`: room, devices, scrub, and what is wrong with it.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderPool } from './render.js';

export function registerShow(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('show').description('show one pool'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const found = await (await daemonOf(context, options)).pool(name);
      await printResult(context, options.output, found, (color) => renderPool(found, color));
    });
}
