// From the events of a watch to whole commits. An answer may have the events of several commits, and a commit
// of much data may come in several answers: nothing is given out before its last event is there.
import { StoreUnavailableError } from '../../base/control-errors.js';
import type { Change, ChangeSet } from '../types.js';
import type { EtcdKeys } from './keys.js';
import type { Event, WatchResponse } from './messages.js';

export class ChangeSets {
  #revision = 0n;
  #changes: Change[] = [];

  constructor(readonly keys: EtcdKeys) {}

  /** The commits that are whole now, in order. */
  add({ events, fragment }: Pick<WatchResponse, 'events' | 'fragment'>): readonly ChangeSet[] {
    const whole: ChangeSet[] = [];
    for (const event of events) {
      const change = this.#changeOf(event);
      if (change.revision !== this.#revision) whole.push(...this.#take());
      this.#revision = change.revision;
      this.#changes.push(change);
    }
    if (!fragment) whole.push(...this.#take());
    return whole;
  }

  /** Something has begun that has not ended. */
  get isWaiting(): boolean {
    return this.#changes.length > 0;
  }

  #take(): readonly ChangeSet[] {
    if (this.#changes.length === 0) return [];
    const set = { revision: this.#revision, changes: this.#changes };
    this.#changes = [];
    return [set];
  }

  #changeOf({ type, kv }: Event): Change {
    if (kv === null) throw new StoreUnavailableError('watch', 'an event of etcd has no key');
    const key = this.keys.decode(kv.key);
    const revision = BigInt(kv.modRevision);
    return type === 'DELETE'
      ? { type: 'delete', key, revision }
      : { type: 'put', key, value: new Uint8Array(kv.value), revision };
  }
}
