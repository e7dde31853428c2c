// Volumes by their id, which is the UUID that the daemon gave. Volumes that are not of a pool cannot be
// changed and are not told of. The daemon finds volumes by name: what was seen once is asked for by the name
// it had, and the UUID in the answer decides; that memory may be wrong or empty at any time.
import { toBytes, type VolumeBody } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import { RpcError } from '../rpc/status.js';
import type { Volume, VolumeCondition } from './messages.js';
import { isVolumeId } from './names.js';
import type { Storage } from './storage.js';
import type { Segments } from './topology.js';

const namesMax = 10_000;

export class VolumeDirectory {
  readonly #storage: Storage;
  #names = new Map<string, string>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Those of pools. */
  async list(): Promise<readonly VolumeBody[]> {
    const volumes = (await this.#storage.volumes()).filter(({ kind }) => kind === 'pool');
    this.#names = new Map(volumes.map(({ uuid, name }) => [uuid, name]));
    return volumes;
  }

  async find(id: string): Promise<VolumeBody | undefined> {
    if (!isVolumeId(id)) return undefined;
    const uuid = id.toLowerCase();
    const name = this.#names.get(uuid);
    const seen = name === undefined ? undefined : await this.findByName(name);
    if (seen?.uuid === uuid && seen.kind === 'pool') return seen;
    return (await this.list()).find((volume) => volume.uuid === uuid);
  }

  async get(id: string): Promise<VolumeBody> {
    const found = await this.find(id);
    if (found === undefined) throw new RpcError('NOT_FOUND', 'there is no volume of this id');
    return found;
  }

  async findByName(name: string): Promise<VolumeBody | undefined> {
    try {
      return this.seen(await this.#storage.volume(name));
    } catch (error) {
      if (error instanceof RemoteError && error.code === 'VOLUME_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Remembers where it was. */
  seen(volume: VolumeBody): VolumeBody {
    if (this.#names.size >= namesMax) this.#names.clear();
    this.#names.set(volume.uuid, volume.name);
    return volume;
  }
}

export function volumeMessage(
  volume: VolumeBody,
  topology: Segments | undefined,
): Pick<Volume, 'capacityBytes' | 'volumeId' | 'accessibleTopology'> {
  return {
    capacityBytes: toBytes(volume.sizeBytes).toString(),
    volumeId: volume.uuid,
    accessibleTopology: topology === undefined ? [] : [{ segments: topology }],
  };
}

export function conditionOf({ state, error }: VolumeBody): VolumeCondition {
  if (state === 'serving') return { abnormal: false, message: 'it is served' };
  return { abnormal: true, message: `it is ${state}${error === undefined ? '' : `: ${error}`}` };
}
