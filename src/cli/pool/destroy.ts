// `ballast pool destroy NAME`: for a pool that has no volumes any more; its devices are then of no pool.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

export function registerDestroy(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('destroy').description('destroy a pool that has no volumes'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      await (await daemonOf(context, options)).destroyPool(name);
      await printResult(context, options.output, { destroyed: name }, () => `pool ${name} destroyed\n`);
    });
}
