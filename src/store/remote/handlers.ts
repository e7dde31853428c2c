// A store that this process has open, for others: the service of proto/store.proto, added to an RpcServer by
// src/main. Every watch and every lease of theirs is one of the store, and they are bounded here,
// whoever they are of. A lease does not end with the connection of its holder, but by its time.
import { LimitReachedError } from '../../base/control-errors.js';
import type { Handlers } from '../../rpc/handlers.js';
import type { Change, Lease, Store, Versioned, Write } from '../types.js';
import type { Write as SentWrite, StoreService } from './messages.js';

export interface StoreHandlersLimits {
  readonly watchesMax?: number;
  readonly leasesMax?: number;
}

const pageBytesMax = 1 << 20;
const pageEntriesMax = 1024;

/** What an RpcServer has to know of them. Values are not logged: they hold hashes of tokens, wrapped keys. */
export const storeObservation = {
  hidden: new Set(['value']) as ReadonlySet<string>,
  changes: () => false,
  endless: (method: string) => method === 'Watch',
};

export function storeHandlers(store: Store, limits: StoreHandlersLimits = {}): Handlers<StoreService> {
  const { watchesMax = 4096, leasesMax = 4096 } = limits;
  const leases = new Map<string, Lease>();
  let watches = 0;
  return {
    Get: async ({ key }) => {
      const found = await store.get(key);
      return { entry: found === undefined ? null : sentEntry(found) };
    },

    List: async function* ({ prefix }) {
      const { revision, entries } = await store.list(prefix);
      for (const page of pagesOf(entries))
        yield { revision: revision.toString(), entries: page.map(sentEntry) };
    },

    Commit: async ({ compare, write }) => {
      const compared = compare.map(({ key, revision }) => ({ key, revision: BigInt(revision) }));
      const { ok, revision } = await store.commit(compared, write.map(readWrite));
      return { ok, revision: revision.toString() };
    },

    Watch: async function* ({ prefix, after }, { signal }) {
      if (watches >= watchesMax) throw new LimitReachedError('watches of a store', watchesMax);
      watches += 1;
      try {
        const changes = store.watch(prefix, BigInt(after), signal);
        yield { revision: after, changes: [] };
        for await (const { revision, changes: all } of changes) {
          yield { revision: revision.toString(), changes: all.map(sentChange) };
        }
      } finally {
        watches -= 1;
      }
    },

    GrantLease: async ({ ttlMs }) => {
      if (leases.size >= leasesMax) throw new LimitReachedError('leases of a store', leasesMax);
      const lease = await store.lease(ttlMs);
      leases.set(lease.id, lease);
      lease.ended.addEventListener('abort', () => leases.delete(lease.id));
      return { id: lease.id };
    },

    RenewLease: async ({ id }) => {
      const lease = leases.get(id);
      await lease?.renew().catch((error: unknown) => {
        if (!lease.ended.aborted) throw error;
      });
      return { alive: lease !== undefined && !lease.ended.aborted };
    },

    RevokeLease: async ({ id }) => {
      await leases.get(id)?.revoke();
      return {};
    },
  };
}

function* pagesOf(entries: readonly Versioned[]): Generator<readonly Versioned[]> {
  let page: Versioned[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.key.length + entry.value.byteLength;
    if (page.length > 0 && (bytes + size > pageBytesMax || page.length >= pageEntriesMax)) {
      yield page;
      page = [];
      bytes = 0;
    }
    page.push(entry);
    bytes += size;
  }
  yield page; // also of an empty list: it says of which revision
}

function sentEntry({ key, value, revision }: Versioned) {
  return { key, value, revision: revision.toString() };
}

function sentChange(change: Change) {
  const { key } = change;
  return change.type === 'delete' ? { key, deleted: true } : { key, value: change.value };
}

function readWrite({ key, delete: deleted, value, lease }: SentWrite): Write {
  if (deleted) return { type: 'delete', key };
  return { type: 'put', key, value: new Uint8Array(value), ...(lease !== '' && { lease }) };
}
