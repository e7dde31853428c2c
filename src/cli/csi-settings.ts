// What `ballast csi` runs with: each option checked before anything is opened.
import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import {
  defaultPort,
  formatHost,
  type HostPort,
  parseHostPort,
  parseMetricsAddress,
} from '../base/address.js';

import { InvalidArgumentError } from '../base/errors.js';
import type { HostIdentity } from '../base/identity.js';
import { addressOfInterface } from '../base/interface-address.js';
import { type LogLevel, logLevels } from '../base/log.js';
import { checkNqn } from '../base/nqn.js';
import type { DaemonOptions } from './daemon.js';
import type { CliContext } from './engine-port.js';

export const csiModes = ['controller', 'node', 'all'] as const;
export const attachDrivers = ['auto', 'kernel', 'ublk', 'fuse'] as const;

export interface CsiFlags extends Pick<DaemonOptions, 'data' | 'api' | 'tokenFile'> {
  readonly mode: string;
  readonly endpoint?: string;
  readonly driverName: string;
  readonly nodeId?: string;
  readonly topology?: readonly string[];
  readonly zoneKey?: string;
  readonly nodeName?: string;
  readonly targetAddress?: readonly string[];
  readonly storageInterface?: string;
  readonly driver: string;
  readonly kubeletDir: string;
  readonly stateDir?: string;
  readonly attachDir?: string;
  readonly maxVolumes: string;
  readonly metricsListen?: string;
  readonly logLevel: string;
}

export interface CsiSettings {
  readonly controller: boolean;
  readonly node: boolean;
  readonly endpoint: string;
  readonly driverName: string;
  /** The NQN that this node has to targets, where it is not that of its identity. */
  readonly nodeId?: string;
  readonly topology?: Readonly<Record<string, string>>;
  /** Label under which zones of a storage cluster are told. */
  readonly zoneKey?: string;
  /** Of this machine in the storage cluster; absent: as the machine is called. */
  readonly nodeName?: string;
  readonly targetAddresses: readonly string[];
  readonly driver: (typeof attachDrivers)[number];
  readonly kubeletDirectory: string;
  readonly stateDirectory: string;
  /** Where attachments are kept; absent: where everybody looks. */
  readonly attachDirectory?: string;
  readonly volumesMax: number;
  /** Where GET /metrics is answered, without a token; absent: nowhere. */
  readonly metricsListen?: HostPort;
  readonly logLevel: LogLevel;
}

const driverNamePattern = /^(?=.{1,63}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;
const volumesMaxMax = 100_000;
/** Of a label of Kubernetes: PREFIX/NAME, and its value. */
const topologyPattern =
  /^((?:[a-z0-9][a-z0-9.-]{0,252}\/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,62})=([A-Za-z0-9][A-Za-z0-9_.-]{0,62})$/;

export function resolveCsiSettings(flags: CsiFlags, environment: CliContext['environment']): CsiSettings {
  const mode = oneOf('mode', flags.mode, csiModes);
  const endpoint = flags.endpoint ?? (environment.CSI_ENDPOINT || undefined);
  if (endpoint === undefined) {
    throw new InvalidArgumentError('endpoint', 'unix:///PATH, or the same in CSI_ENDPOINT');
  }
  if (!driverNamePattern.test(flags.driverName)) {
    throw new InvalidArgumentError('driver-name', 'a domain name of at most 63 characters');
  }
  const kubeletDirectory = absolute('kubelet-dir', flags.kubeletDir);
  const stateDirectory = flags.stateDir ?? join(kubeletDirectory, 'plugins', flags.driverName);
  const { nodeId, attachDir, metricsListen } = flags;
  return {
    controller: mode !== 'node',
    node: mode !== 'controller',
    endpoint,
    driverName: flags.driverName,
    targetAddresses: targetAddresses(flags),
    driver: oneOf('driver', flags.driver, attachDrivers),
    kubeletDirectory,
    stateDirectory: absolute('state-dir', stateDirectory),
    volumesMax: count('max-volumes', flags.maxVolumes),
    logLevel: oneOf('log-level', flags.logLevel, logLevels),
    ...(nodeId !== undefined && { nodeId: checkNqn(nodeId) }),
    ...(flags.topology !== undefined && { topology: topologyOf(flags.topology) }),
    ...(flags.nodeName !== undefined && { nodeName: flags.nodeName }),
    ...(flags.zoneKey !== undefined && { zoneKey: labelKey('zone-key', flags.zoneKey) }),
    ...(metricsListen !== undefined && { metricsListen: parseMetricsAddress(metricsListen) }),
    ...(attachDir !== undefined && { attachDirectory: absolute('attach-dir', attachDir) }),
  };
}

/** As `nodeId`, with an identifier that is always the same for it: a target takes one NQN for each. */
export function identityOf(nodeId: string | undefined, own: HostIdentity): HostIdentity {
  if (nodeId === undefined || nodeId === own.hostNqn) return own;
  const named = /uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(nodeId)?.[1];
  if (named !== undefined) return { hostNqn: nodeId, hostId: named.toLowerCase() };
  // RFC 9562, "UUID Version 8": the version and the variant, else bits of our choice.
  const hash = createHash('sha256').update(nodeId).digest('hex');
  const parts = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `a${hash.slice(17, 20)}`];
  return { hostNqn: nodeId, hostId: [...parts, hash.slice(20, 32)].join('-') };
}

function targetAddresses({ targetAddress = [], storageInterface }: CsiFlags): readonly string[] {
  if (storageInterface === undefined) {
    return targetAddress.map((text) => formatHostPort(parseHostPort(text, defaultPort)));
  }
  if (targetAddress.length > 0) {
    throw new InvalidArgumentError('storage-interface', 'not both, an interface and --target-address');
  }
  return [formatHostPort({ host: addressOfInterface(storageInterface), port: defaultPort })];
}

function formatHostPort({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}

function topologyOf(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const match = topologyPattern.exec(text);
    if (match === null) throw new InvalidArgumentError('topology', `KEY=VALUE as a label; got '${text}'`);
    return [match[1], match[2]] as const;
  });
  return Object.fromEntries(pairs);
}

function labelKey(option: string, text: string): string {
  if (topologyPattern.test(`${text}=x`) && !text.includes('=')) return text;
  throw new InvalidArgumentError(option, `a label such as topology.kubernetes.io/zone; got '${text}'`);
}

function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found === undefined)
    throw new InvalidArgumentError(option, `one of ${known.join(', ')}; got '${text}'`);
  return found;
}

function absolute(option: string, path: string): string {
  if (!isAbsolute(path)) throw new InvalidArgumentError(option, `an absolute path; got '${path}'`);
  return path;
}

function count(option: string, text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= volumesMaxMax)) {
    throw new InvalidArgumentError(option, `0 (no limit) to ${volumesMaxMax}; got '${text}'`);
  }
  return value;
}
