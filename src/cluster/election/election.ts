// Which of several controllers decides: whoever has the key of the leader in the store, under a lease. The
// others watch that key and try when it is gone. A leader that cannot renew its lease stops before the store
// lets go of the key, so at most one believes that it leads; and because a thought may be slow where a clock
// is not, every commit of a leader carries a comparison that fails once another one led.
import { randomUUID } from 'node:crypto';
import { type Clock, pause, systemClock } from '../../base/clock.js';
import { StoreGapError, StoreInDoubtError } from '../../base/control-errors.js';
import type { Log } from '../../base/log.js';
import type { Compare, Lease, Store } from '../../store/types.js';
import { leaderKey } from '../model/keys.js';
import { encodeRecord, RecordReader } from '../model/record-reader.js';
import { namePattern } from '../model/words.js';

/** The time in which one controller leads. */
export interface Term {
  /** Aborts when another one may lead, or this election is closed. */
  readonly signal: AbortSignal;
  /** To be among the comparisons of every commit that only a leader may make. */
  readonly guard: Compare;
}

export interface ElectionOptions {
  readonly store: Store;
  /** UUID of this controller. */
  readonly id: string;
  /** For people: of its machine. */
  readonly name: string;
  /**
   * Called at the beginning of a term. It ends when this resolves or fails, and must soon after its signal
   * has aborted: only then is the next term sought.
   */
  readonly lead: (term: Term) => Promise<void>;
  readonly log: Log;
  readonly clock?: Clock;
  /** After which a leader that is silent is followed by another, in milliseconds. Default 10,000. */
  readonly ttlMs?: number;
}

export interface Leader {
  readonly id: string;
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

const version = 1;
const ttlMsDefault = 10_000;
/** A lease is renewed so many times in its time. */
const renewalsCount = 4;
const retryMs = 1_000;

export class Election {
  readonly #options: ElectionOptions;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#ttlMs = options.ttlMs ?? ttlMsDefault;
  }

  /** Takes part from now on. Once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives up a term, so that another one begins at once; resolves when `lead` has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#vacant();
        // Not at once again, where a term ended by itself.
        if (!signal.aborted && (await this.#seek())) await pause(this.#clock, retryMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn(
          { room: 'cluster', err: error },
          'no leader can be found out now; trying again',
        );
        await pause(this.#clock, retryMs, signal);
      }
    }
  }

  /** Resolves when nobody has the key, or at the end. */
  async #vacant(): Promise<void> {
    const { store } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const { revision, entries } = await store.list(leaderKey);
      if (entries.every(({ key }) => key !== leaderKey)) return;
      try {
        for await (const { changes } of store.watch(leaderKey, revision, signal)) {
          if (changes.some((change) => change.key === leaderKey && change.type === 'delete')) return;
        }
      } catch (error) {
        if (!(error instanceof StoreGapError)) throw error; // what was missed is seen by looking again
      }
    }
  }

  /** Leads, if it is the first to take the key. True: its term ended by itself. */
  async #seek(): Promise<boolean> {
    const { store, log } = this.#options;
    const lease = await store.lease(this.#ttlMs);
    try {
      const guard = await this.#take(lease);
      if (guard === undefined) return false;
      log.info({ room: 'cluster' }, 'this controller leads');
      return await this.#lead(lease, guard);
    } finally {
      // Where it cannot be told, the store ends it by its time.
      await lease.revoke().catch(() => undefined);
    }
  }

  /** Undefined: another one was faster. */
  async #take(lease: Lease): Promise<Compare | undefined> {
    const { store, id, name } = this.#options;
    const token = randomUUID();
    const since = this.#clock.date().toISOString();
    const value = encodeRecord(version, { id, name, since, token });
    try {
      const { ok, revision } = await store.commit(
        [{ key: leaderKey, revision: 0n }],
        [{ type: 'put', key: leaderKey, value, lease: lease.id }],
      );
      return ok ? { key: leaderKey, revision } : undefined;
    } catch (error) {
      if (!(error instanceof StoreInDoubtError)) throw error;
      // If it comes still later, it is gone with the lease, which is given up.
      const found = await store.get(leaderKey);
      const mine = found !== undefined && decode(found.value).token === token;
      return mine ? { key: leaderKey, revision: found.revision } : undefined;
    }
  }

  async #lead(lease: Lease, guard: Compare): Promise<boolean> {
    const { lead, log } = this.#options;
    const done = new AbortController();
    const signal = AbortSignal.any([lease.ended, this.#closing.signal]);
    const renewing = this.#renew(lease, AbortSignal.any([signal, done.signal]));
    try {
      if (!signal.aborted) await lead({ signal, guard });
    } catch (error) {
      if (!signal.aborted) log.error({ room: 'cluster', err: error }, 'what a leader does has failed');
    } finally {
      done.abort();
      await renewing;
      log.info({ room: 'cluster' }, 'this controller does not lead any more');
    }
    return !signal.aborted;
  }

  async #renew(lease: Lease, signal: AbortSignal): Promise<void> {
    const everyMs = this.#ttlMs / renewalsCount;
    for (;;) {
      await pause(this.#clock, everyMs, signal);
      if (signal.aborted) return;
      await lease.renew().catch((error: unknown) => {
        this.#options.log.warn(
          { room: 'cluster', err: error },
          'the lease of the leader could not be renewed',
        );
      });
    }
  }
}

/** Who leads; undefined: nobody does at the moment. */
export async function currentLeader(store: Store): Promise<Leader | undefined> {
  const found = await store.get(leaderKey);
  if (found === undefined) return undefined;
  const { token: _token, ...leader } = decode(found.value);
  return leader;
}

function decode(value: Uint8Array): Leader & { readonly token: string } {
  const reader = RecordReader.of(leaderKey, value, version);
  const leader = {
    id: reader.uuid('id'),
    name: reader.text('name', namePattern),
    since: reader.time('since'),
    token: reader.uuid('token'),
  };
  reader.end();
  return leader;
}
