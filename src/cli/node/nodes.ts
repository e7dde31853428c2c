// `ballast node list|show|label`, and what may be done with a node: cordon, drain, evacuate and so on.
import type { Command } from 'commander';
import { parseLabels } from '../../base/cluster-settings.js';
import { type NodeAction, nodeActions } from '../../base/node-actions.js';
import type { ClusterNodeBody } from '../../client/cluster-client.js';
import { renderNode, renderNodes } from '../cluster/render.js';
import { addDaemonOptions, clusterOf, type DaemonOptions } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

const descriptions: Readonly<Record<NodeAction, string>> = {
  cordon: 'it gets no new replicas',
  uncordon: 'it may have replicas and heads again',
  drain: 'its heads go elsewhere, as before an upgrade; its replicas stay',
  evacuate: 'its replicas go elsewhere, too',
  decommission: 'it has nothing any more, and is none of the cluster from now on',
};

export function registerNodes(node: Command, context: CliContext): void {
  const list = node.command('list').description('the nodes of the cluster');
  addDaemonOptions(list).action(async (options: DaemonOptions) => {
    const nodes = await (await clusterOf(context, options)).nodes();
    await printResult(context, options.output, { nodes }, (color) => renderNodes(nodes, color));
  });
  addDaemonOptions(node.command('show').description('one node'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      await print(context, options, await (await clusterOf(context, options)).node(name));
    });
  for (const action of nodeActions) {
    addDaemonOptions(node.command(action).description(descriptions[action]))
      .argument('<name>')
      .action(async (name: string, options: DaemonOptions) => {
        await print(context, options, await (await clusterOf(context, options)).act(name, action));
      });
  }
  addDaemonOptions(node.command('label').description('its labels and its zone, in place of those before'))
    .argument('<name>')
    .argument('[labels...]', 'KEY=VALUE')
    .option('--zone <name>', 'what fails together (default: none)')
    .action(async (name: string, labels: readonly string[], options: DaemonOptions & { zone?: string }) => {
      const cluster = await clusterOf(context, options);
      await print(context, options, await cluster.label(name, parseLabels(labels), options.zone));
    });
}

function print(context: CliContext, { output }: DaemonOptions, node: ClusterNodeBody): Promise<void> {
  return printResult(context, output, node, (color) => renderNode(node, color));
}
