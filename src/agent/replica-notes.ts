// What this node notes of its replicas beside them, in its own LevelDB: the records of the volume as they
// were seen last. Needed when the store is lost: a replica knows neither the name of its volume nor who
// else has one. Written before the replica is served, and before a head here changes who is a member.
import { decodeNoted, encodeNoted, type NotedRecords } from '../cluster/model/report.js';
import type { Store } from '../store/types.js';

const prefix = 'cluster/replicas/';

export class ReplicaNotes {
  readonly #local: Pick<Store, 'get' | 'commit'>;
  readonly #known = new Map<string, Uint8Array>();

  constructor(local: Pick<Store, 'get' | 'commit'>) {
    this.#local = local;
  }

  /** Resolves when it is on stable media. */
  async put(replica: string, noted: NotedRecords): Promise<void> {
    const value = encodeNoted(noted);
    const known = this.#known.get(replica);
    if (known !== undefined && Buffer.compare(known, value) === 0) return;
    await this.#local.commit([], [{ type: 'put', key: prefix + replica, value }]);
    this.#known.set(replica, value);
  }

  /** Undefined: nothing is noted. Fails where it cannot be read. */
  async get(replica: string): Promise<NotedRecords | undefined> {
    const key = prefix + replica;
    const found = await this.#local.get(key);
    return found === undefined ? undefined : decodeNoted(key, found.value);
  }

  /** Its data is gone. */
  async delete(replica: string): Promise<void> {
    await this.#local.commit([], [{ type: 'delete', key: prefix + replica }]);
    this.#known.delete(replica);
  }
}
