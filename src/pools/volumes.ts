// Volumes of pools: made, cloned, resized, renamed, reverted, deleted. Called by the REST API. All is
// checked before anything changes; one change at a time for each volume; a step that fails undoes those
// before it. What a crash leaves is a volume that is there or one that is not; the next start serves those
// that are.
import { randomUUID } from 'node:crypto';
import { VolumeNotFoundError } from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import type { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { checkNqn } from '../base/nqn.js';
import { KeyUnavailableError, SnapshotNotFoundError, VolumeInUseError } from '../base/pool-errors.js';
import type { QosWords } from '../base/qos.js';
import { replicaOfData } from '../base/replica-spec.js';
import { hostsMax, uuidPattern, volumeNamePattern } from '../base/volume-spec.js';
import type { PoolVolumeInfo } from '../native/pool-types.js';
import { allocations } from './allocations.js';
import type { Qos } from './qos.js';
import { checkOpen, type PoolEntry, type Registry, type VolumeEntry } from './registry.js';
import { isErased, type Serving, textOf, volumeBlockBytes } from './serving.js';
import type { Forceable, PoolsEngine, VolumeView } from './types.js';
import type { HostGrant, VolumeSettings, VolumeSettingsStore } from './volume-settings.js';
import { volumeView } from './volume-view.js';

export interface VolumeSource {
  readonly volume: string;
  readonly snapshot: string;
  /** The snapshot was taken for this clone alone: the clone is one of the volume, and says so. */
  readonly asVolume?: boolean;
}

export interface NewVolume {
  readonly name: string;
  /** Default: that of the source, else the only pool. */
  readonly pool?: string;
  /** A clone may leave it out. */
  readonly sizeBytes?: bigint;
  readonly thick?: boolean;
  readonly encrypted?: boolean;
  /** Makes a clone: of a snapshot. */
  readonly source?: VolumeSource;
  /** What is kept of it from the beginning. */
  readonly settings?: VolumeSettings;
}

export interface VolumeChange extends Forceable {
  readonly sizeBytes?: bigint;
  readonly name?: string;
  /** `null`: none. What is absent in it is none, too. */
  readonly qos?: QosWords | null;
}

/** `force`: also while hosts are connected, or have been granted it. */
export interface VolumeDeletion extends Forceable {
  /** Zeroes what it held before its room is used again; that goes on after the answer. */
  readonly erase?: boolean;
  /** Discards its key first; it must be encrypted. */
  readonly cryptoErase?: boolean;
}

export interface VolumeParts {
  readonly engine: PoolsEngine;
  readonly registry: Registry;
  readonly serving: Serving;
  readonly settings: VolumeSettingsStore;
  readonly locks: KeyedLock;
  readonly log: Log;
  readonly qos: Qos;
}

export class Volumes {
  readonly #parts: VolumeParts;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  list(): readonly VolumeView[] {
    return this.#parts.registry.volumes.map((volume) => this.#view(volume));
  }

  find(name: string): VolumeView | undefined {
    const found = this.#parts.registry.findVolume(name);
    return found === undefined ? undefined : this.#view(found);
  }

  /** Bytes that volumes and their snapshots hold, by UUID: see allocations.ts. */
  allocations(name?: string): Promise<ReadonlyMap<string, bigint>> {
    return allocations(this.#parts.engine, this.#parts.registry, name);
  }

  async create(options: NewVolume): Promise<VolumeView> {
    const { source, encrypted = false } = options;
    checkNewVolumeName(options.name);
    checkGrants(options.settings?.hosts);
    this.#parts.qos.checkNew(options.settings?.qos);
    if (source === undefined) {
      const { registry, locks, serving } = this.#parts;
      const sizeBytes = checkSize(options.sizeBytes);
      const pool = registry.openPool(options.pool);
      return locks.shared(pool.record.uuid, () =>
        this.#make(pool, options.name, options.settings ?? {}, async (uuid) => {
          const wrappedKey = encrypted ? await serving.keys.make() : undefined;
          return this.#parts.engine.createPoolVolume(pool.record.name, {
            name: options.name,
            uuid,
            sizeBytes,
            thick: options.thick ?? false,
            ...(wrappedKey !== undefined && { wrappedKey }),
          });
        }),
      );
    }
    return withVolumes(this.#parts, [source.volume], ([origin]) => this.#clone(origin, source, options));
  }

  async change(name: string, { name: newName, sizeBytes, qos, force }: VolumeChange): Promise<VolumeView> {
    if (newName !== undefined) checkNewVolumeName(newName);
    if (sizeBytes !== undefined) checkSize(sizeBytes);
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const renaming = newName !== undefined && newName !== volume.info.name;
      if (renaming) await this.#parts.serving.checkNoHosts(volume, { force: force ?? false });
      if (renaming) this.#parts.registry.claim(newName);
      const before = volume.info.sizeBytes;
      const qosBefore = volume.settings.qos;
      try {
        if (qos !== undefined) await this.#parts.qos.set(volume, qos);
        if (sizeBytes !== undefined && sizeBytes !== before) await this.#resize(volume, sizeBytes);
        if (renaming) await this.#rename(volume, newName);
      } catch (error) {
        if (renaming) this.#parts.registry.release(newName);
        if (volume.settings.qos !== qosBefore) {
          await this.#undo(`change volume '${name}'`, () => this.#parts.qos.set(volume, qosBefore ?? null));
        }
        if (volume.info.sizeBytes !== before) {
          await this.#undo(`change volume '${name}'`, () => this.#resize(volume, before));
        }
        throw error;
      }
      return this.#view(volume);
    });
  }

  revert(name: string, snapshot: string, options: Forceable = {}): Promise<VolumeView> {
    const { engine, serving } = this.#parts;
    return withVolumes(this.#parts, [name], async ([volume, pool]) => {
      await checkSnapshot(engine, volume, snapshot);
      await serving.checkNoHosts(volume, options);
      await serving.without(volume, async () => {
        volume.info = await engine.revertPoolVolume(pool, volume.info.name, snapshot);
      });
      return this.#view(volume);
    });
  }

  /** Serves one that is not served, when what kept it from being is gone. */
  serve(name: string): Promise<VolumeView> {
    return withVolumes(this.#parts, [name], async ([volume]) => {
      if (volume.state !== 'serving') await this.#parts.serving.start(volume);
      return this.#view(volume);
    });
  }

  delete(nameOrUuid: string, options: VolumeDeletion = {}): Promise<void> {
    const { erase = false, cryptoErase = false } = options;
    const { engine, registry, serving, settings } = this.#parts;
    return withVolumes(this.#parts, [nameOrUuid], async ([volume, pool]) => {
      const { name } = volume.info;
      if (cryptoErase) checkEncrypted(volume);
      const { length } = await engine.poolSnapshots(pool, name);
      if (length > 0) {
        const snapshots = length === 1 ? 'a snapshot' : `${length} snapshots`;
        throw new VolumeInUseError(name, `it has ${snapshots}; delete ${length === 1 ? 'it' : 'them'} first`);
      }
      await this.#checkUnused(volume, options);
      const served = volume.state === 'serving';
      await serving.stop(volume);
      try {
        if (cryptoErase && !isErased(volume)) await this.#discardKey(volume);
        await engine.deletePoolVolume(pool, name, { erase });
      } catch (error) {
        if (served && !isErased(volume)) await serving.tryStart(volume);
        throw error;
      }
      registry.removeVolume(volume);
      // What stays is forgotten at the next opening of the pool.
      await settings.remove(volume.info.uuid).catch((error: unknown) => {
        this.#parts.log.warn(
          { room: 'pools', err: error },
          `what was kept of volume '${name}' is left behind`,
        );
      });
    });
  }

  /**
   * From now on nobody can read what the volume and its snapshots hold. Clones have the same key: while there
   * are some, what they share with it can be read through them, so that takes `force`.
   */
  eraseKey(name: string, { force = false }: Forceable = {}): Promise<VolumeView> {
    const { serving } = this.#parts;
    return withVolumes(this.#parts, [name], async ([volume]) => {
      checkEncrypted(volume);
      if (isErased(volume)) return this.#view(volume);
      const others = this.#sharersOf(volume);
      if (others.length > 0 && !force) {
        const reason = `${others.join(', ')} can still be read with the same key; force discards it here`;
        throw new VolumeInUseError(volume.info.name, reason);
      }
      const served = volume.state === 'serving';
      await serving.stop(volume);
      try {
        await this.#discardKey(volume);
      } catch (error) {
        if (served) await serving.tryStart(volume);
        throw error;
      }
      return this.#view(volume);
    });
  }

  async #checkUnused(volume: VolumeEntry, { force = false }: Forceable): Promise<void> {
    if (force) return;
    const { length } = volume.settings.hosts ?? [];
    if (length > 0) {
      const who = length === 1 ? `${volume.settings.hosts?.[0]?.nqn} has` : `${length} hosts have`;
      throw new VolumeInUseError(volume.info.name, `${who} been granted it; revoke that first, or force`);
    }
    await this.#parts.serving.checkNoHosts(volume, {});
  }

  #clone(origin: VolumeEntry, source: VolumeSource, options: NewVolume): Promise<VolumeView> {
    const { engine } = this.#parts;
    const { pool } = origin;
    if (options.pool !== undefined && options.pool !== pool.record.name) {
      throw new InvalidArgumentError('pool', `'${pool.record.name}', where the snapshot is, or none`);
    }
    if (options.encrypted !== undefined && options.encrypted !== (origin.info.wrappedKey !== undefined)) {
      throw new InvalidArgumentError('encrypted', 'nothing: a clone is encrypted as its origin is');
    }
    if (isErased(origin)) {
      throw new KeyUnavailableError(`volume '${origin.info.name}'`, 'its key was discarded');
    }
    const settings = {
      ...options.settings,
      ...(source.asVolume === true && { cloneOf: origin.info.uuid }),
    };
    return this.#make(pool, options.name, settings, async (uuid) => {
      const { sizeBytes } = await checkSnapshot(engine, origin, source.snapshot);
      const wanted = options.sizeBytes === undefined ? undefined : checkSize(options.sizeBytes);
      if (wanted !== undefined && wanted < sizeBytes) {
        throw new InvalidArgumentError('sizeBytes', `at least the ${sizeBytes} bytes of the snapshot`);
      }
      const from = { volume: origin.info.name, snapshot: source.snapshot };
      return engine.clonePoolVolume(pool.record.name, from, {
        name: options.name,
        uuid,
        thick: options.thick ?? false,
        ...(wanted !== undefined && { sizeBytes: wanted }),
      });
    });
  }

  /** Under the pool's lock. The name is claimed before the engine is asked, and free again when it fails. */
  async #make(
    pool: PoolEntry,
    name: string,
    kept: VolumeSettings,
    inPool: (uuid: string) => Promise<PoolVolumeInfo>,
  ): Promise<VolumeView> {
    const { engine, registry, serving, settings } = this.#parts;
    checkOpen(pool);
    registry.claim(name);
    const uuid = randomUUID();
    let volume: VolumeEntry;
    try {
      // First: a volume that is there without them would be anybody's. Without a volume they are forgotten.
      await settings.put(pool.record.uuid, uuid, kept);
      volume = registry.addVolume(pool, await inPool(uuid), kept);
    } catch (error) {
      registry.release(name);
      await this.#undo(`create volume '${name}'`, () => settings.remove(uuid));
      throw error;
    }
    try {
      await serving.start(volume);
    } catch (error) {
      await this.#undo(`create volume '${name}'`, async () => {
        await engine.deletePoolVolume(pool.record.name, name);
        registry.removeVolume(volume);
        await settings.remove(uuid);
      });
      throw error;
    }
    return this.#view(volume);
  }

  async #resize(volume: VolumeEntry, sizeBytes: bigint): Promise<void> {
    const { name } = volume.info;
    volume.info = await this.#parts.engine.resizePoolVolume(volume.pool.record.name, name, sizeBytes);
  }

  async #rename(volume: VolumeEntry, newName: string): Promise<void> {
    const { engine, registry, serving } = this.#parts;
    await serving.without(volume, async () => {
      const info = await engine.renamePoolVolume(volume.pool.record.name, volume.info.name, newName);
      registry.renameVolume(volume, info);
    });
  }

  async #discardKey(volume: VolumeEntry): Promise<void> {
    const { name } = volume.info;
    const empty = new Uint8Array(0);
    await this.#parts.engine.setPoolVolumeKey(volume.pool.record.name, name, empty);
    volume.info = { ...volume.info, wrappedKey: empty };
    volume.state = 'erased';
    volume.error = 'its key was discarded: what it holds cannot be read any more';
  }

  #sharersOf(volume: VolumeEntry): readonly string[] {
    const mine = this.#dataKeyOf(volume);
    return [...volume.pool.volumes]
      .filter((other) => other !== volume && mine !== undefined && this.#dataKeyOf(other) === mine)
      .map(({ info }) => `'${info.name}'`);
  }

  #dataKeyOf({ info: { wrappedKey } }: VolumeEntry): string | undefined {
    if (wrappedKey === undefined || wrappedKey.length === 0) return undefined;
    try {
      return this.#parts.serving.keys.describe(wrappedKey).dataKeyId;
    } catch {
      return undefined; // damaged: it is the key of no volume that can be read
    }
  }

  #view(volume: VolumeEntry): VolumeView {
    return volumeView(volume, this.#parts.serving.keys);
  }

  async #undo(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.error({ room: 'pools', err: error }, `${what}: undoing failed: ${textOf(error)}`);
    }
  }
}

