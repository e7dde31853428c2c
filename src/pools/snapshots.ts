// Snapshots of volumes: taken alone or as a group at one moment, listed, deleted; and what a volume or a
// snapshot holds, or what differs between two. Called by the REST API.
import { randomUUID } from 'node:crypto';
import { InvalidArgumentError } from '../base/errors.js';
import { PoolFailedError, SnapshotExistsError, SnapshotNotFoundError } from '../base/pool-errors.js';
import type { PoolSnapshotInfo } from '../native/pool-types.js';
import type { PoolRanges, Snapshot } from './types.js';
import { checkSnapshot, checkVolumeName, type VolumeParts, withVolumes } from './volumes.js';

export const groupMax = 128;
export const rangesMax = 4096;

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
      const name = registry.volume(volume).pool.record.name;
      return (await engine.poolSnapshots(name, volume)).map((info) => view(volume, info));
    });
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
    for (const { name } of wanted) checkVolumeName(name);
    const { engine } = this.#parts;
    return withVolumes(this.#parts, [first, ...rest], async ([, pool]) => {
      for (const { volume, name } of wanted) {
        const taken = (await engine.poolSnapshots(pool, volume)).some((one) => one.name === name);
        if (taken) throw new SnapshotExistsError(volume, name);
      }
      const made = await engine.createPoolSnapshots(
        pool,
        wanted.map(({ volume, name }) => ({ volume, name, uuid: randomUUID() })),
      );
      return made.map((info, index) => view(wanted[index]?.volume ?? '', info));
    });
  }

  delete(volume: string, snapshot: string): Promise<void> {
    const { engine } = this.#parts;
    return withVolumes(this.#parts, [volume], async ([found, pool]) => {
      await checkSnapshot(engine, found, snapshot);
      await engine.deletePoolSnapshot(pool, volume, snapshot);
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
        volume,
        countMax,
        ...(snapshot !== undefined && { snapshot }),
        ...(since !== undefined && { since }),
        ...(offsetBytes !== undefined && { offsetBytes }),
      });
    });
  }
}

function view(volume: string, { name, uuid, sizeBytes, createdAt }: PoolSnapshotInfo): Snapshot {
  return { volume, name, uuid, sizeBytes, createdAt };
}
