// What `serve` runs with: flags over environment over configuration file over defaults, each value checked
// once and in one place whichever of them it came from. Where several are given, a list replaces a list;
// volumes are joined.
import { resolve } from 'node:path';
import {
  defaultApiPort,
  defaultPort,
  type HostPort,
  parseApiAddress,
  parseHostPort,
  parseListenAddress,
  parseMetricsAddress,
} from './address.js';
import type { Config } from './config.js';
import { type PoolDeviceSpec, parsePoolDevice } from './device-spec.js';
import { DuplicateVolumeError, InvalidArgumentError } from './errors.js';
import { addressOfInterface } from './interface-address.js';
import { type LogLevel, logLevels } from './log.js';
import { checkMirrors, replicasMadeFor } from './mirror-settings.js';
import { type MirrorSpec, parseMirrorOption, parseMirrorSpec } from './mirror-spec.js';
import { parseReplicaOption, parseReplicaSpec, type ReplicaSpec } from './replica-spec.js';
import { parseDeviceSize, parseSize } from './sizes.js';
import { parseStoreSource, type StoreFlags, type StoreSource, storeOptions } from './store-source.js';
import { parseVolumeOption, parseVolumeSpec, type VolumeSpec, volumeNamePattern } from './volume-spec.js';

export const reactorsMax = 64;
export const spinUsMax = 1_000_000;
export const inCapsuleBytesMax = 131_072;
const poolMapBytesMin = 16n << 20n;
const poolMapBytesMax = 1n << 40n;
/** NVMe Base Specification 2.1: those above are reserved. */
const controllerIdMax = 0xffef;

export interface Reactors {
  readonly count: number;
  /** One CPU per reactor, or not pinned. */
  readonly cpus?: readonly number[];
}

/** A range of CNTLIDs. */
export interface ControllerIds {
  readonly first: number;
  readonly last: number;
}

export interface ServeFlags extends StoreFlags {
  readonly data?: string;
  readonly listen?: readonly string[];
  readonly storageInterface?: string;
  readonly advertise?: string;
  readonly apiListen?: string;
  readonly metricsListen?: string;
  readonly reactors?: string;
  readonly spinUs?: string;
  readonly inCapsule?: string;
  readonly controllerIds?: string;
  readonly poolMapMemory?: string;
  readonly logLevel?: string;
  readonly keyFile?: string;
  readonly keyCommand?: string;
  readonly volume?: readonly string[];
  readonly replica?: readonly string[];
  readonly mirror?: readonly string[];
  readonly ensurePool?: string;
  readonly ensureVolume?: string;
}

/** Where the REST API is reached beside its Unix socket. */
export interface ApiListen {
  /** Absent: nowhere. */
  readonly address?: HostPort;
  /** Somebody asked for it: when it is taken, that is an error, and not a reason to do without. */
  readonly chosen: boolean;
}

/** What wraps the keys of encrypted volumes; absolute paths. Without: a file in the state directory. */
export type KeySource = { readonly file: string } | { readonly command: string } | undefined;

/** What is made at the start where it is not there. */
export interface EnsuredSettings {
  readonly pool?: { readonly name: string; readonly device: PoolDeviceSpec };
  readonly volume?: { readonly name: string; readonly sizeBytes: bigint };
}

