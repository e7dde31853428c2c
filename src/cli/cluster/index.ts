// `ballast cluster ...`: whether a cluster is as it should be, and what happened. Loaded when one is asked
// for.
import type { Command } from 'commander';
import { addDaemonOptions, clusterOf, type DaemonOptions } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderEvents, renderRebuild, renderStatus } from './render.js';

export function register(cluster: Command, context: CliContext): void {
  const status = cluster.command('status').description('named checks: what is wrong, and what can be done');
  addDaemonOptions(status).action(async (options: DaemonOptions) => {
    const found = await (await clusterOf(context, options)).status();
    await printResult(context, options.output, found, (color) => renderStatus(found, color));
  });
  const events = cluster.command('events').description('what happened of late, the newest last');
  addDaemonOptions(events).action(async (options: DaemonOptions) => {
    const { events: last } = await (await clusterOf(context, options)).status();
    await printResult(context, options.output, { events: last }, (color) => renderEvents(last, color));
  });
  const rebuild = cluster
    .command('rebuild')
    .description('make the records of a lost store anew from what nodes have on their disks')
    .option('--yes', 'do it; without, only what would be done is printed', false)
    .option('--without <node...>', 'nodes that are not waited for: what only they have is left out');
  addDaemonOptions(rebuild).action(
    async (options: DaemonOptions & { readonly yes: boolean; readonly without?: readonly string[] }) => {
      const { yes: execute, without = [] } = options;
      const plan = await (await clusterOf(context, options)).rebuild({ execute, without });
      await printResult(context, options.output, plan, (color) => renderRebuild(plan, color));
    },
  );
}
