// `ballast rebuild list [--watch]`: what is being copied to replicas that miss something. Loaded when asked
// for.
import type { Command } from 'commander';
import { toBytes } from '../../client/api-client.js';
import type { ClusterClient } from '../../client/cluster-client.js';
import { addDaemonOptions, clusterOf, type DaemonOptions } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderProgress } from '../progress-bar.js';
import { printable } from '../table.js';

interface Rebuild {
  readonly volume: string;
  readonly node: string;
  readonly doneBytes: number | string;
  readonly totalBytes: number | string;
}

const watchMs = 1_000;

export function register(rebuild: Command, context: CliContext): void {
  addDaemonOptions(rebuild.command('list').description('what is being copied to replicas'))
    .option('--watch', 'again each second, until nothing is copied any more')
    .action(async (options: DaemonOptions & { readonly watch?: boolean }) => {
      const cluster = await clusterOf(context, options);
      for (;;) {
        const rebuilds = await rebuildsOf(cluster);
        await printResult(context, options.output, { rebuilds }, () => render(rebuilds));
        if (options.watch !== true || rebuilds.length === 0) return;
        await context.sleep(watchMs);
      }
    });
}

async function rebuildsOf(cluster: ClusterClient): Promise<readonly Rebuild[]> {
  return (await cluster.volumes()).flatMap(({ name, replicas }) =>
    replicas.flatMap(({ node, resync }) => (resync === undefined ? [] : [{ volume: name, node, ...resync }])),
  );
}

function render(rebuilds: readonly Rebuild[]): string {
  if (rebuilds.length === 0) return 'nothing is being copied\n';
  const lines = rebuilds.map(({ volume, node, doneBytes, totalBytes }) => {
    const title = printable(`${volume} to ${node}`);
    return renderProgress(title, { doneBytes: toBytes(doneBytes), totalBytes: toBytes(totalBytes) });
  });
  return `${lines.join('\n')}\n`;
}
