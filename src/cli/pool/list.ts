// `ballast pool list`: the pools that the daemon knows, also those it cannot open.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderTable } from '../table.js';
import { poolColumns } from './render.js';

export function registerList(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('list').description('show all pools')).action(
    async (options: DaemonOptions) => {
      const pools = await (await daemonOf(context, options)).pools();
      await printResult(context, options.output, { pools }, (color) =>
        renderTable(poolColumns, pools, color),
      );
    },
  );
}
