// Snapshots by their id, which is the UUID of their volume and their own. Those that live only while a
// volume is cloned are told of to nobody.
import { type SnapshotBody, toBytes, type VolumeBody } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import { RpcError } from '../rpc/status.js';
import type { Snapshot } from './messages.js';
import { formatSnapshotId, groupIdOf, isCloneSnapshot, parseSnapshotId } from './names.js';
import type { Storage } from './storage.js';
import type { VolumeDirectory } from './volume-directory.js';

export interface FoundSnapshot {
  readonly volume: VolumeBody;
  readonly snapshot: SnapshotBody;
}

export class SnapshotDirectory {
  readonly #storage: Storage;
  readonly #volumes: VolumeDirectory;

  constructor(storage: Storage, volumes: VolumeDirectory) {
    this.#storage = storage;
    this.#volumes = volumes;
  }

  async find(id: string): Promise<FoundSnapshot | undefined> {
    const parsed = parseSnapshotId(id);
    const volume = parsed && (await this.#volumes.find(parsed.volumeUuid));
    if (volume === undefined) return undefined;
    return (await this.ofVolume(volume)).find(({ snapshot }) => snapshot.uuid === parsed?.uuid);
  }

  async get(id: string): Promise<FoundSnapshot> {
    const found = await this.find(id);
    if (found === undefined) throw new RpcError('NOT_FOUND', 'there is no snapshot of this id');
    return found;
  }

  async ofVolume(volume: VolumeBody): Promise<readonly FoundSnapshot[]> {
    try {
      const snapshots = await this.#storage.snapshots(volume.uuid);
      return snapshots.filter(({ name }) => !isCloneSnapshot(name)).map((snapshot) => ({ volume, snapshot }));
    } catch (error) {
      // Deleted since it was listed.
      if (error instanceof RemoteError && error.code === 'VOLUME_NOT_FOUND') return [];
      throw error;
    }
  }

  async list(): Promise<readonly FoundSnapshot[]> {
    return this.#found(await this.#storage.allSnapshots());
  }

  async named(name: string): Promise<readonly FoundSnapshot[]> {
    return this.#found(await this.#storage.allSnapshots(name));
  }

  /** With their volumes; without those whose volume was deleted since they were listed. */
  async #found(snapshots: readonly SnapshotBody[]): Promise<readonly FoundSnapshot[]> {
    const told = snapshots.filter(({ name }) => !isCloneSnapshot(name));
    if (told.length === 0) return [];
    const volumes = new Map((await this.#volumes.list()).map((volume) => [volume.uuid, volume]));
    return told.flatMap((snapshot) => {
      const volume = volumes.get(snapshot.volumeUuid);
      return volume === undefined ? [] : [{ volume, snapshot }];
    });
  }
}

export function snapshotId({ volume, snapshot }: FoundSnapshot): string {
  return formatSnapshotId({ volumeUuid: volume.uuid, uuid: snapshot.uuid });
}

export function snapshotMessage(found: FoundSnapshot): Snapshot {
  const { volume, snapshot } = found;
  return {
    sizeBytes: toBytes(snapshot.sizeBytes).toString(),
    snapshotId: snapshotId(found),
    sourceVolumeId: volume.uuid,
    creationTime: { seconds: secondsOf(snapshot.created), nanos: 0 },
    readyToUse: true,
    groupSnapshotId: groupIdOf(snapshot.name) ?? '',
  };
}

export function secondsOf(date: string): string {
  return String(Math.floor(Date.parse(date) / 1000));
}