/** The first of those that are asked for, and the name of its pool; then the others. */
type Found = readonly [VolumeEntry, string, ...VolumeEntry[]];

/** Runs `work` while nobody else changes these volumes, which are of one pool that stays open. */
export async function withVolumes<T>(
  { registry, locks }: Pick<VolumeParts, 'registry' | 'locks'>,
  names: readonly [string, ...string[]],
  work: (found: Found) => Promise<T>,
): Promise<T> {
  const find = () => names.map((name) => registry.volume(name));
  const volumes = find();
  const [first] = volumes;
  if (first === undefined) throw new InvalidArgumentError('volumes', 'at least one');
  const { pool } = first;
  const other = volumes.find((volume) => volume.pool !== pool);
  if (other !== undefined) {
    const both = `'${first.info.name}' and '${other.info.name}'`;
    throw new InvalidArgumentError('volumes', `volumes of one pool; ${both} are of two`);
  }
  return locks.shared(pool.record.uuid, () =>
    locks.exclusiveAll(
      volumes.map(({ info }) => `volume ${info.uuid}`),
      async () => {
        checkOpen(pool);
        // While we waited it may have been deleted or renamed, and its name given to another.
        const gone = find().findIndex((volume, index) => volume !== volumes[index]);
        if (gone >= 0) throw new VolumeNotFoundError(names[gone] ?? '');
        return work([first, pool.record.name, ...volumes.slice(1)]);
      },
    ),
  );
}

