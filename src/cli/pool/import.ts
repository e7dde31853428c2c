// `ballast pool import PATH...`: takes in the pool that is on these devices, in any order.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf, devicePath } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderPool } from './render.js';

export function registerImport(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('import').description('take in the pool that is on these devices'))
    .argument('<path...>', 'all of its devices, in any order')
    .action(async (paths: readonly string[], options: DaemonOptions) => {
      const where = paths.map((path) => devicePath(context, options, path));
      const found = await (await daemonOf(context, options)).importPool(where);
      await printResult(context, options.output, found, (color) => renderPool(found, color));
    });
}