export interface ServeSettings {
  readonly dataDirectory: string;
  readonly listen: readonly HostPort[];
  readonly advertise?: { readonly host: string; readonly port?: number };
  readonly apiListen: ApiListen;
  /** Where metrics are had without a token; absent: nowhere. */
  readonly metricsListen?: HostPort;
  readonly keySource: KeySource;
  readonly storeSource: StoreSource;
  readonly reactors: Reactors;
  /** Infinity spins always; absent is the engine's measured default. */
  readonly spinUs?: number;
  readonly inCapsuleBytes?: number;
  /** Absent: all there are. */
  readonly controllerIds?: ControllerIds;
  /** For the maps of each pool; absent: a part of what is allocated. */
  readonly poolMapBytes?: bigint;
  readonly logLevel: LogLevel;
  readonly volumes: readonly VolumeSpec[];
  /** Also those that are made for a mirror. */
  readonly replicas: readonly ReplicaSpec[];
  readonly mirrors: readonly MirrorSpec[];
  readonly ensured: EnsuredSettings;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export function resolveServeSettings(
  flags: ServeFlags,
  environment: Environment,
  config: Config,
): ServeSettings {
  const first = (flag: string | undefined, name: string, fromFile: string | number | undefined) =>
    flag ?? (environment[name] || undefined) ?? (fromFile === undefined ? undefined : String(fromFile));
  const advertise = first(flags.advertise, 'BALLAST_ADVERTISE', config.advertise);
  const spinUs = first(flags.spinUs, 'BALLAST_SPIN_US', config.spinUs);
  const metricsListen = first(flags.metricsListen, 'BALLAST_METRICS_LISTEN', config.metricsListen);
  const inCapsule = first(flags.inCapsule, 'BALLAST_IN_CAPSULE', config.inCapsule);
  const controllerIds = first(flags.controllerIds, 'BALLAST_CONTROLLER_IDS', config.controllerIds);
  const poolMapMemory = first(flags.poolMapMemory, 'BALLAST_POOL_MAP_MEMORY', config.poolMapMemory);
  const listen = flags.listen ?? environment.BALLAST_LISTEN?.split(',').filter(Boolean) ?? config.listen;
  const storageInterface = first(
    flags.storageInterface,
    'BALLAST_STORAGE_INTERFACE',
    config.storageInterface,
  );
  const served = parseServed(config, flags);
  const ensured = parseEnsured(flags, served.replicas);
  return {
    dataDirectory: dataDirectory(flags.data, environment, config.data),
    listen: listenAddresses(listen, storageInterface),
    apiListen: parseApiListen(first(flags.apiListen, 'BALLAST_API_LISTEN', config.apiListen)),
    keySource: parseKeySource(
      first(flags.keyFile, 'BALLAST_KEY_FILE', config.keyFile),
      first(flags.keyCommand, 'BALLAST_KEY_COMMAND', config.keyCommand),
    ),
    storeSource: resolveStoreSource(flags, environment, config),
    reactors: parseReactors(first(flags.reactors, 'BALLAST_REACTORS', config.reactors) ?? '1'),
    logLevel: parseLogLevel(first(flags.logLevel, 'BALLAST_LOG_LEVEL', config.logLevel) ?? 'info'),
    ...served,
    ensured,
    ...(metricsListen !== undefined && { metricsListen: parseMetricsAddress(metricsListen) }),
    ...(advertise !== undefined && { advertise: parseAdvertise(advertise) }),
    ...(spinUs !== undefined && { spinUs: parseSpinUs(spinUs) }),
    ...(inCapsule !== undefined && { inCapsuleBytes: parseInCapsule(inCapsule) }),
    ...(controllerIds !== undefined && { controllerIds: parseControllerIds(controllerIds) }),
    ...(poolMapMemory !== undefined && { poolMapBytes: parsePoolMapMemory(poolMapMemory) }),
  };
}

export function resolveStoreSource(
  flags: StoreFlags,
  environment: Environment,
  config: Pick<Config, keyof StoreFlags> = {},
): StoreSource {
  const given: { -readonly [Name in keyof StoreFlags]: string } = {};
  for (const name of storeOptions) {
    const value = flags[name] ?? (environment[variableOf(name)] || undefined) ?? config[name];
    if (value !== undefined) given[name] = value;
  }
  return parseStoreSource(given);
}

/** storeCa: BALLAST_STORE_CA */
function variableOf(name: string): string {
  return `BALLAST_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

export function dataDirectory(flag: string | undefined, environment: Environment, fromFile?: string): string {
  return flag ?? (environment.BALLAST_DATA || undefined) ?? fromFile ?? './var';
}

/** A count, or a list of CPUs such as 0,2-3 with one pinned reactor each. A single number is a count. */
export function parseReactors(text: string): Reactors {
  const bad = () =>
    new InvalidArgumentError(
      'reactors',
      `a count from 1 to ${reactorsMax}, or CPUs such as 0,2-3; got '${text}'`,
    );
  if (/^\d+$/.test(text)) {
    const count = Number(text);
    if (count < 1 || count > reactorsMax) throw bad();
    return { count };
  }
  const cpus: number[] = [];
  for (const part of text.replace(/,$/, '').split(',')) {
    const range = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    if (range === null) throw bad();
    const begin = Number(range[1]);
    const last = range[2] === undefined ? begin : Number(range[2]);
    if (last < begin || last - begin >= reactorsMax) throw bad();
    for (let cpu = begin; cpu <= last; cpu += 1) cpus.push(cpu);
  }
  if (cpus.length > reactorsMax || new Set(cpus).size !== cpus.length) throw bad();
  return { count: cpus.length, cpus };
}

export function parseSpinUs(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= spinUsMax)) {
    throw new InvalidArgumentError('spin-us', `0 to ${spinUsMax} microseconds, or max; got '${text}'`);
  }
  return value;
}

export function parseInCapsule(text: string): number {
  const bytes = parseSize(text);
  if (bytes > inCapsuleBytesMax || bytes % 16n !== 0n) {
    throw new InvalidArgumentError('in-capsule', `a multiple of 16 up to 128 KiB; got '${text}'`);
  }
  return Number(bytes);
}

function parsePoolMapMemory(text: string): bigint {
  const bytes = parseSize(text);
  if (bytes < poolMapBytesMin || bytes > poolMapBytesMax) {
    throw new InvalidArgumentError('pool-map-memory', `16 MiB to 1 TiB; got '${text}'`);
  }
  return bytes;
}

export function parseControllerIds(text: string): ControllerIds {
  const range = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const first = Number(range?.[1]);
  const last = Number(range?.[2]);
  if (!(first >= 1 && first <= last && last <= controllerIdMax)) {
    const expected = `FIRST-LAST within 1 to ${controllerIdMax}, such as 1-999; got '${text}'`;
    throw new InvalidArgumentError('controller-ids', expected);
  }
  return { first, last };
}

// An interface instead of addresses, where each machine has another one.
function listenAddresses(
  texts: readonly string[] | undefined,
  storageInterface: string | undefined,
): readonly HostPort[] {
  if (storageInterface === undefined) return parseListen(texts ?? ['tcp://127.0.0.1:4420']);
  if (texts !== undefined) {
    throw new InvalidArgumentError('storage-interface', 'not both, an interface and addresses to listen on');
  }
  return [{ host: addressOfInterface(storageInterface), port: defaultPort }];
}

function parseListen(texts: readonly string[]): readonly HostPort[] {
  const addresses = texts.map(parseListenAddress);
  const seen = new Set<string>();
  for (const { host, port } of addresses) {
    const key = `${host} ${port}`;
    if (port !== 0 && seen.has(key))
      throw new InvalidArgumentError('listen', `each address once; ${host} port ${port} is given twice`);
    seen.add(key);
  }
  return addresses;
}

export function parseApiListen(text: string | undefined): ApiListen {
  if (text === undefined) return { address: { host: '127.0.0.1', port: defaultApiPort }, chosen: false };
  return text === 'off' ? { chosen: true } : { address: parseApiAddress(text), chosen: true };
}

function parseKeySource(file: string | undefined, command: string | undefined): KeySource {
  if (file !== undefined && command !== undefined) {
    throw new InvalidArgumentError('key-command', 'not both, a key file and a key command');
  }
  if (file !== undefined) return { file: resolve(file) };
  return command === undefined ? undefined : { command: resolve(command) };
}

function parseAdvertise(text: string): { host: string; port?: number } {
  const { host, port } = parseHostPort(text.replace(/^tcp:\/\//, ''), 0);
  return port === 0 ? { host } : { host, port };
}

export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level === undefined)
    throw new InvalidArgumentError('log-level', `one of ${logLevels.join(', ')}; got '${text}'`);
  return level;
}

function parseEnsured(
  { ensurePool, ensureVolume }: ServeFlags,
  replicas: readonly ReplicaSpec[],
): EnsuredSettings {
  const pool = ensurePool === undefined ? undefined : parseNamed('ensure-pool', ensurePool);
  const volume = ensureVolume === undefined ? undefined : parseNamed('ensure-volume', ensureVolume);
  const ofReplica = replicas.find(({ device }) => device.kind === 'pool' && device.volume === volume?.name);
  if (ofReplica !== undefined) {
    throw new InvalidArgumentError('ensure-volume', `not the data of replica '${ofReplica.name}'`);
  }
  return {
    ...(pool !== undefined && { pool: { name: pool.name, device: absolute(pool.rest) } }),
    ...(volume !== undefined && {
      volume: { name: volume.name, sizeBytes: parseDeviceSize(volume.rest, 4096) },
    }),
  };
}

function absolute(text: string): PoolDeviceSpec {
  const { path, ...rest } = parsePoolDevice(text, 'ensure-pool');
  return { path: resolve(path), ...rest };
}

function parseNamed(option: string, text: string): { readonly name: string; readonly rest: string } {
  const equals = text.indexOf('=');
  const name = text.slice(0, Math.max(0, equals));
  if (!volumeNamePattern.test(name)) {
    const form = option === 'ensure-pool' ? 'NAME=PATH[:SIZE]' : 'NAME=SIZE';
    throw new InvalidArgumentError(option, `${form}; got '${text}'`);
  }
  return { name, rest: text.slice(equals + 1) };
}

function parseServed(
  config: Config,
  flags: ServeFlags,
): Pick<ServeSettings, 'volumes' | 'replicas' | 'mirrors'> {
  const volumes = joined(config.volumes, flags.volume, parseVolumeSpec, parseVolumeOption);
  const named = joined(config.replicas, flags.replica, parseReplicaSpec, parseReplicaOption);
  const mirrors = joined(config.mirrors, flags.mirror, parseMirrorSpec, parseMirrorOption);
  checkDistinct(volumes);
  const replicas = [...named, ...mirrors.flatMap(replicasMadeFor)];
  checkMirrors(volumes, replicas, mirrors);
  return { volumes, replicas, mirrors };
}

function joined<T>(
  fromFile: Readonly<Record<string, string>> = {},
  options: readonly string[] = [],
  parseSpec: (name: string, spec: string) => T,
  parseOption: (text: string) => T,
): readonly T[] {
  return [
    ...Object.entries(fromFile).map(([name, spec]) => parseSpec(name, spec)),
    ...options.map(parseOption),
  ];
}

function checkDistinct(volumes: readonly VolumeSpec[]): void {
  const names = new Set<string>();
  const paths = new Map<string, string>();
  const uuids = new Map<string, string>();
  for (const { name, device, uuid } of volumes) {
    if (names.has(name)) throw new DuplicateVolumeError(name, 'the name is given twice');
    names.add(name);
    if (device.kind === 'file') {
      const other = paths.get(device.path);
      if (other !== undefined) throw new DuplicateVolumeError(name, `has the same file as volume '${other}'`);
      paths.set(device.path, name);
    }
    if (uuid !== undefined) {
      const other = uuids.get(uuid);
      if (other !== undefined) throw new DuplicateVolumeError(name, `has the same uuid as volume '${other}'`);
      uuids.set(uuid, name);
    }
  }
}
