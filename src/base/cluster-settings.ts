// What `controller` and `agent` run with: flags over environment over defaults, as settings.ts has it for
// `serve`, whose settings an agent has, too.
import { hostname } from 'node:os';
import { defaultJoinPort, type HostPort, parseHostPort } from './address.js';
import { InvalidArgumentError } from './errors.js';
import type { LogLevel } from './log.js';
import {
  type ApiListen,
  dataDirectory,
  type Environment,
  parseApiListen,
  parseLogLevel,
  resolveServeSettings,
  resolveStoreSource,
  type ServeFlags,
  type ServeSettings,
} from './settings.js';
import { type EtcdSource, type StoreFlags, type StoreSource, storeOptions } from './store-source.js';

export const controllerPort = 8430;
export const replaceAfterMinutesDefault = 15;

/** Where the store of a cluster is. Without an address: where the node learned when it joined. */
export type ClusterSource = { readonly kind: 'controller'; readonly address?: HostPort } | EtcdSource;

export interface ControllerFlags extends StoreFlags {
  readonly data?: string;
  readonly listen?: string;
  readonly joinListen?: string;
  readonly tlsName?: readonly string[];
  readonly apiListen?: string;
  readonly name?: string;
  readonly replaceAfter?: string;
  readonly logLevel?: string;
}

export interface ControllerSettings {
  readonly dataDirectory: string;
  /** For people, among several controllers. */
  readonly name: string;
  /** Where agents reach the embedded store; with etcd nobody listens there. */
  readonly listen: HostPort;
  /** Where nodes join, with a token; absent: nowhere. */
  readonly joinListen?: HostPort;
  /** Further names and addresses of it, for its certificate. */
  readonly tlsNames: readonly string[];
  readonly apiListen: ApiListen;
  readonly storeSource: StoreSource;
  /** A node that is away for longer is replaced. */
  readonly replaceAfterMs: number;
  readonly logLevel: LogLevel;
}

export function resolveControllerSettings(
  flags: ControllerFlags,
  environment: Environment,
): ControllerSettings {
  const first = (flag: string | undefined, name: string) => flag ?? (environment[name] || undefined);
  const listen = first(flags.listen, 'BALLAST_CONTROLLER_LISTEN');
  const joinListen = first(flags.joinListen, 'BALLAST_JOIN_LISTEN');
  const replaceAfter = first(flags.replaceAfter, 'BALLAST_REPLACE_AFTER');
  const storeSource = resolveStoreSource(flags, environment);
  if (storeSource.kind === 'etcd') {
    refuseDoors({ listen, 'join-listen': joinListen, 'tls-name': flags.tlsName?.[0] });
  }
  return {
    dataDirectory: dataDirectory(flags.data, environment),
    name: nodeName(first(flags.name, 'BALLAST_NODE_NAME')),
    listen: parseHostPort(listen ?? '127.0.0.1', controllerPort),
    ...(joinListen !== undefined && { joinListen: parseHostPort(joinListen, defaultJoinPort) }),
    tlsNames: flags.tlsName ?? [],
    apiListen: parseApiListen(first(flags.apiListen, 'BALLAST_API_LISTEN')),
    storeSource,
    replaceAfterMs: parseMinutes(replaceAfter) * 60_000,
    logLevel: parseLogLevel(first(flags.logLevel, 'BALLAST_LOG_LEVEL') ?? 'info'),
  };
}

/** Whoever gives an address waits for nodes there, which would never come: they reach etcd themselves. */
function refuseDoors(doors: Readonly<Record<string, string | undefined>>): void {
  for (const [option, given] of Object.entries(doors)) {
    if (given === undefined) continue;
    const reason = `none with --store etcd://..., which agents reach themselves; got '${given}'`;
    throw new InvalidArgumentError(option, reason);
  }
}

export interface AgentFlags extends Omit<ServeFlags, 'volume' | 'replica' | 'mirror' | 'ensureVolume'> {
  readonly name?: string;
  readonly zone?: string;
  readonly label?: readonly string[];
  readonly controller?: string;
}

export interface AgentSettings {
  /** As those of `serve`, without volumes of its own. */
  readonly serve: ServeSettings;
  readonly source: ClusterSource;
  readonly name: string;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where hosts, and heads of other nodes, reach this node. */
  readonly reached: HostPort;
}

export function resolveAgentSettings(flags: AgentFlags, environment: Environment): AgentSettings {
  const { controller, name, zone, label, ...serveFlags } = flags;
  const first = (flag: string | undefined, variable: string) => flag ?? (environment[variable] || undefined);
  // What an agent keeps of itself is in its state directory: --store is the cluster's.
  const own = withoutStore(serveFlags, environment);
  const serve = resolveServeSettings(own.flags, own.environment, {});
  const inZone = first(zone, 'BALLAST_ZONE');
  return {
    serve,
    source: clusterSource(first(controller, 'BALLAST_CONTROLLER'), flags, environment),
    name: nodeName(first(name, 'BALLAST_NODE_NAME')),
    ...(inZone !== undefined && { zone: inZone }),
    labels: parseLabels(label ?? []),
    reached: reachedAt(serve),
  };
}

function clusterSource(
  controller: string | undefined,
  flags: StoreFlags,
  environment: Environment,
): ClusterSource {
  const store = resolveStoreSource(flags, environment);
  if (store.kind === 'etcd' && controller === undefined) return store;
  if (store.kind !== 'etcd') {
    if (controller === undefined) return { kind: 'controller' };
    return { kind: 'controller', address: parseHostPort(controller, controllerPort) };
  }
  throw new InvalidArgumentError('controller', 'one of --controller and --store etcd://..., not both');
}

function withoutStore(flags: ServeFlags, environment: Environment) {
  const isStore = (name: string) => (storeOptions as readonly string[]).includes(name);
  return {
    flags: Object.fromEntries(Object.entries(flags).filter(([name]) => !isStore(name))) as ServeFlags,
    environment: Object.fromEntries(
      Object.entries(environment).filter(([name]) => !/^BALLAST_STORE(?:$|_)/.test(name)),
    ),
  };
}

/** Others are told of the one address, so it has to be one that they can reach, with its port. */
function reachedAt({ listen, advertise }: ServeSettings): HostPort {
  const [first] = listen;
  const host = advertise?.host ?? first?.host ?? '';
  const port = advertise?.port ?? first?.port ?? 0;
  if (port === 0)
    throw new InvalidArgumentError('listen', 'a port: others have to know it before it is bound');
  if (host === '0.0.0.0' || host === '::') {
    throw new InvalidArgumentError('advertise', `an address that others reach; ${host} is any`);
  }
  return { host, port };
}

export function parseLabels(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const equals = text.indexOf('=');
    if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)] as const;
    throw new InvalidArgumentError('label', `KEY=VALUE; got '${text}'`);
  });
  return Object.fromEntries(pairs);
}

function parseMinutes(text: string | undefined): number {
  if (text === undefined) return replaceAfterMinutesDefault;
  if (/^\d{1,5}$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('replace-after', `1 to 99999 minutes; got '${text}'`);
}

/** That of its machine, up to the first dot, unless one is given. */
function nodeName(given: string | undefined): string {
  return given ?? hostname().split('.')[0] ?? '';
}
