// Checks what users of Engine give, and fills in what they leave out.
import { timingSafeEqual } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { type AnaState, anaStates } from '../base/ana.js';
import { ioPolicies } from '../base/io-policy.js';
import { checkNqn, checkSubsystemNqn, discoveryNqn } from '../base/nqn.js';
import type {
  NativeAttachment,
  NativeConnect,
  NativeEngineOptions,
  NativeListen,
  NativeQos,
  NativeVolume,
} from './binding.js';
import {
  check,
  checkBoolean,
  checkFunction,
  checkHost,
  checkHosts,
  checkInteger,
  checkObject,
  checkSignal,
  checkText,
  checkU64,
  checkUuid,
} from './checks.js';
import { resolveIdentity } from './host-identity.js';
import { checkMirrorOptions } from './mirror-arguments.js';
import type {
  AttachOptions,
  ConnectOptions,
  DiscoverOptions,
  EngineOptions,
  ListenOptions,
  QosLimits,
  VolumeKind,
  VolumeOptions,
} from './types.js';

const reactorsMax = 64;
const spinAlways = 0xffff_ffff;
const poolMapBytesMin = 16n << 20n;
const poolMapBytesMax = 1n << 40n;
const transferBytesMax = 128 * 1024;
const namespacesMax = 1024;
/** Those above are reserved. */
const controllerIdMax = 0xffef;
const otherAddressesMax = 15;
const volumeKinds: readonly VolumeKind[] = ['memory', 'null', 'file', 'pool', 'mirror'];

export function checkEngineOptions(options: EngineOptions): NativeEngineOptions {
  checkObject(options, 'options');
  const { cpus = [], spinUs, inCapsuleBytes, poolMapBytes } = options;
  check(Array.isArray(cpus) && cpus.length <= reactorsMax, 'cpus', `an array of at most ${reactorsMax}`);
  for (const cpu of cpus) checkInteger(cpu, 'cpus', 0, 4095);
  const reactors = checkInteger(options.reactors ?? Math.max(1, cpus.length), 'reactors', 1, reactorsMax);
  check(cpus.length === 0 || cpus.length === reactors, 'cpus', 'one CPU per reactor');
  if (spinUs !== undefined && spinUs !== Number.POSITIVE_INFINITY)
    checkInteger(spinUs, 'spinUs', 0, 1_000_000);
  if (inCapsuleBytes !== undefined) {
    checkInteger(inCapsuleBytes, 'inCapsuleBytes', 0, transferBytesMax);
    check(inCapsuleBytes % 16 === 0, 'inCapsuleBytes', 'a multiple of 16');
  }
  if (poolMapBytes !== undefined) {
    const bytes = checkU64(poolMapBytes, 'poolMapBytes');
    check(bytes >= poolMapBytesMin && bytes <= poolMapBytesMax, 'poolMapBytes', '16 MiB to 1 TiB');
  }
  checkFunction(options.onLog, 'onLog');
  if (options.controllerIds !== undefined) checkControllerIds(options.controllerIds, reactors);
  return {
    reactors,
    cpus,
    spinUs: spinUs === Number.POSITIVE_INFINITY ? spinAlways : spinUs,
    inCapsuleBytes,
    controllerIds: options.controllerIds,
    poolMapBytes,
  };
}

function checkControllerIds(ids: NonNullable<EngineOptions['controllerIds']>, reactors: number): void {
  checkObject(ids, 'controllerIds');
  const first = checkInteger(ids.first, 'controllerIds.first', 1, controllerIdMax);
  const last = checkInteger(ids.last, 'controllerIds.last', first, controllerIdMax);
  check(last - first + 1 >= reactors, 'controllerIds', 'one for each reactor at least');
}

export function checkAnaState(state: AnaState): AnaState {
  check(anaStates.includes(state), 'state', `one of ${anaStates.join(', ')}`);
  return state;
}

