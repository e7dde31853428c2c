// The store of another process, over gRPC (proto/store.proto): what an agent has where one controller keeps
// the embedded store. It connects when it is first used, and again whenever it must.
import type { HostPort } from '../../base/address.js';
import { type Clock, systemClock } from '../../base/clock.js';
import { StoreUnavailableError } from '../../base/control-errors.js';
import { CallFailure, type ClientTls, type Methods, methodsOf } from '../../rpc/connection.js';
import { RpcEndpoints } from '../../rpc/endpoints.js';
import { checkKey, checkPrefix } from '../checks.js';
import { DistantLeases, type LeaseCalls } from '../distant-leases.js';
import { DistantStore, type SendCommit } from '../distant-store.js';
import type { WatchStep, WatchStreams } from '../distant-watch.js';
import { Lineage } from '../lineage.js';
import type { Change, Compare, Listing, Versioned, Write } from '../types.js';
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

export class RemoteStore extends DistantStore {
  readonly #endpoints: RpcEndpoints;
  readonly #methods: Methods<StoreService>;

  constructor({ address, clock = systemClock, ...options }: RemoteStoreOptions) {
    const endpoints = new RpcEndpoints({ endpoints: [address], ...options }, { isPassing: mayPass });
    const methods = methodsOf<StoreService>(storeService());
    super(new Lineage('the store'), new DistantLeases(leaseCalls(endpoints, methods), clock));
    this.#endpoints = endpoints;
    this.#methods = methods;
  }

  async get(key: string): Promise<Versioned | undefined> {
    checkKey(key);
    this.checkUsable();
    const { entry } = await told('get', this.#endpoints.read(this.#methods.Get, { key }));
    return entry === null ? undefined : versioned(entry);
  }

  async list(prefix: string): Promise<Listing> {
    checkPrefix(prefix);
    this.checkUsable();
    const floor = this.lineage.floor;
    const pages = await told('list', this.#endpoints.readAll(this.#methods.List, { prefix }));
    const [first] = pages;
    if (first === undefined) throw new StoreUnavailableError('list', 'an answer without a revision');
    return {
      revision: this.#known(first.revision, floor),
      entries: pages.flatMap(({ entries }) => entries.map(versioned)),
    };
  }

  /** Another certificate of this process, for what is asked from now on. */
  useTls(tls: ClientTls): void {
    this.#endpoints.useTls(tls);
  }

  protected encodeCommit(compare: readonly Compare[], write: readonly Write[]): SendCommit {
    const request = {
      compare: compare.map(({ key, revision }) => ({ key, revision: revision.toString() })),
      write: write.map(sentWrite),
    };
    return async ([lease]) => {
      const floor = this.lineage.floor;
      try {
        const { ok, revision } = await this.#endpoints.once(this.#methods.Commit, request);
        return { ok, revision: this.#known(revision, floor) };
      } catch (error) {
        throw error instanceof CallFailure ? changeFailed('commit', error, lease) : error;
      }
    };
  }

  protected watchStreams(prefix: string, closing: AbortSignal): WatchStreams {
    let cursor = 0n;
    return {
      open: (from, ended) => {
        cursor = from;
        return this.#stream(prefix, from, ended);
      },
      closing,
      failed: (error) => {
        if (!(error instanceof CallFailure)) return error;
        if (error.errorCode === 'STORE_GAP') return gap(cursor, error);
        return mayPass(error) || unavailable('watch', error);
      },
    };
  }

  protected disconnect(): void {
    this.#endpoints.close();
  }

  async *#stream(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<WatchStep> {
    const request = { prefix, after: after.toString() };
    for await (const { commits } of this.#endpoints.stream(this.#methods.Watch, request, signal)) {
      if (commits.length === 0) yield { revision: after };
      for (const commit of commits) {
        const revision = BigInt(commit.revision);
        const changes = commit.changes.map((change) => changeOf(change, revision));
        yield { revision, set: { revision, changes } };
      }
    }
  }

  #known(revision: string, floor: bigint): bigint {
    return this.lineage.note({ identity: '', revision: BigInt(revision) }, floor);
  }
}

function leaseCalls(endpoints: RpcEndpoints, methods: Methods<StoreService>): LeaseCalls {
  const { GrantLease, RenewLease, RevokeLease } = methods;
  return {
    grant: async (ttlMs) => (await told('lease', endpoints.read(GrantLease, { ttlMs }))).id,
    renew: async (id) => (await told('renew lease', endpoints.read(RenewLease, { id }))).alive,
    revoke: async (id) => {
      await told('revoke lease', endpoints.read(RevokeLease, { id }));
    },
  };
}

async function told<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof CallFailure ? unavailable(operation, error) : error;
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
