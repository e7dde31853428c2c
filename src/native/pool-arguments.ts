// Checks what users of the engine's pool members give, and fills in what they leave out.
import { randomUUID } from 'node:crypto';
import type {
  NativePool,
  NativePoolDevice,
  NativePoolRanges,
  NativePoolSnapshot,
  NativePoolVolume,
} from './binding.js';
import { check, checkBoolean, checkInteger, checkObject, checkText, checkU64, checkUuid } from './checks.js';
import type {
  PoolCheckOptions,
  PoolCreateOptions,
  PoolDeviceOptions,
  PoolPolicy,
  PoolRangesOptions,
  PoolSnapshotOptions,
  PoolVolumeOptions,
} from './pool-types.js';

const devicesMax = 60;
const nameBytesMax = 64;
const pathBytesMax = 4095;
const wrappedKeyBytesMax = 1024;
const snapshotsMax = 128;
const rangesMax = 4096;
const extentSizes: readonly number[] = [262_144, 524_288, 1_048_576];

/** Seconds since 1970. */
export function now(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}

export function checkName(value: unknown, argument: string): string {
  return checkText(value, argument, nameBytesMax);
}

export function checkPoolDevice(device: PoolDeviceOptions): NativePoolDevice {
  checkObject(device, 'device');
  const { sizeBytes } = device;
  if (sizeBytes !== undefined) {
    checkU64(sizeBytes, 'sizeBytes');
    check(sizeBytes > 0n && sizeBytes < 1n << 60n, 'sizeBytes', 'above 0 and below 2^60');
  }
  return {
    path: checkText(device.path, 'path', pathBytesMax),
    sizeBytes: sizeBytes ?? 0n,
    uuid: randomUUID(),
  };
}

export function checkPoolPaths(paths: readonly string[]): readonly string[] {
  check(Array.isArray(paths) && paths.length > 0 && paths.length <= devicesMax, 'paths', '1 to 60 paths');
  for (const path of paths) checkText(path, 'paths', pathBytesMax);
  return paths;
}

export function checkPoolCheck(options: PoolCheckOptions): Required<PoolCheckOptions> {
  checkObject(options, 'options');
  const repair = checkBoolean(options.repair, 'repair');
  const discardDamaged = checkBoolean(options.discardDamaged, 'discardDamaged');
  check(repair || !discardDamaged, 'discardDamaged', 'false without repair');
  return { repair, discardDamaged };
}

export function checkPoolPolicy(policy: PoolPolicy): Required<PoolPolicy> {
  checkObject(policy, 'policy');
  const { overcommitPercent = 0, reservePercent = 0 } = policy;
  return {
    overcommitPercent: checkInteger(overcommitPercent, 'overcommitPercent', 0, 1_000_000),
    reservePercent: checkInteger(reservePercent, 'reservePercent', 0, 90),
  };
}

export function checkPoolOptions(options: PoolCreateOptions): NativePool {
  checkObject(options, 'options');
  const { devices, extentBytes = 1_048_576, growsToBytes = 0n } = options;
  check(
    Array.isArray(devices) && devices.length > 0 && devices.length <= devicesMax,
    'devices',
    '1 to 60 devices',
  );
  check(extentSizes.includes(extentBytes), 'extentBytes', `one of ${extentSizes.join(', ')}`);
  return {
    name: checkName(options.name, 'name'),
    uuid: randomUUID(),
    devices: devices.map(checkPoolDevice),
    checksums: options.checksums === undefined || checkBoolean(options.checksums, 'checksums'),
    extentBytes,
    growsToBytes: checkU64(growsToBytes, 'growsToBytes'),
    ...checkPoolPolicy(options),
    force: checkBoolean(options.force, 'force'),
    now: now(),
  };
}

export function checkVolumeSize(value: unknown): bigint {
  const sizeBytes = checkU64(value, 'sizeBytes');
  check(
    sizeBytes > 0n && sizeBytes <= 1n << 56n && sizeBytes % 4096n === 0n,
    'sizeBytes',
    'a multiple of 4,096 from 4 KiB to 64 PiB',
  );
  return sizeBytes;
}

export function checkPoolVolume(options: PoolVolumeOptions, isClone: boolean): NativePoolVolume {
  checkObject(options, 'options');
  const { sizeBytes, wrappedKey } = options;
  check(sizeBytes !== undefined || isClone, 'sizeBytes', 'given');
  const thick = checkBoolean(options.thick, 'thick');
  check(!thick || !isClone, 'thick', 'false for a clone');
  if (wrappedKey !== undefined) {
    check(!isClone, 'wrappedKey', 'left out for a clone, which has that of its origin');
    checkWrappedKey(wrappedKey);
    check(wrappedKey.length > 0, 'wrappedKey', 'not empty');
  }
  return {
    name: checkName(options.name, 'name'),
    uuid: checkUuid(options.uuid, 'uuid'),
    sizeBytes: sizeBytes === undefined ? 0n : checkVolumeSize(sizeBytes),
    thick,
    wrappedKey,
    now: now(),
  };
}

export function checkWrappedKey(value: Uint8Array): Uint8Array {
  check(
    value instanceof Uint8Array && value.length <= wrappedKeyBytesMax,
    'wrappedKey',
    'at most 1,024 bytes',
  );
  return value;
}

export function checkPoolSnapshots(snapshots: readonly PoolSnapshotOptions[]): NativePoolSnapshot[] {
  check(
    Array.isArray(snapshots) && snapshots.length > 0 && snapshots.length <= snapshotsMax,
    'snapshots',
    '1 to 128 of them',
  );
  return snapshots.map((snapshot) => ({
    volume: checkName(snapshot.volume, 'volume'),
    name: checkName(snapshot.name, 'name'),
    uuid: checkUuid(snapshot.uuid, 'uuid'),
  }));
}

export function checkPoolRanges(options: PoolRangesOptions): NativePoolRanges {
  return {
    volume: checkName(options.volume, 'volume'),
    snapshot: options.snapshot === undefined ? '' : checkName(options.snapshot, 'snapshot'),
    since: options.since === undefined ? '' : checkName(options.since, 'since'),
    offsetBytes: options.offsetBytes === undefined ? 0n : checkU64(options.offsetBytes, 'offsetBytes'),
    countMax: checkInteger(options.countMax, 'countMax', 1, rangesMax),
  };
}
