// What can be found wrong with the devices of a pool before anything changes: for one clear line and an
// untouched machine. The engine checks all of it again, under its locks.
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { InvalidArgumentError } from '../base/errors.js';
import { PoolDeviceError } from '../base/pool-errors.js';
import { formatSize } from '../base/sizes.js';
import type { PoolDeviceOptions } from './types.js';

export const devicesMax = 60;
export const pathBytesMax = 4095;
// Superblocks at both ends and, on the first device, 32 MiB of metadata: below this nothing would be left.
export const deviceBytesMin = 64n << 20n;

/** Whose a file is that something of this daemon uses already: `dev:ino`, or undefined. */
export type UsedFiles = ReadonlyMap<string, string>;

export async function checkDevices(devices: readonly PoolDeviceOptions[], used: UsedFiles): Promise<void> {
  if (devices.length < 1 || devices.length > devicesMax) {
    throw new InvalidArgumentError('devices', `1 to ${devicesMax}`);
  }
  const mine = new Map(used);
  const paths = new Set<string>();
  for (const { path, sizeBytes } of devices) {
    checkPath(path);
    if (paths.has(path)) throw new InvalidArgumentError('devices', `each once; ${path} is there twice`);
    paths.add(path);
    const found = await statOf(path);
    if (found === undefined) {
      await checkCreatable(path, sizeBytes);
      continue;
    }
    const owner = mine.get(fileKey(found));
    if (owner !== undefined) throw new PoolDeviceError(path, `belongs to ${owner}`);
    mine.set(fileKey(found), `another device of this list, ${path}`);
    checkExisting(path, found, sizeBytes);
  }
}

export function checkPath(path: string): void {
  if (!isAbsolute(path) || path.includes('\0') || Buffer.byteLength(path) > pathBytesMax) {
    throw new InvalidArgumentError('path', `an absolute path of at most ${pathBytesMax} bytes`);
  }
}

async function checkCreatable(path: string, sizeBytes: bigint | undefined): Promise<void> {
  if (sizeBytes === undefined) {
    throw new PoolDeviceError(path, `does not exist; give a size to make a file: ${path}:SIZE`);
  }
  if (sizeBytes < deviceBytesMin) {
    throw new PoolDeviceError(
      path,
      `${formatSize(sizeBytes)} is too small, below ${formatSize(deviceBytesMin)}`,
    );
  }
  const directory = await statOf(dirname(path));
  if (!directory?.isDirectory()) throw new PoolDeviceError(path, `there is no directory ${dirname(path)}`);
}

function checkExisting(path: string, found: Stats, sizeBytes: bigint | undefined): void {
  if (found.isDirectory()) throw new PoolDeviceError(path, 'is a directory');
  if (found.isBlockDevice()) {
    if (sizeBytes !== undefined)
      throw new PoolDeviceError(path, 'is a disk: all of it is used, give no size');
    return;
  }
  if (!found.isFile()) throw new PoolDeviceError(path, 'is neither a regular file nor a block device');
  if (sizeBytes !== undefined && BigInt(found.size) !== sizeBytes) {
    throw new PoolDeviceError(path, `has ${formatSize(found.size)}, not ${formatSize(sizeBytes)}`);
  }
  if (BigInt(found.size) < deviceBytesMin) {
    throw new PoolDeviceError(
      path,
      `${formatSize(found.size)} is too small, below ${formatSize(deviceBytesMin)}`,
    );
  }
}

/** Adds the files behind these paths, where they exist. */
export async function addUsed(
  used: Map<string, string>,
  paths: readonly string[],
  owner: string,
): Promise<void> {
  for (const path of paths) {
    const found = await statOf(path);
    if (found !== undefined) used.set(fileKey(found), owner);
  }
}

export async function ownerOf(path: string, used: UsedFiles): Promise<string | undefined> {
  const found = await statOf(path);
  return found === undefined ? undefined : used.get(fileKey(found));
}

/** Those that are not there. */
export async function missingPaths(paths: readonly string[]): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const path of paths) if ((await statOf(path)) === undefined) missing.push(path);
  return missing;
}

// A disk is the same under each of its names, and so is a file.
function fileKey({ dev, ino, rdev }: Stats): string {
  return rdev === 0 ? `${dev}:${ino}` : `disk ${rdev}`;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}