export async function checkSnapshot(
  engine: Pick<PoolsEngine, 'poolSnapshots'>,
  { pool, info }: VolumeEntry,
  snapshot: string,
): Promise<{ readonly sizeBytes: bigint }> {
  const snapshots = await engine.poolSnapshots(pool.record.name, info.name);
  const found = snapshots.find(({ name }) => name === snapshot);
  if (found === undefined) throw new SnapshotNotFoundError(info.name, snapshot);
  return found;
}

/** Of a volume: one that looks like a UUID would be taken for that. */
export function checkNewVolumeName(name: string): void {
  checkName(name);
  if (uuidPattern.test(name))
    throw new InvalidArgumentError('name', 'a name that is not in the form of a UUID');
  if (replicaOfData(name) !== undefined)
    throw new InvalidArgumentError(
      'name',
      "a name that does not begin with 'replica.': those are of replicas",
    );
}

/** Of a snapshot, too. */
export function checkName(name: string, field = 'name'): void {
  if (!volumeNamePattern.test(name)) {
    throw new InvalidArgumentError(field, '1 to 63 letters, digits, dots, dashes or underscores');
  }
}

function checkGrants(hosts: readonly HostGrant[] = []): void {
  for (const { nqn } of hosts) checkNqn(nqn);
  if (new Set(hosts.map(({ nqn }) => nqn)).size !== hosts.length) {
    throw new InvalidArgumentError('hosts', 'each host once');
  }
  if (hosts.length > hostsMax) throw new InvalidArgumentError('hosts', `at most ${hostsMax}`);
}

const sizeBytesMax = 1n << 62n;

function checkSize(sizeBytes: bigint | undefined): bigint {
  if (sizeBytes === undefined) throw new InvalidArgumentError('sizeBytes', 'a value; it is missing');
  if (sizeBytes <= 0n || sizeBytes > sizeBytesMax || sizeBytes % BigInt(volumeBlockBytes) !== 0n) {
    throw new InvalidArgumentError('sizeBytes', `a multiple of ${volumeBlockBytes} above 0`);
  }
  return sizeBytes;
}

function checkEncrypted({ info }: VolumeEntry): void {
  if (info.wrappedKey === undefined) {
    throw new InvalidArgumentError('volume', `an encrypted volume; '${info.name}' is not`);
  }
}
