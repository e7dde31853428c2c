// What the daemon keeps of a pool's volume beside the pool: volumes/UUID in the store, as JSON. Changed under
// the volume's lock; goes with the volume, or at the next opening of its pool where the volume is gone. An
// exported pool leaves it here, for when it comes back; another daemon knows nothing of it.
import type { QosWords } from '../base/qos.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { Store, Versioned } from '../store/types.js';
import type { VolumeEntry } from './registry.js';
import { decodeSettings } from './settings-decode.js';

export const volumesPrefix = 'volumes/';

/** Limits and guarantees of its own, as they were asked for. */
export type QosSettings = QosWords;

export interface HostGrant {
  readonly nqn: string;
  /** Nobody else is granted the volume while it has it. */
  readonly exclusive: boolean;
}

/** A pod that uses the volume, as a node told. */
export interface PodUse {
  readonly uid: string;
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  readonly claim?: string;
}

export interface VolumeSettings {
  readonly qos?: QosSettings;
  /** Absent: any host. Empty: nobody. */
  readonly hosts?: readonly HostGrant[];
  /** UUID of the volume that it is a clone of, where a volume and not a snapshot was asked for. */
  readonly cloneOf?: string;
  readonly pods?: readonly PodUse[];
  /** It is the data of this replica, or was: hosts must not write to it beside the replica's head. */
  readonly replica?: string;
}

/** `undefined` takes a part away; what is not named stays. */
export type SettingsChange = { readonly [K in keyof VolumeSettings]?: VolumeSettings[K] | undefined };

export interface DecodedSettings {
  readonly settings: VolumeSettings;
  /** What of it could not be read. */
  readonly problem?: string;
}

export class VolumeSettingsStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async load(uuid: string): Promise<DecodedSettings> {
    const found = await this.#store.get(keyOf(uuid));
    return found === undefined ? { settings: {} } : decodeSettings(found.value).decoded;
  }

  /** Under the volume's lock, or before anybody knows the volume. Memory follows the store. */
  async change(volume: VolumeEntry, change: SettingsChange): Promise<void> {
    const merged = settingsOf({ ...volume.settings, ...change });
    await this.put(volume.pool.record.uuid, volume.info.uuid, merged);
    volume.settings = merged;
    volume.settingsProblem = undefined;
  }

  async put(pool: string, uuid: string, settings: VolumeSettings): Promise<void> {
    if (Object.keys(settings).length === 0) return this.remove(uuid);
    const value = Buffer.from(JSON.stringify({ version: 1, pool, ...settings }));
    await this.#store.commit([], [{ type: 'put', key: keyOf(uuid), value }]);
  }

  async remove(uuid: string): Promise<void> {
    if ((await this.#store.get(keyOf(uuid))) === undefined) return;
    await this.#store.commit([], [{ type: 'delete', key: keyOf(uuid) }]);
  }

  /** Of volumes of a pool that is open, and that are not among those that it has. Answers how many. */
  async removeOrphans(pool: string, present: ReadonlySet<string>): Promise<number> {
    const { entries } = await this.#store.list(volumesPrefix);
    const orphans = entries.filter((entry) => isOf(pool, entry) && !present.has(uuidOf(entry)));
    for (const { key } of orphans) await this.#store.commit([], [{ type: 'delete', key }]);
    return orphans.length;
  }
}

function settingsOf(change: SettingsChange): VolumeSettings {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** One that cannot be read is of no pool that is known, and stays. */
function isOf(pool: string, { key, value }: Versioned): boolean {
  return uuidPattern.test(uuidOf({ key })) && decodeSettings(value).pool === pool;
}

function uuidOf({ key }: Pick<Versioned, 'key'>): string {
  return key.slice(volumesPrefix.length);
}

function keyOf(uuid: string): string {
  return volumesPrefix + uuid;
}
