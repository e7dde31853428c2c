// The store as one process sees it over a network that breaks: calls take their time, fail, or their answer
// is lost. The store itself is one, behind all links.
import { StoreInDoubtError, StoreUnavailableError } from '../../../src/base/control-errors.js';
import { CommitOrder } from '../../../src/store/commit-order.js';
import { DistantLeases } from '../../../src/store/distant-leases.js';
import type {
  ChangeSet,
  CommitResult,
  Compare,
  Lease,
  Listing,
  Store,
  Versioned,
  Write,
} from '../../../src/store/types.js';
import type { Random } from '../../support/random.js';
import type { ProcessClock } from './sim-clock.js';

/** down: nothing arrives. deaf: calls arrive, and no answer comes back. */
export type LinkState = 'up' | 'down' | 'deaf';

export class StoreLink implements Store {
  readonly #order = new CommitOrder();
  readonly #held = new Map<string, Lease>();
  readonly #leases: DistantLeases;
  #state: LinkState = 'up';
  #broken = new AbortController();
  /** Of a hundred calls so many take seconds. */
  slowPercent = 0;

  constructor(
    readonly behind: Store,
    readonly clock: ProcessClock,
    readonly random: Random,
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

  get state(): LinkState {
    return this.#state;
  }

  set state(state: LinkState) {
    this.#state = state;
    if (state === 'up') return;
    this.#broken.abort();
    this.#broken = new AbortController();
  }

  /** Its process is gone: its watches end, its leases by their time. */
  cut(): void {
    this.state = 'down';
  }

  get(key: string): Promise<Versioned | undefined> {
    return this.#call('get', () => this.behind.get(key));
  }

  list(prefix: string): Promise<Listing> {
    return this.#call('list', () => this.behind.list(prefix));
  }

  commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    const keys = new Set([...compare, ...write].map(({ key }) => key));
    return this.#order.after([...keys], async () => {
      for (const one of write) {
        if (one.type === 'put' && one.lease !== undefined) this.#leases.check(one.lease);
      }
      return this.#call('commit', () => this.behind.commit(compare, write), true);
    });
  }

  async *watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    if (this.#state !== 'up') {
      await this.#pass();
      throw new StoreUnavailableError('watch', 'the link is down');
    }
    const both = AbortSignal.any([signal, this.#broken.signal]);
    for await (const set of this.behind.watch(prefix, after, both)) {
      await this.#pass();
      yield set;
    }
    if (!signal.aborted) throw new StoreUnavailableError('watch', 'the link broke');
  }

  lease(ttlMs: number): Promise<Lease> {
    return this.#leases.make(ttlMs);
  }

  async close(): Promise<void> {
    await this.#leases.endAll();
  }

  async #call<T>(operation: string, work: () => Promise<T>, isChange = false): Promise<T> {
    await this.#pass();
    if (this.#state === 'down') {
      throw new StoreUnavailableError(operation, 'the link is down');
    }
    const result = await work();
    await this.#pass();
    if (this.#state === 'up') return result;
    if (isChange) throw new StoreInDoubtError(operation, 'the link broke');
    throw new StoreUnavailableError(operation, 'the link broke');
  }

  /** One way; of a process that is gone for ever. */
  #pass(): Promise<void> {
    const isSlow = this.random.below(100) < this.slowPercent;
    return this.clock.sleep(isSlow ? 200 + this.random.below(6_000) : 1 + this.random.below(3));
  }
}
