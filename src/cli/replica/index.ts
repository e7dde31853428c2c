// `ballast replica ...`: replicas of the volumes of a cluster. Loaded when one is asked for.
import type { Command } from 'commander';
import type { ClusterVolumeBody } from '../../client/cluster-client.js';
import { addDaemonOptions, clusterOf, type DaemonOptions } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { type Column, renderTable } from '../table.js';

type Row = ClusterVolumeBody['replicas'][number] & { readonly volume: string };

const columns: readonly Column<Row>[] = [
  { title: 'volume', value: ({ volume }) => volume },
  { title: 'node', value: ({ node }) => node },
  { title: 'pool', value: ({ pool }) => pool },
  { title: 'state', value: ({ state, error }) => (error === undefined ? state : `${state}: ${error}`) },
  { title: 'uuid', value: ({ uuid }) => uuid },
];

export function register(replica: Command, context: CliContext): void {
  addDaemonOptions(replica.command('list').description('the replicas of all volumes, or of some'))
    .argument('[volumes...]')
    .option('--node <name>', 'those of a node')
    .action(async (names: readonly string[], options: DaemonOptions & { readonly node?: string }) => {
      const volumes = await (await clusterOf(context, options)).volumes();
      const replicas = volumes
        .filter(({ name }) => names.length === 0 || names.includes(name))
        .flatMap(({ name, replicas: all }) => all.map((one) => ({ volume: name, ...one })))
        .filter(({ node }) => options.node === undefined || node === options.node);
      await printResult(context, options.output, { replicas }, (color) =>
        renderTable(columns, replicas, color),
      );
    });
}
