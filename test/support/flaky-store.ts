// A store as one client of several sees it over a network that a test breaks: calls fail or wait, answers get
// lost, its leases have an end of their own. The store itself is one, behind all of them.
import type { Clock } from '../../src/base/clock.js';
import { StoreInDoubtError, StoreUnavailableError } from '../../src/base/control-errors.js';
import { CommitOrder } from '../../src/store/commit-order.js';
import { DistantLeases } from '../../src/store/distant-leases.js';
import { type WatchStep, watchOver } from '../../src/store/distant-watch.js';
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

/** up; down: nothing arrives; deaf: calls arrive, and no answer comes back. */
export type Link = 'up' | 'down' | 'deaf';

export class FlakyStore implements Store {
  readonly #leases: DistantLeases;
  readonly #held = new Map<string, Lease>();
  readonly #order = new CommitOrder();
  readonly #closing = new AbortController();
  #link: Link = 'up';
  #broken = new AbortController();

  constructor(
    readonly behind: Store,
    readonly clock: Clock,
  ) {
    this.#leases = new DistantLeases(
      {
        grant: (ttlMs) =>
          this.#call('lease', async () => {
            const lease = await behind.lease(ttlMs);
            this.#held.set(lease.id, lease);
            return lease.id;
          }),
        renew: (id) =>
          this.#call('renew', async () => {
            const lease = this.#held.get(id);
            if (lease === undefined || lease.ended.aborted) return false;
            await lease.renew();
            return true;
          }),
        revoke: (id) => this.#call('revoke', async () => void (await this.#held.get(id)?.revoke())),
      },
      clock,
    );
  }

  get link(): Link {
    return this.#link;
  }

  set link(link: Link) {
    this.#link = link;
    if (link === 'up') return;
    this.#broken.abort();
    this.#broken = new AbortController();
  }

  get(key: string): Promise<Versioned | undefined> {
    return this.#call('get', () => this.behind.get(key));
  }

  list(prefix: string): Promise<Listing> {
    return this.#call('list', () => this.behind.list(prefix));
  }

  commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    const writes = write.map(({ key }) => key);
    const compares = compare.map(({ key }) => key).filter((key) => !writes.includes(key));
    const work = async () => {
      for (const one of write) {
        if (one.type === 'put' && one.lease !== undefined) this.#leases.check(one.lease);
      }
      return this.#call('commit', () => this.behind.commit(compare, write), true);
    };
    return this.#order.after(writes, work, compares);
  }

  watch(prefix: string, after: bigint, signal: AbortSignal): AsyncIterable<ChangeSet> {
    const streams = {
      open: (from: bigint, ended: AbortSignal) => this.#stream(prefix, from, ended),
      failed: (error: unknown) => (error instanceof StoreUnavailableError ? true : error),
      closing: this.#closing.signal,
    };
    return watchOver(streams, after, signal, this.clock);
  }

  lease(ttlMs: number): Promise<Lease> {
    return this.#leases.make(ttlMs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#leases.endAll();
  }

  async *#stream(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<WatchStep> {
    for await (const set of this.changes(prefix, after, signal)) yield { revision: set.revision, set };
  }

  /** Until the link breaks, or the signal aborts. */
  protected async *changes(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    if (this.#link !== 'up') {
      await this.pass();
      throw new StoreUnavailableError('watch', 'the link is down');
    }
    const both = AbortSignal.any([signal, this.#broken.signal]);
    for await (const set of this.behind.watch(prefix, after, both)) {
      await this.pass();
      yield set;
    }
    if (!signal.aborted) throw new StoreUnavailableError('watch', 'the link broke');
  }

  /** One way over the network: what takes time takes it here. */
  protected async pass(): Promise<void> {}

  async #call<T>(operation: string, work: () => Promise<T>, change = false): Promise<T> {
    await this.pass();
    if (this.#link === 'down') throw new StoreUnavailableError(operation, 'the link is down');
    const result = await work();
    await this.pass();
    if (this.#link === 'up') return result;
    if (change) throw new StoreInDoubtError(operation, 'the link broke');
    throw new StoreUnavailableError(operation, 'the link broke');
  }
}
