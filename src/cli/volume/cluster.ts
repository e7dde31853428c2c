// `ballast volume explain|move-head NAME`: of volumes of a cluster, asked of its controller.
import type { Command } from 'commander';
import { renderClusterVolume, renderExplanation } from '../cluster/render.js';
import { addDaemonOptions, clusterOf, type DaemonOptions } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

export function registerExplain(volume: Command, context: CliContext): void {
  const command = volume
    .command('explain')
    .description('why a volume of a cluster is as it is, and what is safe');
  addDaemonOptions(command)
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const found = await (await clusterOf(context, options)).explain(name);
      await printResult(context, options.output, found, () => renderExplanation(found));
    });
}

export function registerMoveHead(volume: Command, context: CliContext): void {
  const command = volume
    .command('move-head')
    .description('which node is to be the head of a volume of a cluster');
  addDaemonOptions(command)
    .argument('<name>')
    .argument('<node>')
    .action(async (name: string, node: string, options: DaemonOptions) => {
      const moved = await (await clusterOf(context, options)).moveHead(name, node);
      await printResult(context, options.output, moved, (color) => renderClusterVolume(moved, color));
    });
}
