// What `serve` can find wrong before it changes anything: a file that cannot be a volume, an address that is
// taken. The engine checks all of it again, under its locks; this is for one clear line and an untouched
// machine.
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { formatTcp, type HostPort } from '../base/address.js';
import { AddressInUseError, DuplicateVolumeError, ListenError, VolumeOpenError } from '../base/errors.js';
import { formatSize } from '../base/sizes.js';
import type { VolumeSpec } from '../base/volume-spec.js';

export async function checkVolumeFiles(volumes: readonly VolumeSpec[]): Promise<void> {
  const owners = new Map<string, string>();
  for (const { name, device, blockSizeBytes } of volumes) {
    if (device.kind !== 'file') continue;
    const found = await statOf(device.path);
    if (found === undefined) {
      await checkCreatable(name, device.path, device.sizeBytes);
      continue;
    }
    const key = `${found.dev}:${found.ino}`;
    const other = owners.get(key);
    if (other !== undefined) throw new DuplicateVolumeError(name, `has the same file as volume '${other}'`);
    owners.set(key, name);
    checkExisting(name, device.path, found, device.sizeBytes, blockSizeBytes);
  }
}

async function checkCreatable(name: string, path: string, sizeBytes: bigint | undefined): Promise<void> {
  if (sizeBytes === undefined) {
    throw new VolumeOpenError(name, `${path} does not exist; give a size to create it: file:${path}:SIZE`);
  }
  const directory = await statOf(dirname(path));
  if (!directory?.isDirectory()) throw new VolumeOpenError(name, `there is no directory ${dirname(path)}`);
}

function checkExisting(
  name: string,
  path: string,
  found: Stats,
  sizeBytes: bigint | undefined,
  blockSizeBytes: number,
): void {
  if (found.isDirectory()) throw new VolumeOpenError(name, `${path} is a directory`);
  if (found.isBlockDevice()) return; // its size is asked of the device
  if (!found.isFile())
    throw new VolumeOpenError(name, `${path} is neither a regular file nor a block device`);
  if (sizeBytes !== undefined && BigInt(found.size) !== sizeBytes) {
    throw new VolumeOpenError(name, `${path} has ${formatSize(found.size)}, not ${formatSize(sizeBytes)}`);
  }
  if (found.size === 0 || found.size % blockSizeBytes !== 0) {
    throw new VolumeOpenError(
      name,
      `${path} has ${found.size} bytes, not a multiple of its ${blockSizeBytes}-byte blocks`,
    );
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}

/** Binds and lets go. The engine cannot listen first: a host could come before its volume is there. */
export async function checkAddressesFree(addresses: readonly HostPort[]): Promise<void> {
  for (const address of addresses) {
    await new Promise<void>((resolve, reject) => {
      const probe = createServer();
      probe.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          cause.code === 'EADDRINUSE'
            ? new AddressInUseError(formatTcp(address), { cause })
            : new ListenError(formatTcp(address), cause.code ?? cause.message, { cause }),
        ),
      );
      probe.listen({ host: address.host, port: address.port, exclusive: true }, () =>
        probe.close(() => resolve()),
      );
    });
  }
}
