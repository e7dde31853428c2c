// `ballast attach URI`, `detach`, `attached`: namespaces as block devices of this machine. `attach-serve` is
// what the driver `fuse` starts for each of its devices, and no command for people.
import { type Command, Option } from 'commander';
import type { Attached } from '../attach/types.js';
import { parseTargetAddress } from '../base/address.js';
import { AttachNotFoundError } from '../base/attach-errors.js';
import { InvalidArgumentError, NamespaceNotFoundError } from '../base/errors.js';
import { dataDirectory } from '../base/settings.js';
import { formatSize } from '../base/sizes.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { NamespaceInfo } from '../native/types.js';
import type { CliContext } from './engine-port.js';
import { parseInteger } from './numbers.js';
import { addOutputOption, type OutputFormat, printResult } from './output.js';
import { type Column, renderTable } from './table.js';
import { parseSubsystemAddress, reachOptions, withController, withEngine } from './target.js';

interface StateOptions {
  readonly stateDirectory?: string;
}

interface AttachOptions extends StateOptions {
  readonly output: OutputFormat;
  readonly nsid?: string;
  readonly uuid?: string;
  readonly driver: 'auto' | 'kernel' | 'ublk' | 'fuse';
  readonly readOnly?: boolean;
  readonly address: readonly string[];
  readonly hostnqn?: string;
  readonly hostid?: string;
  readonly timeout: string;
}

const columns: readonly Column<Attached>[] = [
  { title: 'device', value: ({ device }) => device },
  { title: 'size', value: ({ sizeBytes }) => formatSize(sizeBytes), align: 'right' },
  { title: 'driver', value: ({ driver }) => driver },
  { title: 'state', value: ({ state }) => state },
  { title: 'uuid', value: ({ uuid }) => uuid },
  { title: 'subsystem', value: ({ nqn }) => nqn },
];

function stateOption(command: Command): Command {
  return command.option(
    '--state-directory <dir>',
    'where it is kept what is attached (default: /run/ballast/attach)',
  );
}

export function registerAttach(program: Command, context: CliContext): void {
  addOutputOption(stateOption(program.command('attach').description('make a block device of a namespace')))
    .argument('<uri>', 'tcp://HOST[:PORT][,HOST[:PORT]...]/NQN')
    .option('-n, --nsid <n>', 'the namespace (default: the only one)')
    .option('--uuid <uuid>', 'the namespace that has this UUID or NGUID')
    .addOption(
      new Option('--driver <driver>', 'nvme-tcp of the kernel, or our initiator behind ublk or FUSE')
        .choices(['auto', 'kernel', 'ublk', 'fuse'])
        .default('auto'),
    )
    .option('--address <host:port>', 'another way to the same subsystem; repeatable', collect, [])
    .option('--read-only', 'the device refuses writes')
    .option('-q, --hostnqn <nqn>', 'who we say we are (default: as for the other commands)')
    .option('-I, --hostid <uuid>', 'host identifier that belongs to --hostnqn')
    .option('--timeout <seconds>', 'how long to try', '30')
    .action((uri: string, options: AttachOptions) => attach(context, uri, options));

  stateOption(program.command('detach').description('take the block device of a namespace away'))
    .argument('<what>', 'UUID, device or URI')
    .option('--timeout <seconds>', 'how long to try', '30')
    .action((what: string, options: StateOptions & { readonly timeout: string }) =>
      detach(context, what, options),
    );

  addOutputOption(stateOption(program.command('attached').description('what is attached')))
    .option('--refresh', 'give each device the size that its namespace has now')
    .action((options: StateOptions & { readonly output: OutputFormat; readonly refresh?: boolean }) =>
      attached(context, options),
    );

  program
    .command('attach-serve', { hidden: true })
    .argument('<uuid>')
    .requiredOption('--state-directory <dir>')
    .action((uuid: string, { stateDirectory }: { readonly stateDirectory: string }) =>
      context.serveAttachment(uuid, stateDirectory),
    );
}

