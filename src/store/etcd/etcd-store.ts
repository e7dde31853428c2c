// The store of a cluster of machines: etcd v3, below a prefix. Revisions are those of etcd, which counts the
// commits of everybody: of ours each is above the one before it, and not always by one.
import { type Clock, systemClock } from '../../base/clock.js';
import { LeaseExpiredError } from '../../base/control-errors.js';
import { CallFailure } from '../../rpc/connection.js';
import type { Sent } from '../../rpc/handlers.js';
import { checkKey, checkPrefix } from '../checks.js';
import { DistantLeases } from '../distant-leases.js';
import { DistantStore, type SendCommit } from '../distant-store.js';
import type { WatchStreams } from '../distant-watch.js';
import { Lineage, type StoreMark } from '../lineage.js';
import type { Compare, Listing, Store, Versioned, Write } from '../types.js';
import { EtcdEndpoints, type EtcdEndpointsOptions } from './endpoints.js';
import { changeFailed, isCompacted, isLeaseUnknown, told, unavailable } from './failures.js';
import { EtcdKeys } from './keys.js';
import { etcdLeases } from './leases.js';
import { markOf } from './mark.js';
import type { KeyValue, RangeRequest, RequestOp, TxnRequest, TxnResponse } from './messages.js';
import { etcdServices } from './services.js';
import { etcdWatch } from './watch.js';

export interface EtcdStoreOptions extends EtcdEndpointsOptions {
  /** Of all keys; other users of the same etcd have another one. 1 to 128 printable ASCII characters. */
  readonly prefix: string;
  /** How far it was when it was used last: an etcd that is behind is refused with STORE_FAILED. */
  readonly mark?: StoreMark;
  /** How long the first answer may take, in milliseconds. Default: as long as any. */
  readonly openMs?: number;
  readonly clock?: Clock;
}

export interface EtcdStore extends Store {
  /** How far it is, to be kept for the next start. */
  readonly mark: StoreMark | undefined;
}

interface Transaction extends Sent<TxnRequest> {
  readonly success: readonly Sent<RequestOp>[];
}

interface Page {
  readonly revision: bigint;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

const pageEntriesMax = 512;
const listAttemptsMax = 5;

/** Fails with STORE_UNAVAILABLE where no member answers, with STORE_FAILED where it is not what it was. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const store = new EtcdStoreClient(options);
  try {
    await store.revision(options.openMs);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class EtcdStoreClient extends DistantStore implements EtcdStore {
  readonly #keys: EtcdKeys;
  readonly #endpoints: EtcdEndpoints;

  constructor({ prefix, mark, openMs: _openMs, clock = systemClock, ...options }: EtcdStoreOptions) {
    const keys = new EtcdKeys(prefix);
    const endpoints = new EtcdEndpoints(options);
    super(new Lineage('etcd cluster', mark), new DistantLeases(etcdLeases(endpoints), clock));
    this.#keys = keys;
    this.#endpoints = endpoints;
  }

  get mark(): StoreMark | undefined {
    return this.lineage.mark;
  }

  async revision(requestMs?: number): Promise<bigint> {
    const { key } = this.#keys.range('');
    return (await told('read', this.#range({ key, keysOnly: true }, requestMs))).revision;
  }

  async get(key: string): Promise<Versioned | undefined> {
    checkKey(key);
    this.checkUsable();
    const { kvs } = await told('get', this.#range({ key: this.#keys.encode(key) }));
    return kvs[0] === undefined ? undefined : this.#versioned(kvs[0]);
  }

  async list(prefix: string): Promise<Listing> {
    checkPrefix(prefix);
    this.checkUsable();
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await this.#list(prefix);
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        // What the first page was of is gone before the last page was read: once more, as it is now.
        if (!isCompacted(error) || attempts >= listAttemptsMax) throw unavailable('list', error);
      }
    }
  }

  protected encodeCommit(compare: readonly Compare[], write: readonly Write[]): SendCommit {
    const request = {
      compare: compare.map(({ key, revision }) => ({
        result: 'EQUAL' as const,
        target: 'MOD' as const,
        key: this.#keys.encode(key),
        modRevision: revision.toString(),
      })),
      success: write.map((one) => this.#operation(one)),
    };
    return async (leases) => {
      const floor = this.lineage.floor;
      const { header, succeeded } = await this.#transaction(request, leases);
      return { ok: succeeded, revision: this.lineage.note(markOf(header), floor) };
    };
  }

  protected watchStreams(prefix: string, closing: AbortSignal): WatchStreams {
    const [endpoints, keys, lineage] = [this.#endpoints, this.#keys, this.lineage];
    return etcdWatch({ endpoints, keys, lineage, closing, revision: () => this.revision() }, prefix);
  }

  protected disconnect(): void {
    this.#endpoints.close();
  }

  /** All of one revision, in pages that are as small as their values are large. */
  async #list(prefix: string): Promise<Listing> {
    const { key: first, rangeEnd } = this.#keys.range(prefix);
    const entries: Versioned[] = [];
    let key: Uint8Array = first;
    let limit = pageEntriesMax;
    let revision = 0n;
    for (;;) {
      const request = { key, rangeEnd, limit: String(limit), revision: revision.toString() };
      let page: Page;
      try {
        page = await this.#range(request);
      } catch (error) {
        const tooLarge = error instanceof CallFailure && error.status === 'RESOURCE_EXHAUSTED';
        if (!tooLarge || limit === 1) throw error;
        limit = Math.ceil(limit / 4);
        continue;
      }
      if (revision === 0n) revision = page.revision;
      entries.push(...page.kvs.map((kv) => this.#versioned(kv)));
      const last = entries.at(-1);
      if (!page.more || last === undefined) return { revision, entries };
      key = this.#keys.next(last.key);
    }
  }

  async #range(request: Sent<RangeRequest>, requestMs?: number): Promise<Page> {
    const floor = this.lineage.floor;
    const { header, kvs, more } = await this.#endpoints.read(etcdServices().kv.Range, request, requestMs);
    return { revision: this.lineage.note(markOf(header), floor), kvs, more };
  }

  async #transaction(request: Transaction, leases: readonly string[]): Promise<TxnResponse> {
    const { Txn } = etcdServices().kv;
    if (request.success.length === 0) {
      // Without a read that asks the quorum, etcd would judge the comparisons by what one member knows.
      const { key } = this.#keys.range('');
      const success = [{ requestRange: { key, keysOnly: true } }];
      return told('commit', this.#endpoints.read(Txn, { ...request, success }));
    }
    try {
      return await this.#endpoints.once(Txn, request);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      const [lease] = leases;
      if (lease !== undefined && isLeaseUnknown(error)) throw new LeaseExpiredError(lease);
      throw changeFailed('commit', error);
    }
  }

  #operation(write: Write): Sent<RequestOp> {
    const key = this.#keys.encode(write.key);
    if (write.type === 'delete') return { requestDeleteRange: { key } };
    const { value, lease } = write;
    return { requestPut: { key, value: Buffer.from(value), ...(lease !== undefined && { lease }) } };
  }

  #versioned({ key, value, modRevision }: KeyValue): Versioned {
    return {
      key: this.#keys.decode(key),
      value: new Uint8Array(value),
      revision: BigInt(modRevision),
    };
  }
}
