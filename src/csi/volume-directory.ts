// Volumes by their id, which is the UUID that the daemon gave, and as messages. Volumes that are not of a
// pool cannot be changed and are not told of.
import { toBytes, type VolumeBody } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import { RpcError } from '../rpc/status.js';
import type { Volume, VolumeCondition } from './messages.js';
import { isVolumeId } from './names.js';
import type { Storage, StorageVolume } from './storage.js';
import { type Places, topologiesOf } from './topology.js';

export class VolumeDirectory {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Those of pools. */
  async list(): Promise<readonly StorageVolume[]> {
    return (await this.#storage.volumes()).filter(({ kind }) => kind === 'pool');
  }

  async find(id: string): Promise<StorageVolume | undefined> {
    if (!isVolumeId(id)) return undefined;
    const found = await this.findByName(id.toLowerCase());
    // A volume of an earlier version may have another's UUID as its name.
    return found?.uuid === id.toLowerCase() && found.kind === 'pool' ? found : undefined;
  }

  async get(id: string): Promise<StorageVolume> {
    const found = await this.find(id);
    if (found === undefined) throw new RpcError('NOT_FOUND', 'there is no volume of this id');
    return found;
  }

  async findByName(name: string): Promise<StorageVolume | undefined> {
    try {
      return await this.#storage.volume(name);
    } catch (error) {
      if (error instanceof RemoteError && error.code === 'VOLUME_NOT_FOUND') return undefined;
      throw error;
    }
  }
}

export function volumeMessage(
  volume: StorageVolume,
  places: Places,
): Pick<Volume, 'capacityBytes' | 'volumeId' | 'accessibleTopology'> {
  return {
    capacityBytes: toBytes(volume.sizeBytes).toString(),
    volumeId: volume.uuid,
    accessibleTopology: topologiesOf(places, volume),
  };
}

/** A node is known by the NQN of its host. */
export function publishedNodes({ hosts = [] }: VolumeBody): string[] {
  return hosts.map(({ nqn }) => nqn);
}

export function conditionOf({ state, error }: VolumeBody): VolumeCondition {
  if (state === 'serving' && error === undefined) return { abnormal: false, message: 'it is served' };
  return { abnormal: true, message: `it is ${state}${error === undefined ? '' : `: ${error}`}` };
}
