// The records of mirrored volumes in the store: mirrors/NAME, changed by compare-and-swap alone. Beside them
// node/id: who this daemon is as a head.
import { randomUUID } from 'node:crypto';
import { StoreFailedError } from '../base/control-errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { MirrorRecord } from '../native/mirror-types.js';
import type { Store } from '../store/types.js';
import { decodeMirror, encodeMirror, type StoredMirror } from './record.js';

export const mirrorsPrefix = 'mirrors/';
const nodeKey = 'node/id';

export class MirrorRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Undefined: there is none. Fails when it is damaged. */
  async get(name: string): Promise<StoredMirror | undefined> {
    const found = await this.#store.get(mirrorsPrefix + name);
    return found === undefined ? undefined : decodeMirror(name, found.value, found.revision);
  }

  /**
   * Writes it if what is there has the revision of `mirror.record`; 0: if nothing is. Answers what is stored
   * then; undefined: it was another one, and nothing was written.
   */
  async swap(name: string, mirror: StoredMirror): Promise<MirrorRecord | undefined> {
    const key = mirrorsPrefix + name;
    const { record } = mirror;
    const { ok, revision } = await this.#store.commit(
      [{ key, revision: record.revision }],
      [{ type: 'put', key, value: encodeMirror(mirror) }],
    );
    return ok ? { ...record, revision } : undefined;
  }

  /** UUID of this daemon as a head; made when it is first asked for. */
  async node(): Promise<string> {
    const value = Buffer.from(JSON.stringify({ version: 1, uuid: randomUUID() }));
    await this.#store.commit([{ key: nodeKey, revision: 0n }], [{ type: 'put', key: nodeKey, value }]);
    const found = await this.#store.get(nodeKey);
    const uuid = uuidIn(found?.value);
    if (uuid === undefined) throw new StoreFailedError(`read ${nodeKey}`, 'is damaged');
    return uuid;
  }
}

function uuidIn(value: Uint8Array | undefined): string | undefined {
  try {
    const { version, uuid } = JSON.parse(Buffer.from(value ?? []).toString('utf8'));
    return version === 1 && typeof uuid === 'string' && uuidPattern.test(uuid) ? uuid : undefined;
  } catch {
    return undefined;
  }
}
