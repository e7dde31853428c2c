// `ballast pool export NAME`: closes a pool and forgets it here, to be imported elsewhere.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

interface ExportOptions extends DaemonOptions {
  readonly force?: boolean;
}

export function registerExport(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('export').description('close a pool, to import it elsewhere'))
    .argument('<name>')
    .option('--force', 'also while hosts are connected; forgets a pool that cannot be opened')
    .action(async (name: string, options: ExportOptions) => {
      await (await daemonOf(context, options)).exportPool(name, options.force ?? false);
      await printResult(context, options.output, { exported: name }, () => `pool ${name} exported\n`);
    });
}
