// A store that is put back to what it was at some moment, as by somebody with a backup: then everybody has to
// come to it anew. What is under a lease is not in a copy, as leases end with the process that has the store.
import type { Clock } from '../../src/base/clock.js';
import { LeaseExpiredError, StoreGapError } from '../../src/base/control-errors.js';
import { factsPrefix, leaderKey, lostHostsPrefix, volumeFactsPrefix } from '../../src/cluster/model/keys.js';
import { RevisionStore } from '../../src/store/revision-store.js';
import type {
  ChangeSet,
  CommitResult,
  Compare,
  Lease,
  Listing,
  Store,
  Versioned,
  Write,
} from '../../src/store/types.js';

export interface StoreCopy {
  readonly revision: bigint;
  readonly entries: readonly Versioned[];
}

export class RestorableStore implements Store {
  #behind: Store;
  #restored = new AbortController();

  constructor(readonly clock: Clock) {
    this.#behind = this.#open({ revision: 0n, entries: [] });
  }

  async copy(): Promise<StoreCopy> {
    const { revision, entries } = await this.#behind.list('');
    const leased = [factsPrefix, volumeFactsPrefix, lostHostsPrefix, leaderKey];
    const isKept = ({ key }: Versioned) => leased.every((prefix) => !key.startsWith(prefix));
    return { revision, entries: entries.filter(isKept) };
  }

  restore(copy: StoreCopy): void {
    this.#behind = this.#open(copy);
    this.#restored.abort();
    this.#restored = new AbortController();
  }

  get(key: string): Promise<Versioned | undefined> {
    return this.#behind.get(key);
  }

  list(prefix: string): Promise<Listing> {
    return this.#behind.list(prefix);
  }

  commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    return this.#behind.commit(compare, write);
  }

  async *watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    const restored = this.#restored.signal;
    yield* this.#behind.watch(prefix, after, AbortSignal.any([signal, restored]));
    if (restored.aborted && !signal.aborted) throw new StoreGapError(after, 'it was restored');
  }

  async lease(ttlMs: number): Promise<Lease> {
    const restored = this.#restored.signal;
    const lease = await this.#behind.lease(ttlMs);
    return {
      id: lease.id,
      ttlMs,
      ended: AbortSignal.any([lease.ended, restored]),
      renew: async () => {
        if (restored.aborted) throw new LeaseExpiredError(lease.id);
        await lease.renew();
      },
      revoke: () => lease.revoke(),
    };
  }

  close(): Promise<void> {
    this.#restored.abort();
    return this.#behind.close();
  }

  #open({ revision, entries }: StoreCopy): Store {
    const nothing = { write: async () => undefined, close: async () => undefined };
    return new RevisionStore(nothing, this.clock, revision, entries);
  }
}
