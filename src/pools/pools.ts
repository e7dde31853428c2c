// Pools of this daemon: made, taken in, given away, extended, verified, destroyed. Called by the REST API.
// All is checked before anything changes; one change at a time for each pool; a step that fails undoes those
// before it. What a crash leaves is finished by the next start (opening.ts).
import { unlink } from 'node:fs/promises';
import { type Clock, systemClock } from '../base/clock.js';
import { DomainError, InvalidArgumentError } from '../base/errors.js';
import type { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { PoolExistsError, PoolInUseError, PoolUnavailableError } from '../base/pool-errors.js';
import { volumeNamePattern } from '../base/volume-spec.js';
import { addUsed, checkDevices, checkPath, missingPaths } from './devices.js';
import type { Opening } from './opening.js';
import type { PoolRecord, PoolRecords } from './records.js';
import { checkOpen, type PoolEntry, type Registry } from './registry.js';
import { type Serving, textOf } from './serving.js';
import type { Forceable, PoolDeviceOptions, PoolInfo, PoolPolicy, PoolsEngine, PoolView } from './types.js';

export interface NewPool {
  readonly name: string;
  readonly devices: readonly PoolDeviceOptions[];
  readonly checksums?: boolean;
  readonly extentBytes?: number;
  /** Of all devices, with those that are added later. */
  readonly growsToBytes?: bigint;
  /** See PoolPolicy. */
  readonly overcommitPercent?: number;
  readonly reservePercent?: number;
  /** Overwrites a pool that is on the devices. */
  readonly force?: boolean;
}

export interface PoolParts {
  readonly engine: PoolsEngine;
  readonly registry: Registry;
  readonly records: PoolRecords;
  readonly serving: Serving;
  readonly opening: Opening;
  readonly locks: KeyedLock;
  readonly log: Log;
  /** Files of volumes beside pools: path to the name of the volume. */
  readonly otherFiles: ReadonlyMap<string, string>;
  readonly clock?: Clock;
}

/** The set of pools itself is changed by one at a time. */
const allPools = 'pools';
export const extentSizes: readonly number[] = [1 << 18, 1 << 19, 1 << 20];

export class Pools {
  readonly #parts: PoolParts;

  constructor(parts: PoolParts) {
    this.#parts = parts;
  }

  async list(): Promise<readonly PoolView[]> {
    return Promise.all(this.#parts.registry.pools.map((pool) => this.#view(pool)));
  }

  async get(name: string): Promise<PoolView> {
    return this.#view(this.#parts.registry.pool(name));
  }

  create(options: NewPool): Promise<PoolView> {
    const { engine, records, registry, locks } = this.#parts;
    const { name, devices, extentBytes } = options;
    return locks.exclusive(allPools, async () => {
      checkPoolName(name);
      if (registry.findPool(name) !== undefined) throw new PoolExistsError(name, 'there is one already');
      if (extentBytes !== undefined && !extentSizes.includes(extentBytes)) {
        throw new InvalidArgumentError('extentBytes', `one of ${extentSizes.join(', ')}`);
      }
      await checkDevices(devices, await this.#usedFiles());
      const made = await missingPaths(devices.map(({ path }) => path));
      const info = await engine.createPool(options);
      const record = this.#newRecord(info);
      try {
        await records.put(record);
      } catch (error) {
        await this.#undo(`create pool '${name}'`, async () => {
          await engine.destroyPool(name);
          for (const path of made) await unlink(path);
        });
        throw error;
      }
      return this.#view(registry.addPool(record, 'open'));
    });
  }

  /** Takes in what is on these devices: a pool of elsewhere, or one that is missing here. */
  import(paths: readonly string[]): Promise<PoolView> {
    const { engine, locks } = this.#parts;
    return locks.exclusive(allPools, async () => {
      await this.#checkImport(paths);
      const info = await engine.openPool(paths);
      return locks.exclusive(info.uuid, async () => {
        try {
          return await this.#takeIn(info);
        } catch (error) {
          // Not marked as exported: where it belongs may be here, where it was missing.
          await this.#undo(`import pool '${info.name}'`, () => engine.closePool(info.name));
          throw error;
        }
      });
    });
  }

  async #takeIn(info: PoolInfo): Promise<PoolView> {
    const { engine, records, registry, opening } = this.#parts;
    const known = registry.pools.find(({ record }) => record.uuid === info.uuid);
    const sameName = registry.findPool(info.name);
    if (sameName !== undefined && sameName !== known) {
      throw new PoolExistsError(info.name, 'there is another one of this name already');
    }
    const record = { ...this.#newRecord(info), ...(known && { known: known.record.known }) };
    const volumes = await engine.poolVolumes(info.name);
    opening.checkNames(info.name, volumes);
    await records.put(record);
    if (known !== undefined) registry.removePool(known);
    return this.#view(await opening.adopt(registry.addPool(record, 'open'), volumes));
  }

  addDevice(name: string, device: PoolDeviceOptions): Promise<PoolView> {
    const { engine, records, locks } = this.#parts;
    return locks.exclusive(allPools, () =>
      this.#staying(name, async (pool) => {
        await checkDevices([device], await this.#usedFiles());
        // First, so that after a crash the device is looked for whether it has joined or not.
        await records.put({ ...pool.record, joining: device.path });
        try {
          const { devices } = await engine.addPoolDevice(name, device);
          pool.record = { ...pool.record, paths: devices.map(({ path }) => path) };
          await records.put(pool.record);
        } catch (error) {
          await this.#undo(`add ${device.path} to pool '${name}'`, () => records.put(pool.record));
          throw error;
        }
        return this.#view(pool);
      }),
    );
  }

  /**
   * Closes it and forgets it here. `force`: also while hosts are connected, and also one that cannot be
   * closed in order, or is not open at all.
   */
  export(name: string, options: Forceable = {}): Promise<void> {
    const { engine, records, registry, serving } = this.#parts;
    return this.#alone(name, async (pool) => {
      if (pool.state === 'open') {
        const [replica] = pool.replicas;
        if (replica !== undefined) {
          throw new PoolInUseError(
            name,
            `its volume '${replica}' is of a replica; start the daemon without it`,
          );
        }
        for (const volume of pool.volumes) {
          await serving.checkNoHosts(volume, options);
        }
        return this.#leave(pool, 'export', async () => {
          try {
            await engine.closePool(name, { exported: true });
          } catch (error) {
            if (!options.force) throw error;
            await engine.closePool(name);
          }
        });
      }
      if (!options.force) {
        throw new PoolUnavailableError(name, `${pool.error ?? `it is ${pool.state}`}; force forgets it here`);
      }
      await records.remove(pool.record.uuid);
      registry.removePool(pool);
    });
  }

  destroy(name: string): Promise<void> {
    return this.#alone(name, async (pool) => {
      checkOpen(pool);
      const count = pool.volumes.size + pool.replicas.size + pool.problems.length;
      if (count > 0) {
        throw new PoolInUseError(name, `it has ${count} ${count === 1 ? 'volume' : 'volumes'}; delete first`);
      }
      await this.#leave(pool, 'destroy', () => this.#parts.engine.destroyPool(name));
    });
  }

  /** What is absent stays. */
  setPolicy(name: string, policy: PoolPolicy): Promise<PoolView> {
    const { engine } = this.#parts;
    // Alone: two who change a part each would undo each other's.
    return this.#alone(name, async (pool) => {
      checkOpen(pool);
      const { overcommitPercent, reservePercent } = await engine.poolInfo(name);
      await engine.setPoolPolicy(name, { overcommitPercent, reservePercent, ...policy });
      return this.#view(pool);
    });
  }

  startScrub(name: string, bytesPerSecond = 0n): Promise<PoolView> {
    const { engine } = this.#parts;
    return this.#onOpen(name, async () => {
      const { checksums } = await engine.poolInfo(name);
      if (!checksums) throw new InvalidArgumentError('scrub', `a pool with checksums; '${name}' keeps none`);
      await engine.startScrub(name, bytesPerSecond);
    });
  }

  stopScrub(name: string): Promise<PoolView> {
    return this.#onOpen(name, () => this.#parts.engine.stopScrub(name));
  }

  #onOpen(name: string, work: () => Promise<unknown>): Promise<PoolView> {
    return this.#staying(name, async (pool) => {
      await work();
      return this.#view(pool);
    });
  }

  /** While the pool is open, and stays so. */
  async #staying<T>(name: string, work: (pool: PoolEntry) => Promise<T>): Promise<T> {
    const { registry, locks } = this.#parts;
    return locks.shared(registry.pool(name).record.uuid, () => work(checkOpen(registry.pool(name))));
  }

  /** Without anybody else at work in the pool. */
  async #alone<T>(name: string, work: (pool: PoolEntry) => Promise<T>): Promise<T> {
    const { registry, locks } = this.#parts;
    return locks.exclusive(registry.pool(name).record.uuid, () => work(registry.pool(name)));
  }

  // The mark first: a crash after it leaves a pool that is not served again, as was asked.
  async #leave(pool: PoolEntry, leaving: 'export' | 'destroy', work: () => Promise<void>): Promise<void> {
    const { records, registry, opening } = this.#parts;
    const { record } = pool;
    try {
      await records.put({ ...record, leaving });
      await work();
      await records.remove(record.uuid);
    } catch (error) {
      await this.#undo(`${leaving} pool '${record.name}'`, async () => {
        await records.put(record);
        await opening.reopen(pool);
      });
      throw error;
    }
    registry.removePool(pool);
  }

  async #checkImport(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) throw new InvalidArgumentError('paths', 'at least one device');
    for (const path of paths) checkPath(path);
    const open = this.#parts.registry.pools.filter(({ state }) => state === 'open');
    const used = await this.#otherFiles();
    for (const { record } of open) await addUsed(used, record.paths, `the open pool '${record.name}'`);
    await checkDevices(
      paths.map((path) => ({ path })),
      used,
    );
  }

  async #usedFiles(): Promise<Map<string, string>> {
    const used = await this.#otherFiles();
    for (const { record } of this.#parts.registry.pools) {
      await addUsed(used, record.paths, `pool '${record.name}'`);
    }
    return used;
  }

  async #otherFiles(): Promise<Map<string, string>> {
    const used = new Map<string, string>();
    for (const [path, name] of this.#parts.otherFiles) await addUsed(used, [path], name);
    return used;
  }

  #newRecord({ uuid, name, devices }: Pick<PoolRecord, 'uuid' | 'name'> & Devices): PoolRecord {
    const known = (this.#parts.clock ?? systemClock).date().toISOString();
    return { uuid, name, paths: devices.map(({ path }) => path), known };
  }

  async #view(pool: PoolEntry): Promise<PoolView> {
    const { record } = pool;
    const damaged = [...pool.volumes].flatMap(({ settingsProblem = [] }) => settingsProblem);
    const problems = [...pool.problems, ...damaged];
    const base = { name: record.name, uuid: record.uuid, problems, paths: [...record.paths] };
    if (pool.state !== 'open') {
      return { ...base, state: pool.state, ...(pool.error !== undefined && { error: pool.error }) };
    }
    let info: PoolView['info'];
    try {
      info = await this.#parts.engine.poolInfo(record.name);
    } catch (error) {
      // It is being closed: what is known of it is told without.
      if (!(error instanceof DomainError)) throw error;
      return { ...base, state: 'broken', error: textOf(error) };
    }
    if (!info.broken) return { ...base, state: 'open', info };
    return { ...base, state: 'broken', error: brokenText, info };
  }

  /** Failing to undo is for the log: the caller is to learn of what failed first. */
  async #undo(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.error({ room: 'pools', err: error }, `${what}: undoing failed: ${textOf(error)}`);
    }
  }
}

interface Devices {
  readonly devices: readonly { readonly path: string }[];
}

const brokenText = 'a disk failed; nothing is changed any more until the pool is opened again';

export function checkPoolName(name: string): void {
  if (!volumeNamePattern.test(name)) {
    throw new InvalidArgumentError('name', '1 to 63 letters, digits, dots, dashes or underscores');
  }
}
