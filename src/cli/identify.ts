// `ballast identify URI[/NQN] [--nsid N]`: what a controller and its namespaces say of themselves. Without an
// NQN it is the discovery controller, which has no namespaces.
import type { Command } from 'commander';
import { formatTcp, parseTargetAddress } from '../base/address.js';
import { discoveryNqn } from '../base/nqn.js';
import { formatSize } from '../base/sizes.js';
import type { ControllerInfo, NamespaceInfo, PathInfo } from '../native/types.js';
import type { CliContext } from './engine-port.js';
import { parseInteger } from './numbers.js';
import { addOutputOption, type OutputFormat, printResult } from './output.js';
import { type Column, renderFields, renderTable } from './table.js';
import {
  addTargetOptions,
  findNamespace,
  reachOptions,
  type TargetOptions,
  withController,
  withEngine,
} from './target.js';

interface IdentifyOptions extends TargetOptions {
  readonly output: OutputFormat;
  readonly nsid?: string;
}

const namespaceColumns: readonly Column<NamespaceInfo>[] = [
  { title: 'nsid', value: ({ nsid }) => String(nsid), align: 'right' },
  {
    title: 'size',
    value: (info) => formatSize(info.blocksCount * BigInt(info.blockSizeBytes)),
    align: 'right',
  },
  { title: 'block', value: ({ blockSizeBytes }) => String(blockSizeBytes), align: 'right' },
  { title: 'blocks', value: ({ blocksCount }) => String(blocksCount), align: 'right' },
  { title: 'uuid', value: ({ uuid }) => uuid },
  { title: 'commands', value: optionalCommands },
];

const pathColumns: readonly Column<PathInfo>[] = [
  { title: 'path', value: (path) => formatTcp(path) },
  { title: 'state', value: ({ state }) => state },
  { title: 'controller', value: ({ controllerId }) => String(controllerId), align: 'right' },
  { title: 'ana', value: ({ ana }) => ana.map(({ nsid, state }) => `${nsid}: ${state}`).join(', ') },
];

export function registerIdentify(program: Command, context: CliContext): void {
  const command = program.command('identify').description('show a controller and its namespaces');
  addOutputOption(addTargetOptions(command))
    .argument('<uri>', 'tcp://HOST[:PORT][,HOST[:PORT]...][/NQN]')
    .option('-n, --nsid <n>', 'only this namespace')
    .action((uri: string, options: IdentifyOptions) => identify(context, uri, options));
}

async function identify(context: CliContext, uri: string, options: IdentifyOptions): Promise<void> {
  const address = parseTargetAddress(uri);
  const nsid = options.nsid === undefined ? undefined : parseInteger('nsid', options.nsid, 1, 0xffff_fffe);
  const reach = await reachOptions(context, address, options);
  const { info, namespaces, paths } = await withEngine(context, {}, (engine) =>
    withController(engine, { ...reach, nqn: address.nqn ?? discoveryNqn }, async (controller) => {
      const found = nsid === undefined ? controller.namespaces : [findNamespace(controller, nsid)];
      const infos = found.map((namespace) => namespace.info);
      return { info: controller.info, namespaces: infos, paths: await controller.paths() };
    }),
  );
  await printResult(
    context,
    options.output,
    { ...info, namespaces: namespaces.map(withSize), paths },
    (color) => {
      const table = namespaces.length === 0 ? '' : `\n${renderTable(namespaceColumns, namespaces, color)}`;
      const ways = paths.length === 1 ? '' : `\n${renderTable(pathColumns, paths, color)}`;
      return renderFields(controllerFields(info), color) + table + ways;
    },
  );
}

function withSize(info: NamespaceInfo): NamespaceInfo & { readonly sizeBytes: bigint } {
  return { ...info, sizeBytes: info.blocksCount * BigInt(info.blockSizeBytes) };
}

function controllerFields(info: ControllerInfo): readonly (readonly [string, string])[] {
  return [
    ['subsystem', info.subsystemNqn],
    ['controller', String(info.controllerId)],
    ['model', info.modelNumber],
    ['serial', info.serialNumber],
    ['firmware', info.firmwareRevision],
    ['version', info.version],
    ['largest transfer', formatSize(info.transferBytesMax)],
    ['in-capsule data', formatSize(info.inCapsuleBytes)],
  ];
}

function optionalCommands(info: NamespaceInfo): string {
  const names = [
    info.supportsWriteZeroes && 'write-zeroes',
    info.supportsDeallocate && 'deallocate',
    info.supportsCompare && 'compare',
  ];
  return names.filter(Boolean).join(',');
}