async function attach(context: CliContext, uri: string, options: AttachOptions): Promise<void> {
  const address = parseSubsystemAddress(uri);
  const seconds = parseInteger('timeout', options.timeout, 1, 3600);
  const nsid = options.nsid === undefined ? undefined : parseInteger('nsid', options.nsid, 1, 0xffff_fffe);
  if (options.uuid !== undefined && !uuidPattern.test(options.uuid))
    throw new InvalidArgumentError('uuid', 'a UUID in its text form');
  const others = options.address.map((one) => parseTargetAddress(`tcp://${one}`));
  const identity = await identityOf(context, options);
  const namespace = await findNamespace(context, address, { ...options, ...identity }, nsid);
  const attacher = await context.createAttacher({
    driver: options.driver,
    ...(options.stateDirectory !== undefined && { stateDirectory: options.stateDirectory }),
  });
  const result = await attacher.attach(
    {
      uuid: namespace.uuid,
      nqn: address.nqn,
      nsid: namespace.nsid,
      addresses: [
        { host: address.host, port: address.port },
        ...(address.others ?? []),
        ...others.map(({ host, port }) => ({ host, port })),
      ],
      hostNqn: identity.hostNqn,
      hostId: identity.hostId,
      readOnly: options.readOnly ?? false,
    },
    { deadlineMs: seconds * 1000 },
  );
  await printResult(context, options.output, result, () => `${result.device}\n`);
}

async function identityOf(context: CliContext, { hostnqn, hostid }: AttachOptions) {
  if (hostnqn === undefined) return context.hostIdentity(dataDirectory(undefined, context.environment));
  const hostId = hostid ?? /uuid:([0-9a-f-]{36})$/i.exec(hostnqn)?.[1];
  if (hostId === undefined)
    throw new InvalidArgumentError('hostid', 'the identifier that belongs to --hostnqn');
  return { hostNqn: hostnqn, hostId };
}

/** Looks at the target by our own initiator: a device is known by the UUID, which only the target tells. */
async function findNamespace(
  context: CliContext,
  address: ReturnType<typeof parseSubsystemAddress>,
  options: AttachOptions & { readonly hostNqn: string; readonly hostId: string },
  nsid: number | undefined,
): Promise<NamespaceInfo> {
  const { hostNqn: hostnqn, hostId: hostid, timeout } = options;
  const reach = await reachOptions(context, address, { hostnqn, hostid, timeout });
  const namespaces = await withEngine(context, {}, (engine) =>
    withController(engine, { ...reach, nqn: address.nqn }, async (controller) =>
      controller.namespaces.map(({ info }) => info),
    ),
  );
  const wanted = options.uuid?.toLowerCase();
  const found = namespaces.filter(
    (info) => (nsid === undefined || info.nsid === nsid) && (wanted === undefined || isNamed(info, wanted)),
  );
  const [only, second] = found;
  if (second !== undefined)
    throw new InvalidArgumentError(
      'nsid',
      `which of the namespaces: ${found.map((one) => one.nsid).join(', ')}`,
    );
  if (only === undefined) throw new NamespaceNotFoundError(address.nqn, nsid ?? 0);
  return wanted === undefined ? only : { ...only, uuid: wanted };
}

function isNamed({ uuid, nguid }: NamespaceInfo, wanted: string): boolean {
  return uuid === wanted || nguid.replaceAll('-', '').toLowerCase() === wanted.replaceAll('-', '');
}

async function detach(
  context: CliContext,
  what: string,
  options: StateOptions & { readonly timeout: string },
): Promise<void> {
  const seconds = parseInteger('timeout', options.timeout, 1, 3600);
  const attacher = await context.createAttacher(options);
  const uuids = uuidPattern.test(what) ? [what] : await named(attacher, what);
  if (uuids.length === 0) throw new AttachNotFoundError(what);
  for (const uuid of uuids) await attacher.detach(uuid, { deadlineMs: seconds * 1000 });
}

async function named(
  attacher: Awaited<ReturnType<CliContext['createAttacher']>>,
  what: string,
): Promise<readonly string[]> {
  const list = await attacher.list();
  if (!what.includes('://')) {
    const name = what.replace(/^\/dev\//, '');
    return list.filter(({ device }) => device === `/dev/${name}`).map(({ uuid }) => uuid);
  }
  const { nqn } = parseSubsystemAddress(what);
  return list.filter((one) => one.nqn === nqn).map(({ uuid }) => uuid);
}

async function attached(
  context: CliContext,
  options: StateOptions & { readonly output: OutputFormat; readonly refresh?: boolean },
): Promise<void> {
  const attacher = await context.createAttacher(options);
  const before = await attacher.list();
  const list = options.refresh ? await Promise.all(before.map(({ uuid }) => attacher.refresh(uuid))) : before;
  await printResult(context, options.output, list, (color) => renderTable(columns, list, color));
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
