// Wraps the data keys of all volumes with a new key-encryption key. Data is not touched, hosts do not notice.
// A mark in the store says from which key a rotation goes away: after a crash at any point the next rotate()
// goes on with the same new key, and what was wrapped anew already is left alone.
import { StoreFailedError } from '../base/control-errors.js';
import { DomainError, InvalidArgumentError } from '../base/errors.js';
import { PoolUnavailableError } from '../base/pool-errors.js';
import type { PoolVolumeInfo } from '../native/pool-types.js';
import type { Store } from '../store/types.js';
import type { PoolEntry } from './registry.js';
import type { VolumeParts } from './volumes.js';

const markKey = 'keys/rotation';

export interface RotationOptions {
  /** Afterwards forgets all keys but the new one. Pools that are elsewhere may still need them. */
  readonly dropOld?: boolean;
}

export interface RotationResult {
  readonly keyId: string;
  readonly rewrapped: number;
  /** What could not be reached: the rotation is finished by a further one, when it can be. */
  readonly left: readonly { readonly pool: string; readonly volume?: string; readonly reason: string }[];
  readonly dropped: number;
}

export interface KeyUse {
  readonly provider: 'file' | 'command';
  readonly name: string;
  /** A rotation was begun and is not finished. */
  readonly rotating: boolean;
  /** Which keys wrap how many volumes' keys. */
  readonly keys: readonly { readonly keyId: string; readonly volumes: number }[];
}

export class Rotation {
  readonly #parts: VolumeParts & { readonly store: Store };

  constructor(parts: VolumeParts & { readonly store: Store }) {
    this.#parts = parts;
  }

  async use(): Promise<KeyUse> {
    const { keys } = this.#parts.serving;
    const counts = new Map<string, number>();
    for (const { info } of this.#parts.registry.volumes) {
      const keyId = this.#keyIdOf(info);
      if (keyId !== undefined) counts.set(keyId, (counts.get(keyId) ?? 0) + 1);
    }
    return {
      provider: keys.provider.kind,
      name: keys.provider.name,
      rotating: (await this.#from()) !== undefined,
      keys: [...counts].map(([keyId, volumes]) => ({ keyId, volumes })),
    };
  }

  rotate({ dropOld = false }: RotationOptions = {}): Promise<RotationResult> {
    const { locks, serving, store } = this.#parts;
    const { provider } = serving.keys;
    return locks.exclusive('keys', async () => {
      if (dropOld && provider.dropOldKeys === undefined) {
        throw new InvalidArgumentError('dropOld', `nothing: ${provider.name} keeps its keys itself`);
      }
      const keyId = await this.#newKey();
      const left: RotationResult['left'][number][] = [];
      let rewrapped = 0;
      for (const pool of this.#parts.registry.pools) {
        try {
          rewrapped += await this.#rewrapPool(pool, keyId, left);
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
          left.push({ pool: pool.record.name, reason: error.message });
        }
      }
      let dropped = 0;
      if (left.length === 0) {
        // First, so that a crash in between makes no further key.
        if (dropOld) dropped = (await provider.dropOldKeys?.()) ?? 0;
        await store.commit([], [{ type: 'delete', key: markKey }]);
      }
      return { keyId, rewrapped, left, dropped };
    });
  }

  /** Makes one, unless a rotation that was begun has made it already. */
  async #newKey(): Promise<string> {
    const { serving, store } = this.#parts;
    const { provider } = serving.keys;
    let from = await this.#from();
    if (from === undefined) {
      from = await provider.currentKeyId();
      const value = Buffer.from(JSON.stringify({ version: 1, from }));
      await store.commit([], [{ type: 'put', key: markKey, value }]);
    }
    if ((await provider.currentKeyId()) === from) await provider.addKey?.();
    return provider.currentKeyId();
  }

  async #rewrapPool(pool: PoolEntry, keyId: string, left: RotationResult['left'][number][]): Promise<number> {
    const { engine, locks } = this.#parts;
    return locks.shared(pool.record.uuid, async () => {
      const { name } = pool.record;
      if (pool.state !== 'open') throw new PoolUnavailableError(name, pool.error ?? `it is ${pool.state}`);
      let count = 0;
      const entries = new Map([...pool.volumes].map((volume) => [volume.info.uuid, volume]));
      // Asked of the pool: some of its volumes may not be served, for want of a name.
      for (const listed of await engine.poolVolumes(name)) {
        await locks.exclusive(`volume ${listed.uuid}`, async () => {
          const volume = entries.get(listed.uuid);
          if (volume !== undefined && !pool.volumes.has(volume)) return; // deleted meanwhile
          const info = volume?.info ?? listed;
          try {
            const rewrapped = await this.#rewrap(name, info, keyId);
            if (rewrapped === undefined) return;
            if (volume !== undefined) volume.info = { ...info, wrappedKey: rewrapped };
            count += 1;
          } catch (error) {
            if (!(error instanceof DomainError)) throw error;
            left.push({ pool: name, volume: info.name, reason: error.message });
          }
        });
      }
      return count;
    });
  }

  /** Undefined where there is nothing to do. */
  async #rewrap(pool: string, info: PoolVolumeInfo, keyId: string): Promise<Uint8Array | undefined> {
    const { engine, serving } = this.#parts;
    const { wrappedKey } = info;
    if (wrappedKey === undefined || wrappedKey.length === 0) return undefined;
    if (serving.keys.describe(wrappedKey).keyId === keyId) return undefined;
    const rewrapped = await serving.keys.rewrap(wrappedKey);
    await engine.setPoolVolumeKey(pool, info.name, rewrapped);
    return rewrapped;
  }

  #keyIdOf({ wrappedKey }: PoolVolumeInfo): string | undefined {
    if (wrappedKey === undefined || wrappedKey.length === 0) return undefined;
    try {
      return this.#parts.serving.keys.describe(wrappedKey).keyId;
    } catch {
      return 'damaged';
    }
  }

  async #from(): Promise<string | undefined> {
    const found = await this.#parts.store.get(markKey);
    if (found === undefined) return undefined;
    const { version, from } = JSON.parse(Buffer.from(found.value).toString('utf8')) as Record<
      string,
      unknown
    >;
    if (version !== 1 || typeof from !== 'string') {
      throw new StoreFailedError(`read ${markKey}`, 'is of another version');
    }
    return from;
  }
}
