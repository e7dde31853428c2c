// What stores that are reached over a network have in common: commits in the order of their keys, leases with
// an end of their own here, watches over as many streams as it takes, and an orderly end.
import { setMaxListeners } from 'node:events';
import { StoreGapError } from '../base/control-errors.js';
import { ClosedError } from '../base/errors.js';
import { checkCommit, checkPrefix, checkRevision, checkTtl } from './checks.js';
import { CommitOrder } from './commit-order.js';
import type { DistantLeases } from './distant-leases.js';
import { type WatchStreams, watchOver } from './distant-watch.js';
import type { Lineage } from './lineage.js';
import type { ChangeSet, CommitResult, Compare, Lease, Listing, Store, Versioned, Write } from './types.js';

/** Sends a commit, once; `leases`: those it writes under, which are alive here. */
export type SendCommit = (leases: readonly string[]) => Promise<CommitResult>;

export abstract class DistantStore implements Store {
  readonly #leases: DistantLeases;
  readonly #order = new CommitOrder();
  /** Ends watches, at once. */
  readonly #ending = new AbortController();
  /** Of what it is taken for now: ends its watches, with STORE_GAP. */
  #history = newHistory();
  #closing: Promise<void> | undefined;

  protected constructor(
    protected readonly lineage: Lineage,
    leases: DistantLeases,
  ) {
    setMaxListeners(0, this.#ending.signal); // one for each watch
    this.#leases = leases;
  }

  abstract get(key: string): Promise<Versioned | undefined>;
  abstract list(prefix: string): Promise<Listing>;

  async commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    checkCommit(compare, write);
    this.checkUsable();
    // Encoded at once: the caller may use its arrays again.
    const send = this.encodeCommit(compare, write);
    const leases = write.flatMap((one) => (one.type === 'put' && one.lease !== undefined ? [one.lease] : []));
    const writes = write.map(({ key }) => key);
    const compares = compare.map(({ key }) => key).filter((key) => !writes.includes(key));
    const work = async () => {
      for (const lease of leases) this.#leases.check(lease);
      return send(leases);
    };
    return this.#order.after(writes, work, compares);
  }

  watch(prefix: string, after: bigint, signal: AbortSignal): AsyncIterable<ChangeSet> {
    checkPrefix(prefix);
    checkRevision(after);
    return this.#watch(prefix, after, signal);
  }

  async lease(ttlMs: number): Promise<Lease> {
    checkTtl(ttlMs);
    this.checkUsable();
    return this.#leases.make(ttlMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * It is taken for what it is from now on, whatever it was before. For who has found out, by other means
   * than its revisions, whether it is to be trusted. Watches end with STORE_GAP: what they go on from may
   * never have been in this one.
   */
  forgetLineage(): void {
    this.lineage.forget();
    this.#history.abort();
    this.#history = newHistory();
  }

  protected abstract encodeCommit(compare: readonly Compare[], write: readonly Write[]): SendCommit;
  /** Of one watch. */
  protected abstract watchStreams(prefix: string, closing: AbortSignal): WatchStreams;
  /** Nothing is asked any more. */
  protected abstract disconnect(): void;

  protected checkUsable(): void {
    if (this.#closing !== undefined) throw new ClosedError('the store');
    this.lineage.check();
  }

  async *#watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    if (signal.aborted) return;
    this.checkUsable();
    const history = this.#history.signal;
    const streams = this.watchStreams(prefix, this.#ending.signal);
    yield* watchOver(streams, after, AbortSignal.any([signal, history]));
    if (history.aborted && !signal.aborted) throw new StoreGapError(after, 'it may be another store now');
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    await this.#order.idle();
    await this.#leases.endAll();
    this.disconnect();
  }
}

function newHistory(): AbortController {
  const history = new AbortController();
  setMaxListeners(0, history.signal); // one for each watch
  return history;
}
