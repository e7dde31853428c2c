// `ballast pool set NAME [--overcommit PERCENT] [--reserve PERCENT]`: how much of a pool may be promised.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { overcommit, policyOf, reserve } from './policy-options.js';
import { renderPool } from './render.js';

interface SetOptions extends DaemonOptions {
  readonly overcommit?: number;
  readonly reserve?: number;
}

export function registerSet(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('set').description('change how much of a pool may be promised'))
    .argument('<name>')
    .option('--overcommit <percent>', 'bound on all volumes together, of the capacity; 0: none', overcommit)
    .option('--reserve <percent>', 'kept for the volumes that are there, 0 to 90', reserve)
    .action((name: string, options: SetOptions) => set(context, name, options));
}

async function set(context: CliContext, name: string, options: SetOptions): Promise<void> {
  const policy = policyOf(options);
  if (Object.keys(policy).length === 0) throw new InvalidArgumentError('set', '--overcommit or --reserve');
  const daemon = await daemonOf(context, options);
  const pool = await daemon.setPoolPolicy(name, policy);
  await printResult(context, options.output, pool, (color) => renderPool(pool, color));
}
