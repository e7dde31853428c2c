// The store of another process, over gRPC (proto/store.proto): what an agent has where one controller keeps
// the embedded store. It connects when it is first used, and again whenever it must.
import { setMaxListeners } from 'node:events';
import type { HostPort } from '../../base/address.js';
import { type Clock, systemClock } from '../../base/clock.js';
import { StoreUnavailableError } from '../../base/control-errors.js';
import { ClosedError } from '../../base/errors.js';
import { CallFailure, type ClientTls, type Methods, methodsOf } from '../../rpc/connection.js';
import { RpcEndpoints } from '../../rpc/endpoints.js';
import { checkCommit, checkKey, checkPrefix, checkRevision, checkTtl } from '../checks.js';
import { CommitOrder } from '../commit-order.js';
import { DistantLeases, type LeaseCalls } from '../distant-leases.js';
import { type WatchStep, type WatchStreams, watchOver } from '../distant-watch.js';
import { Lineage } from '../lineage.js';
import type {
  Change,
  ChangeSet,
  CommitResult,
  Compare,
  Lease,
  Listing,
  Store,
  Versioned,
  Write,
} from '../types.js';
import { changeFailed, gap, mayPass, unavailable } from './failures.js';
import type { Entry, Change as SentChange, StoreService } from './messages.js';
import { storeService } from './services.js';

export interface RemoteStoreOptions {
  /** Of the process that has the store open. */
  readonly address: HostPort;
  /** Absent: not encrypted, for loopback. */
  readonly tls?: ClientTls;
  /** Of a call with all its attempts, in milliseconds. Default 4,000. */
  readonly requestMs?: number;
  /** Of one attempt, in milliseconds. Default 1,500. */
  readonly attemptMs?: number;
  readonly clock?: Clock;
}

export class RemoteStore implements Store {
  readonly #endpoints: RpcEndpoints;
  readonly #methods: Methods<StoreService>;
  readonly #leases: DistantLeases;
  readonly #order = new CommitOrder();
  readonly #lineage = new Lineage('the store');
  /** Ends watches, at once. */
  readonly #ending = new AbortController();
  #closing: Promise<void> | undefined;

  constructor({ address, clock = systemClock, ...options }: RemoteStoreOptions) {
    setMaxListeners(0, this.#ending.signal); // one for each watch
    this.#endpoints = new RpcEndpoints({ endpoints: [address], ...options }, { isPassing: mayPass });
    this.#methods = methodsOf<StoreService>(storeService());
    this.#leases = new DistantLeases(this.#leaseCalls(), clock);
  }

  async get(key: string): Promise<Versioned | undefined> {
    checkKey(key);
    this.#checkUsable();
    const { entry } = await this.#told('get', this.#endpoints.read(this.#methods.Get, { key }));
    return entry === null ? undefined : versioned(entry);
  }

  async list(prefix: string): Promise<Listing> {
    checkPrefix(prefix);
    this.#checkUsable();
    const floor = this.#lineage.floor;
    const pages = await this.#told('list', this.#endpoints.readAll(this.#methods.List, { prefix }));
    const [first] = pages;
    if (first === undefined) throw new StoreUnavailableError('list', 'an answer without a revision');
    return {
      revision: this.#known(first.revision, floor),
      entries: pages.flatMap(({ entries }) => entries.map(versioned)),
    };
  }

  async commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    checkCommit(compare, write);
    this.#checkUsable();
    // Encoded at once: the caller may use its arrays again.
    const request = {
      compare: compare.map(({ key, revision }) => ({ key, revision: revision.toString() })),
      write: write.map(sentWrite),
    };
    const leases = write.flatMap((one) => (one.type === 'put' && one.lease !== undefined ? [one.lease] : []));
    const keys = new Set([...compare, ...write].map(({ key }) => key));
    return this.#order.after([...keys], async () => {
      for (const lease of leases) this.#leases.check(lease);
      const floor = this.#lineage.floor;
      try {
        const { ok, revision } = await this.#endpoints.once(this.#methods.Commit, request);
        return { ok, revision: this.#known(revision, floor) };
      } catch (error) {
        throw error instanceof CallFailure ? changeFailed('commit', error, leases[0]) : error;
      }
    });
  }

  watch(prefix: string, after: bigint, signal: AbortSignal): AsyncIterable<ChangeSet> {
    checkPrefix(prefix);
    checkRevision(after);
    return this.#watch(prefix, after, signal);
  }

  async lease(ttlMs: number): Promise<Lease> {
    checkTtl(ttlMs);
    this.#checkUsable();
    return this.#leases.make(ttlMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    await this.#order.idle();
    await this.#leases.endAll();
    this.#endpoints.close();
  }

  async *#watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    if (signal.aborted) return;
    this.#checkUsable();
    let cursor = after;
    const streams: WatchStreams = {
      open: (from, ended) => {
        cursor = from;
        return this.#stream(prefix, from, ended);
      },
      closing: this.#ending.signal,
      failed: (error) => {
        if (!(error instanceof CallFailure)) return error;
        if (error.errorCode === 'STORE_GAP') return gap(cursor, error);
        return mayPass(error) || unavailable('watch', error);
      },
    };
    yield* watchOver(streams, after, signal);
  }

  async *#stream(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<WatchStep> {
    const request = { prefix, after: after.toString() };
    for await (const answer of this.#endpoints.stream(this.#methods.Watch, request, signal)) {
      const revision = BigInt(answer.revision);
      const changes = answer.changes.map((change) => changeOf(change, revision));
      yield changes.length === 0 ? { revision } : { revision, set: { revision, changes } };
    }
  }

  #leaseCalls(): LeaseCalls {
    const { GrantLease, RenewLease, RevokeLease } = this.#methods;
    return {
      grant: async (ttlMs) => (await this.#told('lease', this.#endpoints.read(GrantLease, { ttlMs }))).id,
      renew: async (id) => (await this.#told('renew lease', this.#endpoints.read(RenewLease, { id }))).alive,
      revoke: async (id) => {
        await this.#told('revoke lease', this.#endpoints.read(RevokeLease, { id }));
      },
    };
  }

  async #told<T>(operation: string, call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw error instanceof CallFailure ? unavailable(operation, error) : error;
    }
  }

  #known(revision: string, floor: bigint): bigint {
    return this.#lineage.note({ identity: '', revision: BigInt(revision) }, floor);
  }

  #checkUsable(): void {
    if (this.#closing !== undefined) throw new ClosedError('the store');
    this.#lineage.check();
  }
}

function versioned({ key, value, revision }: Entry): Versioned {
  return { key, value: new Uint8Array(value), revision: BigInt(revision) };
}

function changeOf({ key, deleted, value }: SentChange, revision: bigint): Change {
  return deleted
    ? { type: 'delete', key, revision }
    : { type: 'put', key, value: new Uint8Array(value), revision };
}

function sentWrite(write: Write) {
  if (write.type === 'delete') return { key: write.key, delete: true };
  const { key, value, lease = '' } = write;
  return { key, value: Buffer.from(value), lease };
}
