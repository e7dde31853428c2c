// Snapshots of volumes: taken alone or as a group at one moment, listed, deleted; and what a volume or a
// snapshot holds, or what differs between two. Called by the REST API.
import { randomUUID } from 'node:crypto';
import { VolumeNotFoundError } from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import {
  PoolFailedError,
  PoolNotFoundError,
  SnapshotExistsError,
  SnapshotNotFoundError,
} from '../base/pool-errors.js';
import type { PoolSnapshotInfo } from '../native/pool-types.js';
import type { VolumeEntry } from './registry.js';
import type { PoolRanges, Snapshot } from './types.js';
import { checkName, checkSnapshot, type VolumeParts, withVolumes } from './volumes.js';

/** How many volumes are looked at for one page of all snapshots. */
const volumesAtOnceMax = 1024;
export const groupMax = 128;
export const rangesMax = 4096;

export const snapshotsMax = 10_000;

export interface AllWanted {
  readonly countMax: number;
  /** UUID of the last volume that has been looked at. */
  readonly after?: string;
  /** Only those of this name. */
  readonly name?: string;
}

export interface AllSnapshots {
  readonly snapshots: readonly Snapshot[];
  /** What `after` of the next page is; absent at the end. */
  readonly next?: string;
}

export interface RangesWanted {
  readonly snapshot?: string;
  readonly since?: string;
  readonly offsetBytes?: bigint;
  readonly countMax: number;
}

export class Snapshots {
  readonly #parts: VolumeParts;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  async list(volume: string): Promise<readonly Snapshot[]> {
    const { registry, locks, engine } = this.#parts;
    const { pool } = registry.volume(volume);
    return locks.shared(pool.record.uuid, async () => {
      const found = registry.volume(volume);
      const snapshots = await engine.poolSnapshots(found.pool.record.name, found.info.name);
      return snapshots.map((info) => view(found, info));
    });
  }

  /**
   * Of all volumes in the order of their UUIDs, from the one after `after` on: of whole volumes, until there
   * are `countMax` or more. A snapshot that is there all the time is on a page; `next` says where to go on.
   */
  async listAll({ after = '', name, countMax }: AllWanted): Promise<AllSnapshots> {
    if (!Number.isInteger(countMax) || countMax < 1 || countMax > snapshotsMax) {
      throw new InvalidArgumentError('limit', `1 to ${snapshotsMax}`);
    }
    const uuids = this.#parts.registry.volumes.map(({ info }) => info.uuid).sort();
    const left = uuids.filter((uuid) => uuid > after.toLowerCase());
    const snapshots: Snapshot[] = [];
    let looked = 0;
    for (const uuid of left) {
      if (snapshots.length >= countMax || looked >= volumesAtOnceMax) break;
      const found = await this.#listIfThere(uuid);
      snapshots.push(...found.filter((one) => name === undefined || one.name === name));
      looked += 1;
    }
    return { snapshots, ...(looked < left.length && { next: left[looked - 1] ?? '' }) };
  }

  async #listIfThere(uuid: string): Promise<readonly Snapshot[]> {
    try {
      return await this.list(uuid);
    } catch (error) {
      // Deleted meanwhile, or its pool closed.
      if (error instanceof VolumeNotFoundError || error instanceof PoolNotFoundError) return [];
      throw error;
    }
  }

  async get(volume: string, snapshot: string): Promise<Snapshot> {
    const found = (await this.list(volume)).find(({ name }) => name === snapshot);
    if (found === undefined) throw new SnapshotNotFoundError(volume, snapshot);
    return found;
  }

  async createOne(volume: string, name: string): Promise<Snapshot> {
    const [made] = await this.create([{ volume, name }]);
    if (made === undefined)
      throw new PoolFailedError(`snapshot ${volume}/${name}`, 'the engine told of none');
    return made;
  }

  /** Of several volumes of one pool: all at one moment, or none. */
  async create(
    wanted: readonly { readonly volume: string; readonly name: string }[],
  ): Promise<readonly Snapshot[]> {
    const [first, ...rest] = wanted.map(({ volume }) => volume);
    if (first === undefined || wanted.length > groupMax) {
      throw new InvalidArgumentError('snapshots', `1 to ${groupMax}`);
    }
    if (new Set(wanted.map(({ volume }) => volume)).size !== wanted.length) {
      throw new InvalidArgumentError('snapshots', 'each volume once');
    }
    for (const { name } of wanted) checkName(name);
    const { engine } = this.#parts;
    return withVolumes(this.#parts, [first, ...rest], async ([one, pool, ...more]) => {
      const volumes = [one, ...more];
      if (new Set(volumes).size !== volumes.length)
        throw new InvalidArgumentError('snapshots', 'each volume once');
      const members = volumes.map((volume, index) => ({ volume, name: wanted[index]?.name ?? '' }));
      for (const { volume, name } of members) {
        const taken = (await engine.poolSnapshots(pool, volume.info.name)).some((info) => info.name === name);
        if (taken) throw new SnapshotExistsError(volume.info.name, name);
      }
      const made = await engine.createPoolSnapshots(
        pool,
        members.map(({ volume, name }) => ({ volume: volume.info.name, name, uuid: randomUUID() })),
      );
      return members.flatMap(({ volume }, index) => {
        const info = made[index];
        return info === undefined ? [] : [view(volume, info)];
      });
    });
  }

  delete(volume: string, snapshot: string): Promise<void> {
    const { engine } = this.#parts;
    return withVolumes(this.#parts, [volume], async ([found, pool]) => {
      await checkSnapshot(engine, found, snapshot);
      await engine.deletePoolSnapshot(pool, found.info.name, snapshot);
    });
  }

  /** Some of them; nextOffsetBytes says where to go on. */
  async ranges(
    volume: string,
    { snapshot, since, offsetBytes, countMax }: RangesWanted,
  ): Promise<PoolRanges> {
    if (!Number.isInteger(countMax) || countMax < 1 || countMax > rangesMax) {
      throw new InvalidArgumentError('limit', `1 to ${rangesMax}`);
    }
    const { engine } = this.#parts;
    return withVolumes(this.#parts, [volume], async ([found, pool]) => {
      if (snapshot !== undefined) await checkSnapshot(engine, found, snapshot);
      if (since !== undefined) await checkSnapshot(engine, found, since);
      if (since !== undefined && since === snapshot) {
        throw new InvalidArgumentError('since', 'an older snapshot');
      }
      return engine.poolRanges({
        pool,
        volume: found.info.name,
        countMax,
        ...(snapshot !== undefined && { snapshot }),
        ...(since !== undefined && { since }),
        ...(offsetBytes !== undefined && { offsetBytes }),
      });
    });
  }
}

function view(volume: VolumeEntry, { name, uuid, sizeBytes, createdAt }: PoolSnapshotInfo): Snapshot {
  const { name: volumeName, uuid: volumeUuid } = volume.info;
  return { volume: volumeName, volumeUuid, name, uuid, sizeBytes, createdAt };
}
