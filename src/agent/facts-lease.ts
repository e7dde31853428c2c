// What a node says is so, in the store under its lease: as long as it is there the node counts as up. Written
// when it has changed, and again under a new lease when the old one ended, as after an outage of the store.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { encodeFacts, type NodeFacts } from '../cluster/model/facts.js';
import { factsKey } from '../cluster/model/keys.js';
import type { Lease, Store } from '../store/types.js';

export interface FactsLeaseOptions {
  readonly store: Pick<Store, 'lease' | 'commit'>;
  /** UUID */
  readonly node: string;
  readonly read: () => Promise<NodeFacts>;
  readonly clock: Clock;
  readonly log: Log;
}

/** After which a node that says nothing counts as lost. */
export const factsTtlMs = 6_000;
/** It is renewed so many times in its time. */
const renewalsCount = 4;
/** Between one look at what is so and the next. */
export const factsPeriodMs = 1_000;
/** What changes together is written together. */
export const factsGatherMs = 50;

export class FactsLease {
  readonly #options: FactsLeaseOptions;
  #lease: Lease | undefined;
  #written: Uint8Array | undefined;
  #working: Promise<void> = Promise.resolve();
  #forget = () => {};
  #forgetRenewal = () => {};
  #warned = false;
  /** Between two writes; not before the first. */
  #isIdle = false;
  #isPoked = false;
  #closed = false;

  constructor(options: FactsLeaseOptions) {
    this.#options = options;
  }

  /** Resolves when the node counts as up, or that was tried. */
  start(): Promise<void> {
    this.#renewLater();
    return this.#turn();
  }

  /** The node counts as gone when it resolves, or a little later when the store is away. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    this.#forgetRenewal();
    await this.#working;
    await this.#lease?.revoke().catch(() => undefined);
  }

  /** Something may have changed that others wait for: they are told sooner. */
  changed(): void {
    if (this.#isPoked) return;
    this.#isPoked = true;
    if (this.#isIdle) this.#wait();
  }

  #turn(): Promise<void> {
    this.#isIdle = false;
    this.#isPoked = false;
    this.#working = this.#write().then(() => {
      this.#isIdle = true;
      this.#wait();
    });
    return this.#working;
  }

  #wait(): void {
    this.#forget();
    if (this.#closed) return;
    const ms = this.#isPoked ? factsGatherMs : factsPeriodMs;
    this.#forget = this.#options.clock.after(ms, () => void this.#turn());
  }

  /** Never fails. */
  async #write(): Promise<void> {
    const { store, node, read, log } = this.#options;
    try {
      const lease = await this.#held();
      const facts = encodeFacts(await read());
      if (this.#written !== undefined && Buffer.compare(this.#written, facts) === 0) return;
      await store.commit([], [{ type: 'put', key: factsKey(node), value: facts, lease: lease.id }]);
      this.#written = facts;
      this.#warned = false;
    } catch (err) {
      if (!this.#warned) log.warn({ room: 'agent', err }, 'the store does not take what is so on this node');
      this.#warned = true;
    }
  }

  /** Beside the writes: of a node with many volumes one may take long, and it is up all the same. */
  #renewLater(): void {
    this.#forgetRenewal = this.#options.clock.after(factsTtlMs / renewalsCount, () => {
      const renewed = this.#lease?.renew().catch(() => undefined); // the next write finds out
      void Promise.resolve(renewed).then(() => {
        if (!this.#closed) this.#renewLater();
      });
    });
  }

  async #held(): Promise<Lease> {
    const lease = this.#lease;
    if (lease !== undefined && !lease.ended.aborted) return lease;
    this.#written = undefined; // it went with the lease
    this.#lease = await this.#options.store.lease(factsTtlMs);
    return this.#lease;
  }
}
