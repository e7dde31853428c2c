// What discover, identify, read, write and perf share: who we are, where the target is, and that everything
// opened is closed whatever happens in between.
import { type Command, Option } from 'commander';
import {
  formatHost,
  formatTcp,
  type HostPort,
  parseTargetAddress,
  resolveHost,
  type TargetAddress,
} from '../base/address.js';
import { InvalidUriError, NamespaceNotFoundError } from '../base/errors.js';
import { type IoPolicy, ioPolicies } from '../base/io-policy.js';
import { checkNqn } from '../base/nqn.js';
import { dataDirectory } from '../base/settings.js';
import type { ConnectOptions, EngineOptions } from '../native/types.js';
import type { CliContext, ControllerPort, EnginePort, NamespacePort } from './engine-port.js';
import { parseInteger } from './numbers.js';

export interface TargetOptions {
  readonly hostnqn?: string;
  readonly hostid?: string;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  readonly timeout: string;
  readonly ctrlLossTmo?: string;
  readonly fastIoFailTmo?: string;
  readonly reconnectDelay?: string;
  readonly ioPolicy?: IoPolicy;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option(
      '-q, --hostnqn <nqn>',
      'who we say we are (default: /etc/nvme/hostnqn, else one kept in the state directory)',
    )
    .option('-I, --hostid <uuid>', 'host identifier that belongs to --hostnqn')
    .option('-g, --header-digest', 'protect PDU headers by CRC32C')
    .option('-G, --data-digest', 'protect data by CRC32C')
    .option('--timeout <seconds>', 'how long to wait for the connection', '10')
    .option('-l, --ctrl-loss-tmo <seconds>', 'how long to try to get a lost connection back (default: 10)')
    .option('--fast-io-fail-tmo <seconds>', 'how long I/O waits for a path (default: as --ctrl-loss-tmo)')
    .option('-c, --reconnect-delay <seconds>', 'from one try to the next (default: 0.1, then longer)')
    .addOption(
      new Option('--io-policy <policy>', 'which of several paths I/O takes')
        .choices(ioPolicies)
        .default('numa'),
    );
}

/** The address must name a subsystem, by tcp://HOST:PORT/NQN; several hosts are several paths to it. */
export function parseSubsystemAddress(uri: string): TargetAddress & { readonly nqn: string } {
  const { nqn, ...hostPort } = parseTargetAddress(uri);
  if (nqn === undefined) throw new InvalidUriError(uri, 'the subsystem is missing: tcp://HOST:PORT/NQN');
  return { ...hostPort, nqn };
}

export type ReachOptions = Omit<ConnectOptions, 'nqn'>;

export async function reachOptions(
  context: CliContext,
  address: TargetAddress,
  options: TargetOptions,
): Promise<ReachOptions> {
  const seconds = parseInteger('timeout', options.timeout, 1, 3600);
  const { fastIoFailTmo, reconnectDelay, ioPolicy } = options;
  // A person waits for the answer: not the ten minutes that suit a mounted file system.
  const lossSeconds = parseInteger('ctrl-loss-tmo', options.ctrlLossTmo ?? '10', 0, 86_400);
  const identity =
    options.hostnqn === undefined
      ? await context.hostIdentity(dataDirectory(undefined, context.environment))
      : {
          hostNqn: checkNqn(options.hostnqn),
          ...(options.hostid !== undefined && { hostId: options.hostid }),
        };
  return {
    ...identity,
    host: await resolveHost(address.host),
    port: address.port,
    ...(address.others !== undefined && { otherAddresses: await resolveAll(address.others) }),
    ...(ioPolicy !== undefined && { ioPolicy }),
    ...(fastIoFailTmo !== undefined && {
      fastIoFailTimeoutMs: parseInteger('fast-io-fail-tmo', fastIoFailTmo, 0, 86_400) * 1000,
    }),
    ...(reconnectDelay !== undefined && {
      reconnectDelayMs: parseInteger('reconnect-delay', reconnectDelay, 1, 3600) * 1000,
    }),
    headerDigest: options.headerDigest ?? false,
    dataDigest: options.dataDigest ?? false,
    connectTimeoutMs: seconds * 1000,
    ctrlLossTimeoutMs: lossSeconds * 1000,
  };
}

const resolveAll = (addresses: readonly HostPort[]): Promise<HostPort[]> =>
  Promise.all(addresses.map(async ({ host, port }) => ({ host: await resolveHost(host), port })));

/** Runs `use` with an engine that serves nothing. */
export async function withEngine<T>(
  context: CliContext,
  options: EngineOptions,
  use: (engine: EnginePort) => Promise<T>,
): Promise<T> {
  // The native log says why a connection failed; the error does too, so only a debugging user wants both.
  const onLog: EngineOptions['onLog'] =
    context.environment.BALLAST_LOG_LEVEL === 'debug'
      ? ({ level, room, text }) => context.stderr.write(`${level} ${room}: ${text}\n`)
      : () => undefined;
  const engine = await context.startEngine({ onLog, ...options });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

export async function withController<T>(
  engine: EnginePort,
  options: ConnectOptions,
  use: (controller: ControllerPort) => Promise<T>,
): Promise<T> {
  const controller = await engine.connect(options);
  try {
    return await use(controller);
  } finally {
    await controller.close();
  }
}

export function findNamespace(controller: ControllerPort, nsid: number): NamespacePort {
  const found = controller.namespaces.find(({ info }) => info.nsid === nsid);
  if (found === undefined) throw new NamespaceNotFoundError(controller.info.subsystemNqn, nsid);
  return found;
}

export function describeTarget({ nqn, others = [], ...first }: TargetAddress): string {
  const more = others.map((other) => `,${formatHost(other.host)}:${other.port}`).join('');
  return `${formatTcp(first)}${more}${nqn === undefined ? '' : `/${nqn}`}`;
}
