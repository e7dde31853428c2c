// What pools and volumes there are right now, by name: the daemon's memory of what the engine has open. A
// name belongs to one volume of the daemon, whichever pool it is in; claiming one is a single step, so two
// requests at once cannot both get it. Changed by the services of this room only, under their locks.
import { VolumeNotFoundError } from '../base/control-errors.js';
import { DuplicateVolumeError, InvalidArgumentError } from '../base/errors.js';
import { PoolNotFoundError, PoolUnavailableError, VolumeInUseError } from '../base/pool-errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { PoolVolumeInfo } from '../native/pool-types.js';
import type { PoolRecord } from './records.js';
import type { PoolState, VolumeState } from './types.js';
import type { VolumeSettings } from './volume-settings.js';

export interface PoolEntry {
  record: PoolRecord;
  state: PoolState;
  error: string | undefined;
  problems: string[];
  readonly volumes: Set<VolumeEntry>;
  /** Volumes of it that replicas have: their data, and what they note beside it. */
  readonly replicas: Set<string>;
}

export interface VolumeEntry {
  readonly pool: PoolEntry;
  info: PoolVolumeInfo;
  state: VolumeState;
  error: string | undefined;
  /** As in the store; changed by VolumeSettingsStore.change(). */
  settings: VolumeSettings;
  /** What of them was damaged, until they are changed. */
  settingsProblem: string | undefined;
}

export class Registry {
  readonly #pools = new Map<string, PoolEntry>();
  readonly #volumes = new Map<string, VolumeEntry>();
  readonly #byUuid = new Map<string, VolumeEntry>();
  /** Names that are taken: by volumes, by devices of `serve --volume`, by requests under way. */
  readonly #names = new Map<string, string>();
  readonly #others = new Set<string>();
  /** Volumes that are the data of a replica, and its name. */
  readonly #replicas = new Map<string, string>();

  get pools(): readonly PoolEntry[] {
    return [...this.#pools.values()];
  }

  get volumes(): readonly VolumeEntry[] {
    return [...this.#volumes.values()];
  }

  addPool(record: PoolRecord, state: PoolState, error?: string): PoolEntry {
    const entry: PoolEntry = { record, state, error, problems: [], volumes: new Set(), replicas: new Set() };
    this.#pools.set(record.name, entry);
    return entry;
  }

  removePool(pool: PoolEntry): void {
    for (const volume of [...pool.volumes]) this.removeVolume(volume);
    if (this.#pools.get(pool.record.name) === pool) this.#pools.delete(pool.record.name);
  }

  findPool(name: string): PoolEntry | undefined {
    return this.#pools.get(name);
  }

  pool(name: string): PoolEntry {
    const found = this.#pools.get(name);
    if (found === undefined) throw new PoolNotFoundError(name);
    return found;
  }

  /** The pool of that name, or the only one there is; it must be open. */
  openPool(name: string | undefined): PoolEntry {
    if (name !== undefined) return checkOpen(this.pool(name));
    const [only, ...more] = this.pools;
    if (only === undefined) throw new InvalidArgumentError('pool', 'a pool; there is none yet, create one');
    if (more.length > 0) {
      const names = this.pools.map(({ record }) => record.name).join(', ');
      throw new InvalidArgumentError('pool', `one of ${names}; there are several`);
    }
    return checkOpen(only);
  }

  /** By its name or its UUID. */
  volume(name: string): VolumeEntry {
    const found = this.findVolume(name);
    if (found !== undefined) return found;
    const replica = this.#replicas.get(name);
    if (replica === undefined) throw new VolumeNotFoundError(name);
    const reason = `it is the data of replica '${replica}', and is changed by the head of its mirror alone`;
    throw new VolumeInUseError(name, reason);
  }

  // The UUID first: a volume of an earlier version may have a name in that form, and is nobody else's UUID.
  findVolume(name: string): VolumeEntry | undefined {
    const byUuid = uuidPattern.test(name) ? this.#byUuid.get(name.toLowerCase()) : undefined;
    return byUuid ?? this.#volumes.get(name);
  }

  /** A volume of a pool that is the data of a replica: it is no volume of hosts, and its name is free. */
  withhold(pool: PoolEntry, volume: string, replica: string): void {
    this.#replicas.set(volume, replica);
    pool.replicas.add(volume);
  }

  /** A volume that is not of a pool: from the command line or the configuration. */
  claimForOther(name: string): void {
    this.claim(name, 'a volume of the command line or the configuration');
    this.#others.add(name);
  }

  isOther(name: string): boolean {
    return this.#others.has(name);
  }

  /** Takes a name, or says whose it is. To be followed by addVolume(), rename() or release(). */
  claim(name: string, owner = 'a volume that is being made'): void {
    const taken = this.#names.get(name);
    if (taken !== undefined) throw new DuplicateVolumeError(name, `the name is taken by ${taken}`);
    this.#names.set(name, owner);
  }

  release(name: string): void {
    this.#names.delete(name);
  }

  /** Its name has been claimed. */
  addVolume(
    pool: PoolEntry,
    info: PoolVolumeInfo,
    settings: VolumeSettings,
    settingsProblem?: string,
  ): VolumeEntry {
    const entry = { pool, info, state: 'stopped' as const, error: undefined, settings, settingsProblem };
    this.#names.set(info.name, `a volume of pool '${pool.record.name}'`);
    this.#volumes.set(info.name, entry);
    this.#byUuid.set(info.uuid, entry);
    pool.volumes.add(entry);
    return entry;
  }

  /** Its new name has been claimed; the old one is free. */
  renameVolume(volume: VolumeEntry, info: PoolVolumeInfo): void {
    this.#volumes.delete(volume.info.name);
    this.#names.delete(volume.info.name);
    volume.info = info;
    this.#names.set(info.name, `a volume of pool '${volume.pool.record.name}'`);
    this.#volumes.set(info.name, volume);
  }

  removeVolume(volume: VolumeEntry): void {
    this.#volumes.delete(volume.info.name);
    this.#names.delete(volume.info.name);
    this.#byUuid.delete(volume.info.uuid);
    volume.pool.volumes.delete(volume);
  }
}

export function checkOpen(pool: PoolEntry): PoolEntry {
  const { record, state, error } = pool;
  if (state !== 'open') throw new PoolUnavailableError(record.name, error ?? `it is ${state}`);
  return pool;
}