export function checkVolumeOptions(options: VolumeOptions): NativeVolume {
  checkObject(options, 'options');
  const { kind, hosts } = options;
  check(volumeKinds.includes(kind), 'kind', `one of ${volumeKinds.join(', ')}`);
  check(
    (options.mirror !== undefined) === (kind === 'mirror'),
    'mirror',
    'given for a mirrored volume, and only for one',
  );
  const mirror = options.mirror === undefined ? undefined : checkMirrorOptions(options.mirror);
  check(
    mirror === undefined || (options.sizeBytes === undefined && options.blockSizeBytes === undefined),
    'sizeBytes',
    "left out for a mirrored volume: it is the record's, and so is blockSizeBytes",
  );
  const blockSizeBytes = mirror?.record.blockSizeBytes ?? options.blockSizeBytes ?? 4096;
  const sizeBytes = mirror ? mirror.record.blocksCount * BigInt(blockSizeBytes) : options.sizeBytes;
  check(
    (options.path !== undefined) === (kind === 'file'),
    'path',
    'given for a file volume, and only for one',
  );
  check(
    (options.pool !== undefined) === (kind === 'pool'),
    'pool',
    'given for the volume of a pool, and only for one',
  );
  check(kind !== 'pool' || blockSizeBytes === 4096, 'blockSizeBytes', '4096 in a pool');
  check(kind !== 'pool' || sizeBytes === undefined, 'sizeBytes', 'left out for the volume of a pool');
  checkKey(options);
  check(blockSizeBytes === 512 || blockSizeBytes === 4096, 'blockSizeBytes', '512 or 4096');
  check(
    sizeBytes !== undefined || kind === 'file' || kind === 'pool',
    'sizeBytes',
    'given for memory and null',
  );
  if (sizeBytes !== undefined) {
    checkU64(sizeBytes, 'sizeBytes');
    check(
      sizeBytes > 0n && sizeBytes < 1n << 63n && sizeBytes % BigInt(blockSizeBytes) === 0n,
      'sizeBytes',
      `a multiple of ${blockSizeBytes} above 0 and below 2^63`,
    );
  }
  const volatileWriteCache = checkBoolean(options.volatileWriteCache, 'volatileWriteCache');
  check(!volatileWriteCache || kind === 'file', 'volatileWriteCache', 'a file volume');
  if (hosts !== undefined) checkHosts(hosts);
  const uuid = checkUuid(options.uuid, 'uuid');
  check(!/^[0-]+$/.test(uuid), 'uuid', 'a UUID that is not all zeroes');
  return {
    name: checkText(options.name, 'name', 255),
    kind,
    path: options.path === undefined ? '' : checkText(options.path, 'path', 4095),
    pool: options.pool === undefined ? '' : checkText(options.pool, 'pool', 64),
    key: options.key,
    sizeBytes: sizeBytes ?? 0n,
    blockSizeBytes,
    nqn: checkSubsystemNqn(checkText(options.nqn, 'nqn', 65_536)),
    nsid: options.nsid === undefined ? 0 : checkInteger(options.nsid, 'nsid', 1, namespacesMax),
    uuid,
    volatileWriteCache,
    readOnly: checkBoolean(options.readOnly, 'readOnly'),
    anaState: checkAnaState(options.anaState ?? 'optimized'),
    hosts,
    qos: checkQos(options.qos ?? {}),
    mirror,
  };
}

// As native/bdev/qos/config.h; what concerns two of them at once is refused there.
export const rateMax = 1_000_000_000_000_000;
export const depthMax = 65_536;
const burstMsMax = 3_600_000;
const weightMax = 10_000;

export function checkQos(limits: QosLimits): NativeQos {
  checkObject(limits, 'qos');
  const rate = (name: keyof QosLimits) => checkInteger(limits[name] ?? 0, `qos.${name}`, 0, rateMax);
  return {
    iops: rate('iops'),
    readIops: rate('readIops'),
    writeIops: rate('writeIops'),
    bytesPerSecond: rate('bytesPerSecond'),
    readBytesPerSecond: rate('readBytesPerSecond'),
    writeBytesPerSecond: rate('writeBytesPerSecond'),
    burstMs: checkInteger(limits.burstMs ?? 0, 'qos.burstMs', 0, burstMsMax),
    minIops: rate('minIops'),
    weight: checkInteger(limits.weight ?? 100, 'qos.weight', 1, weightMax),
  };
}

// AES-256-XTS: two keys of 32 bytes that differ (IEEE 1619).
function checkKey({ kind, key }: VolumeOptions): void {
  if (key === undefined) return;
  check(kind === 'pool', 'key', 'left out for all but the volume of a pool');
  check(
    key instanceof Uint8Array && key.length === 64 && !timingSafeEqual(key.subarray(0, 32), key.subarray(32)),
    'key',
    '64 bytes whose halves differ',
  );
}

export function checkListenOptions(options: ListenOptions): NativeListen {
  checkObject(options, 'options');
  const host = checkHost(options.host, 'host');
  const { advertisedHost } = options;
  return {
    host,
    port: checkInteger(options.port, 'port', 0, 65_535),
    advertisedHosts:
      advertisedHost === undefined ? reachableAddresses(host) : [checkHost(advertisedHost, 'advertisedHost')],
    advertisedPort:
      options.advertisedPort === undefined
        ? 0
        : checkInteger(options.advertisedPort, 'advertisedPort', 1, 65_535),
  };
}

