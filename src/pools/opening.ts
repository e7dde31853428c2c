// Opens the pools that are known when the daemon starts, and serves what is in them. What an earlier daemon
// began and did not finish is finished here, from the marks in the records. A pool that cannot be opened is
// remembered with the reason, and keeps no other from being served.
import { DuplicateVolumeError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { PoolDeviceError, PoolFailedError } from '../base/pool-errors.js';
import type { PoolInfo, PoolVolumeInfo } from '../native/pool-types.js';
import { addUsed, missingPaths, ownerOf } from './devices.js';
import type { PoolRecord, PoolRecords } from './records.js';
import type { PoolEntry, Registry } from './registry.js';
import { isReplicaMetadata, type ReplicaVolumes } from './replica-volumes.js';
import { type Serving, textOf } from './serving.js';
import type { PoolsEngine } from './types.js';
import type { DecodedSettings, VolumeSettingsStore } from './volume-settings.js';

export interface OpeningParts {
  readonly engine: PoolsEngine;
  readonly registry: Registry;
  readonly records: PoolRecords;
  readonly settings: VolumeSettingsStore;
  readonly serving: Serving;
  readonly log: Log;
  /** Files of volumes beside pools and of replicas: path to whose it is, "volume 'v'". */
  readonly otherFiles: ReadonlyMap<string, string>;
  readonly replicas: ReplicaVolumes;
}

interface Opened {
  readonly record: PoolRecord;
  /** Absent: it could not be opened, and `error` says why. */
  readonly info?: PoolInfo;
  readonly error?: unknown;
}

export class Opening {
  readonly #parts: OpeningParts;

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /** Once, at the start, when the names of other volumes have been claimed. */
  async openAll(): Promise<void> {
    const { records, registry, engine } = this.#parts;
    const known = await records.list();
    await this.#checkFiles(known);
    // At once, for each waits for its own disks; then in the order in which they became known.
    const opened = await Promise.all(known.map((record) => this.#openKnown(record)));
    for (const one of opened) {
      if (one === undefined) continue;
      if (one.info !== undefined) {
        const volumes = await engine.poolVolumes(one.info.name);
        await this.adopt(registry.addPool(one.record, 'open'), volumes);
      } else {
        const { state, error } = await this.#whyClosed(one.record, one.error);
        registry.addPool(one.record, state, error);
        this.#log('error', one.record, `pool '${one.record.name}' is ${state}: ${error}`);
      }
    }
  }

  /** Serves the volumes of a pool that is open. One whose name is taken is a problem of its own. */
  async adopt(pool: PoolEntry, volumes: readonly PoolVolumeInfo[]): Promise<PoolEntry> {
    const { registry, serving } = this.#parts;
    for (const info of volumes) {
      if (await this.#withhold(pool, info)) continue;
      if (registry.isOther(info.name)) {
        const reason = `pool '${pool.record.name}' has a volume of this name; choose another`;
        throw new DuplicateVolumeError(info.name, reason);
      }
      try {
        registry.claim(info.name);
      } catch (error) {
        pool.problems.push(
          `not served: ${textOf(error)}; rename or remove the other, then open the pool again`,
        );
        this.#log(
          'error',
          pool.record,
          `a volume of pool '${pool.record.name}' is not served: ${textOf(error)}`,
        );
        continue;
      }
      const { settings, problem } = await this.#settingsOf(pool, info);
      const volume = registry.addVolume(pool, info, settings, problem);
      volume.error = whyWithheld(info.name, settings.replica);
      if (volume.error === undefined) await serving.tryStart(volume);
    }
    await this.#removeOrphans(pool, volumes);
    return pool;
  }

  /** What a replica of this daemon has is nobody else's. */
  async #withhold(pool: PoolEntry, { name, uuid }: PoolVolumeInfo): Promise<boolean> {
    const { registry, replicas, settings } = this.#parts;
    const owner = replicas.ownerOf(pool.record.name, name);
    if (owner === undefined) return false;
    registry.withhold(pool, name, owner);
    // Remembered: without the replica it must not be served as if it were any volume.
    const kept = await settings.load(uuid);
    if (!isReplicaMetadata(name) && kept.settings.replica !== owner) {
      await settings.put(pool.record.uuid, uuid, { ...kept.settings, replica: owner });
    }
    return true;
  }

  async #settingsOf(pool: PoolEntry, { uuid, name }: PoolVolumeInfo): Promise<DecodedSettings> {
    const { settings, problem } = await this.#parts.settings.load(uuid);
    if (problem === undefined) return { settings };
    const nobody = settings.hosts?.length === 0 ? '; no host may use it until one is granted it' : '';
    const text = `what is kept of volume '${name}' is damaged: ${problem}${nobody}`;
    this.#log('error', pool.record, text);
    return { settings, problem: text };
  }

  async #removeOrphans({ record }: PoolEntry, volumes: readonly PoolVolumeInfo[]): Promise<void> {
    const present = new Set(volumes.map(({ uuid }) => uuid));
    const count = await this.#parts.settings.removeOrphans(record.uuid, present);
    if (count > 0) {
      const what = count === 1 ? 'a volume that is' : `${count} volumes that are`;
      this.#log('warn', record, `forgot what was kept of ${what} not in pool '${record.name}' any more`);
    }
  }

  /** Before a pool is taken in: none of its volumes may have the name of another. */
  checkNames(pool: string, volumes: readonly PoolVolumeInfo[]): void {
    const { registry, replicas } = this.#parts;
    for (const { name } of volumes) {
      if (replicas.ownerOf(pool, name) !== undefined) continue;
      try {
        registry.claim(name);
        registry.release(name);
      } catch (error) {
        if (!(error instanceof DuplicateVolumeError)) throw error;
        throw new DuplicateVolumeError(name, `of pool '${pool}': ${error.reason}`);
      }
    }
  }

  /** After something failed halfway: the pool as it is now, whatever that is. */
  async reopen(pool: PoolEntry): Promise<void> {
    const { engine, registry } = this.#parts;
    for (const volume of [...pool.volumes]) registry.removeVolume(volume);
    pool.problems = [];
    pool.replicas.clear();
    try {
      // Whether it is still open is not known: closing one that is not fails, and changes nothing.
      await engine.closePool(pool.record.name).catch(() => undefined);
      await engine.openPool(pool.record.paths);
      await this.adopt(pool, await engine.poolVolumes(pool.record.name));
    } catch (error) {
      pool.state = 'broken';
      pool.error = textOf(error);
      throw error;
    }
  }

  // Hosts that write to a volume on the file would destroy the pool in it.
  async #checkFiles(known: readonly PoolRecord[]): Promise<void> {
    for (const [path, owner] of this.#parts.otherFiles) {
      const used = new Map<string, string>();
      for (const { name, paths } of known) await addUsed(used, paths, name);
      const pool = await ownerOf(path, used);
      if (pool !== undefined) throw new PoolDeviceError(path, `belongs to ${owner}, and to pool '${pool}'`);
    }
  }

  async #openKnown(record: PoolRecord): Promise<Opened | undefined> {
    const { engine, records } = this.#parts;
    const { leaving, name } = record;
    if (leaving === 'export') {
      await records.remove(record.uuid);
      this.#log('warn', record, `pool '${name}' was about to be exported: it is not opened`);
      return undefined;
    }
    let info: PoolInfo;
    try {
      info = await this.#openPaths(record);
    } catch (error) {
      if (leaving === undefined) return { record, error };
      await records.remove(record.uuid);
      this.#log('warn', record, `pool '${name}' was about to be destroyed, and cannot be opened any more`);
      return undefined;
    }
    if (leaving === 'destroy') {
      await engine.destroyPool(info.name);
      await records.remove(record.uuid);
      this.#log('warn', record, `pool '${name}' was about to be destroyed: that is done now`);
      return undefined;
    }
    const { joining: _joining, ...rest } = record;
    const current = { ...rest, name: info.name, paths: info.devices.map(({ path }) => path) };
    if (JSON.stringify(current) !== JSON.stringify(record)) await records.put(current);
    return { record: current, info };
  }

  async #openPaths({ uuid, paths, joining }: PoolRecord): Promise<PoolInfo> {
    const { engine } = this.#parts;
    let info: PoolInfo;
    try {
      info = await engine.openPool(joining === undefined ? paths : [...paths, joining]);
    } catch (error) {
      if (joining === undefined) throw error;
      info = await engine.openPool(paths); // it did not join
    }
    if (info.uuid === uuid) return info;
    await engine.closePool(info.name);
    throw new PoolFailedError('open', `the devices hold another pool, '${info.name}' (${info.uuid})`);
  }

  async #whyClosed(
    { paths }: PoolRecord,
    error: unknown,
  ): Promise<{ readonly state: 'missing' | 'broken'; readonly error: string }> {
    const missing = await missingPaths(paths);
    if (missing.length === 0) return { state: 'broken', error: textOf(error) };
    return { state: 'missing', error: `there is no ${missing.join(', ')}` };
  }

  #log(level: 'error' | 'warn', { uuid }: PoolRecord, text: string): void {
    this.#parts.log[level]({ room: 'pools', pool: uuid }, text);
  }
}

/** Undefined: it is served. */
function whyWithheld(name: string, replica: string | undefined): string | undefined {
  if (isReplicaMetadata(name)) return 'a replica noted this beside its data, and no --replica has it now';
  if (replica === undefined) return undefined;
  return (
    `it is the data of replica '${replica}', and no --replica names it now: what hosts write to it would ` +
    `go past its mirror; 'ballast volume serve ${name}' serves it all the same`
  );
}
