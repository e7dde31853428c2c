// `ballast discover URI`: the discovery log page of a target, in nvme-cli's words.
import type { Command } from 'commander';
import { parseTargetAddress } from '../base/address.js';
import { InvalidUriError } from '../base/errors.js';
import type { DiscoveryEntry } from '../native/types.js';
import type { CliContext } from './engine-port.js';
import { addOutputOption, type OutputFormat, printResult } from './output.js';
import { type Column, renderTable } from './table.js';
import { addTargetOptions, reachOptions, type TargetOptions, withEngine } from './target.js';

const columns: readonly Column<DiscoveryEntry>[] = [
  { title: 'subnqn', value: (entry) => entry.subsystemNqn },
  { title: 'subtype', value: (entry) => entry.subsystemType },
  { title: 'trtype', value: (entry) => entry.transport },
  { title: 'traddr', value: (entry) => entry.address },
  { title: 'trsvcid', value: (entry) => String(entry.port), align: 'right' },
];

export function registerDiscover(program: Command, context: CliContext): void {
  const command = program.command('discover').description('list the subsystems a target offers');
  addOutputOption(addTargetOptions(command))
    .argument('<uri>', 'tcp://HOST[:PORT]')
    .action(async (uri: string, options: TargetOptions & { readonly output: OutputFormat }) => {
      const address = parseTargetAddress(uri);
      if (address.others !== undefined) throw new InvalidUriError(uri, 'one target at a time');
      const reach = await reachOptions(context, address, options);
      const entries = await withEngine(context, {}, (engine) => engine.discover(reach));
      await printResult(context, options.output, { records: entries.map(inNvmeWords) }, (color) =>
        renderTable(columns, entries, color),
      );
    });
}

function inNvmeWords(entry: DiscoveryEntry): Record<string, string | number> {
  return {
    trtype: entry.transport,
    adrfam: entry.addressFamily,
    subtype: entry.subsystemType,
    portid: entry.portId,
    cntlid: entry.controllerId,
    trsvcid: String(entry.port),
    subnqn: entry.subsystemNqn,
    traddr: entry.address,
  };
}
