// The store of the cluster as a node uses it: what is read is of the store that the node knows, and what is
// written is written to that one, or it fails with STORE_RESTORED and nothing was done. Each commit
// compares the key of the lineage, too, so that no store that was put back meanwhile takes it.
import { StoreRestoredError } from '../../base/cluster-errors.js';
import { StoreUnavailableError } from '../../base/control-errors.js';
import type {
  ChangeSet,
  CommitResult,
  Compare,
  Lease,
  Listing,
  Store,
  Versioned,
  Write,
} from '../../store/types.js';
import { eventsPrefix } from '../model/event.js';
import { factsPrefix, lineageKey, lostHostsPrefix, volumeFactsPrefix } from '../model/keys.js';
import type { LineageWatch } from './lineage-watch.js';

/** A store that is opened anew more often meanwhile is not there. */
const attemptsMax = 4;

export class GuardedStore implements Store {
  readonly #store: Store;
  readonly #watch: LineageWatch;
  /** Of the key of the lineage, when it was looked at last. */
  #known: bigint | undefined;

  /** `watch`: over the same store, and started. */
  constructor(store: Store, watch: LineageWatch) {
    this.#store = store;
    this.#watch = watch;
  }

  get(key: string): Promise<Versioned | undefined> {
    return this.#read(() => this.#store.get(key));
  }

  list(prefix: string): Promise<Listing> {
    return this.#read(() => this.#store.list(prefix));
  }

  async commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const known = await this.#usable();
      const guarded = [...compare, { key: lineageKey, revision: known }];
      const result = await this.#watch.read(() => this.#store.commit(guarded, write));
      if (result.ok) {
        this.#watch.seen(result.revision);
        return result;
      }
      // Which of the comparisons failed is told by nobody.
      if ((await this.#check()) === known) return result;
    }
    throw new StoreUnavailableError('commit', 'it is being opened all the time');
  }

  async *watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    await this.#usable();
    const both = AbortSignal.any([signal, this.#watch.usable]);
    const changes = this.#store.watch(prefix, after, both)[Symbol.asyncIterator]();
    try {
      for (;;) {
        this.#watch.throwIfRefused();
        const next = await this.#watch.read(() => changes.next());
        this.#watch.throwIfRefused();
        if (next.done === true) return;
        const keys = next.value.changes.map(({ key }) => key);
        if (keys.includes(lineageKey)) await this.#check();
        if (keys.some(isNews)) this.#watch.noteSoon();
        this.#watch.throwIfRefused();
        yield next.value;
      }
    } finally {
      await changes.return?.();
    }
  }

  async lease(ttlMs: number): Promise<Lease> {
    await this.#usable();
    return this.#watch.read(() => this.#store.lease(ttlMs));
  }

  /** Of what it guards, too. */
  async close(): Promise<void> {
    await this.#watch.close();
    await this.#store.close();
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    this.#watch.throwIfRefused();
    const found = await this.#watch.read(work);
    await this.#check(); // after: it was the right one when it was read
    return found;
  }

  async #usable(): Promise<bigint> {
    this.#watch.throwIfRefused();
    return this.#known ?? this.#check();
  }

  async #check(): Promise<bigint> {
    try {
      this.#known = await this.#watch.check();
      return this.#known;
    } catch (error) {
      if (error instanceof StoreRestoredError) this.#known = undefined; // it will be another one
      throw error;
    }
  }
}

/** Who is in sync, where replicas are: not what is said every second. */
function isNews(key: string): boolean {
  return ![factsPrefix, volumeFactsPrefix, lostHostsPrefix, eventsPrefix].some((prefix) =>
    key.startsWith(prefix),
  );
}
