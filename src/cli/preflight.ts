// What `serve` can find wrong before it changes anything: a file that cannot be a volume, an address that is
// taken. The engine checks all of it again, under its locks; this is for one clear line and an untouched
// machine.
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { formatTcp, type HostPort } from '../base/address.js';
import {
  AddressInUseError,
  type DomainError,
  DuplicateVolumeError,
  ListenError,
  VolumeOpenError,
} from '../base/errors.js';
import { ReplicaOpenError } from '../base/mirror-errors.js';
import { metadataPath } from '../base/mirror-settings.js';
import type { ReplicaSpec } from '../base/replica-spec.js';
import { formatSize } from '../base/sizes.js';
import type { VolumeSpec } from '../base/volume-spec.js';

/** A file that is to be a volume, or the data of a replica. */
interface WantedFile {
  readonly path: string;
  readonly sizeBytes?: bigint;
  readonly blockSizeBytes: number;
  /** "volume 'v'" */
  readonly owner: string;
  readonly refuse: (reason: string) => DomainError;
  readonly duplicate: (reason: string) => DomainError;
}

export async function checkVolumeFiles(
  volumes: readonly VolumeSpec[],
  replicas: readonly ReplicaSpec[] = [],
): Promise<void> {
  const owners = new Map<string, string>();
  for (const file of [...volumes.flatMap(fileOfVolume), ...replicas.flatMap(fileOfReplica)]) {
    const found = await statOf(file.path);
    if (found === undefined) {
      await checkCreatable(file);
      continue;
    }
    const key = `${found.dev}:${found.ino}`;
    const other = owners.get(key);
    if (other !== undefined) throw file.duplicate(`has the same file as ${other}`);
    owners.set(key, file.owner);
    checkExisting(file, found);
  }
  for (const { path, refuse } of volumes.flatMap(fileOfVolume)) {
    const metadata = metadataPath(path);
    if ((await statOf(metadata)) === undefined) continue;
    throw refuse(
      `${path} is the data of a replica, as ${metadata} says; move that away if it is none any more`,
    );
  }
  for (const { path, refuse } of replicas.flatMap(fileOfReplica)) {
    const metadata = metadataPath(path);
    if ((await statOf(path)) !== undefined || (await statOf(metadata)) === undefined) continue;
    // Made anew it would be zeroes, and its metadata would call them complete.
    throw refuse(`${path} is gone, and ${metadata} is there; move that away too, to begin anew with a copy`);
  }
}

function fileOfVolume({ name, device, blockSizeBytes }: VolumeSpec): readonly WantedFile[] {
  if (device.kind !== 'file') return [];
  const refuse = (reason: string) => new VolumeOpenError(name, reason);
  const duplicate = (reason: string) => new DuplicateVolumeError(name, reason);
  return [{ ...device, blockSizeBytes, owner: `volume '${name}'`, refuse, duplicate }];
}

function fileOfReplica({ name, device, blockSizeBytes }: ReplicaSpec): readonly WantedFile[] {
  if (device.kind !== 'file') return [];
  const refuse = (reason: string) => new ReplicaOpenError(name, reason);
  return [{ ...device, blockSizeBytes, owner: `replica '${name}'`, refuse, duplicate: refuse }];
}

async function checkCreatable({ path, sizeBytes, refuse }: WantedFile): Promise<void> {
  if (sizeBytes === undefined) {
    throw refuse(`${path} does not exist; give a size to create it: file:${path}:SIZE`);
  }
  const directory = await statOf(dirname(path));
  if (!directory?.isDirectory()) throw refuse(`there is no directory ${dirname(path)}`);
}

function checkExisting({ path, sizeBytes, blockSizeBytes, refuse }: WantedFile, found: Stats): void {
  if (found.isDirectory()) throw refuse(`${path} is a directory`);
  if (found.isBlockDevice()) return; // its size is asked of the device
  if (!found.isFile()) throw refuse(`${path} is neither a regular file nor a block device`);
  if (sizeBytes !== undefined && BigInt(found.size) !== sizeBytes) {
    throw refuse(`${path} has ${formatSize(found.size)}, not ${formatSize(sizeBytes)}`);
  }
  if (found.size === 0 || found.size % blockSizeBytes !== 0) {
    throw refuse(`${path} has ${found.size} bytes, not a multiple of its ${blockSizeBytes}-byte blocks`);
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
