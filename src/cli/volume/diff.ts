// `ballast volume diff VOLUME [--since SNAP] [--snapshot SNAP]`: which ranges hold data, or differ from an
// older snapshot: what a backup has to read.
import type { Command } from 'commander';
import { formatSize } from '../../base/sizes.js';
import { type ApiClient, type ExtentsBody, toBytes } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { type Column, renderTable } from '../table.js';

interface DiffOptions extends DaemonOptions {
  readonly since?: string;
  readonly snapshot?: string;
}

type Extent = ExtentsBody['extents'][number];

const columns: readonly Column<Extent>[] = [
  { title: 'offset', value: ({ offsetBytes }) => String(offsetBytes), align: 'right' },
  { title: 'length', value: ({ lengthBytes }) => String(lengthBytes), align: 'right' },
];

export function registerDiff(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('diff').description('show what holds data, or differs from a snapshot'))
    .argument('<volume>')
    .option('--since <snapshot>', 'what differs from this one (default: all that is allocated)')
    .option('--snapshot <snapshot>', 'look at this one (default: the volume as it is now)')
    .action((name: string, options: DiffOptions) => diff(context, name, options));
}

async function diff(context: CliContext, volume: string, options: DiffOptions): Promise<void> {
  const { since, snapshot } = options;
  const extents = await allExtents(await daemonOf(context, options), volume, { since, snapshot });
  const total = extents.reduce((sum, { lengthBytes }) => sum + toBytes(lengthBytes), 0n);
  await printResult(
    context,
    options.output,
    { volume, snapshot: snapshot ?? null, since: since ?? null, totalBytes: total, extents },
    (color) => `${renderTable(columns, extents, color)}\n${extents.length} ranges, ${formatSize(total)}\n`,
  );
}

async function allExtents(
  daemon: ApiClient,
  volume: string,
  query: { readonly since: string | undefined; readonly snapshot: string | undefined },
): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  let offset: string | undefined;
  do {
    const page = await daemon.extents(volume, { ...query, offset, limit: '4096' });
    extents.push(...page.extents);
    offset = page.nextOffsetBytes === undefined ? undefined : String(page.nextOffsetBytes);
  } while (offset !== undefined);
  return extents;
}