// A host cannot connect to a wildcard address: the discovery log names the addresses it stands for.
function reachableAddresses(host: string): string[] {
  const family = host === '0.0.0.0' ? 'IPv4' : /^[0:]+$/.test(host) ? 'IPv6' : undefined;
  if (family === undefined) return [host];
  const all = Object.values(networkInterfaces())
    .flat()
    .filter((candidate) => candidate !== undefined)
    .filter((candidate) => candidate.family === family && !candidate.address.startsWith('fe80:'));
  const outside = all.filter((candidate) => !candidate.internal);
  const addresses = (outside.length > 0 ? outside : all).map(({ address }) => address);
  return addresses.length > 0 ? addresses.slice(0, 64) : [family === 'IPv4' ? '127.0.0.1' : '::1'];
}

export function checkDiscoverOptions(options: DiscoverOptions): NativeConnect {
  checkObject(options, 'options');
  checkSignal(options.signal);
  return {
    host: checkHost(options.host, 'host'),
    port: checkInteger(options.port ?? 4420, 'port', 1, 65_535),
    otherHosts: [],
    otherPorts: [],
    nqn: discoveryNqn,
    ...resolveIdentity(options),
    ioQueues: 0,
    queueEntries: 32,
    headerDigest: checkBoolean(options.headerDigest, 'headerDigest'),
    dataDigest: checkBoolean(options.dataDigest, 'dataDigest'),
    keepAliveMs: 0,
    connectTimeoutMs: checkInteger(options.connectTimeoutMs ?? 10_000, 'connectTimeoutMs', 1, 3_600_000),
    ctrlLossTimeoutMs: 0,
    fastIoFailTimeoutMs: undefined,
    reconnectDelayMs: undefined,
    ioPolicy: 'numa',
  };
}

const checkOptional = (value: number | undefined, argument: string, min: number, max: number) =>
  value === undefined ? undefined : checkInteger(value, argument, min, max);

export function checkConnectOptions(options: ConnectOptions): NativeConnect {
  const reach = checkDiscoverOptions(options);
  const { ctrlLossTimeoutMs = 600_000 } = options;
  const forEver = ctrlLossTimeoutMs === Number.POSITIVE_INFINITY;
  const { otherAddresses = [], ioPolicy = 'numa' } = options;
  check(ioPolicies.includes(ioPolicy), 'ioPolicy', `one of ${ioPolicies.join(', ')}`);
  check(
    Array.isArray(otherAddresses) && otherAddresses.length <= otherAddressesMax,
    'otherAddresses',
    `at most ${otherAddressesMax} addresses`,
  );
  return {
    ...reach,
    otherHosts: otherAddresses.map(({ host }) => checkHost(host, 'otherAddresses')),
    otherPorts: otherAddresses.map(({ port }) => checkInteger(port, 'otherAddresses', 1, 65_535)),
    nqn: checkNqn(checkText(options.nqn, 'nqn', 65_536)),
    ioQueues: checkInteger(options.ioQueues ?? (options.nqn === discoveryNqn ? 0 : 1), 'ioQueues', 0, 128),
    queueEntries: checkInteger(options.queueEntries ?? 128, 'queueEntries', 2, 1024),
    keepAliveMs: checkInteger(options.keepAliveMs ?? 5_000, 'keepAliveMs', 0, 3_600_000),
    ctrlLossTimeoutMs: forEver
      ? undefined
      : checkInteger(ctrlLossTimeoutMs, 'ctrlLossTimeoutMs', 0, 0x7fff_ffff),
    fastIoFailTimeoutMs: checkOptional(options.fastIoFailTimeoutMs, 'fastIoFailTimeoutMs', 0, 0x7fff_ffff),
    reconnectDelayMs: checkOptional(options.reconnectDelayMs, 'reconnectDelayMs', 1, 3_600_000),
    ioPolicy,
  };
}

export function checkAttachOptions(options: AttachOptions): NativeAttachment {
  checkObject(options, 'options');
  const { driver = 'fuse' } = options;
  check(driver === 'fuse' || driver === 'ublk', 'driver', 'fuse or ublk');
  return {
    nsid: checkInteger(options.nsid, 'nsid', 1, 0xffff_fffe),
    uuid: checkUuid(options.uuid, 'uuid').toLowerCase(),
    driver,
    path: checkText(options.path, 'path', 4095),
    readOnly: checkBoolean(options.readOnly, 'readOnly'),
  };
}
