// A store that this process has open, for others: the service of proto/store.proto, added to an RpcServer by
// src/main. Every watch and every lease of theirs is one of the store, and they are bounded here,
// whoever they are of. A lease does not end with the connection of its holder, but by its time.
import { setImmediate, setTimeout } from 'node:timers/promises';
import { LimitReachedError } from '../../base/control-errors.js';
import type { Handlers } from '../../rpc/handlers.js';
import type { Change, ChangeSet, Lease, Store, Versioned, Write } from '../types.js';
import type { Write as SentWrite, StoreService } from './messages.js';

export interface StoreHandlersLimits {
  readonly watchesMax?: number;
  readonly leasesMax?: number;
}

const pageBytesMax = 1 << 20;
const pageEntriesMax = 1024;
/** Between two messages of a watch. */
const gatherMs = 10;

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
      const end = new AbortController();
      try {
        const changes = store.watch(prefix, BigInt(after), AbortSignal.any([signal, end.signal]));
        yield { commits: [] };
        for await (const some of gathered(changes)) yield { commits: some.map(sentCommit) };
      } finally {
        end.abort(); // it may have been asked for more than was given out
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

/**
 * A message costs more than the commits in it, and each of them is for every node. So the first after a
 * silence is given at once, and what comes in the moment after that together: they stay with the store.
 */
async function* gathered(changes: AsyncIterable<ChangeSet>): AsyncGenerator<readonly ChangeSet[]> {
  const reading = changes[Symbol.asyncIterator]();
  let next = reading.next();
  for (;;) {
    const first = await next;
    if (first.done === true) return;
    const some = [first.value];
    let bytes = bytesOf(first.value);
    const turn = setImmediate(undefined); // what the store has already is told within it
    for (next = reading.next(); bytes < pageBytesMax; next = reading.next()) {
      const found = await Promise.race([next, turn]).catch(() => undefined); // an error is told after these
      if (found === undefined || found.done === true) break;
      some.push(found.value);
      bytes += bytesOf(found.value);
    }
    next.catch(() => undefined); // heard of when it is waited for
    yield some;
    await setTimeout(gatherMs);
  }
}

function bytesOf({ changes }: ChangeSet): number {
  return changes.reduce(
    (sum, one) => sum + one.key.length + (one.type === 'put' ? one.value.byteLength : 0),
    0,
  );
}

function sentCommit({ revision, changes }: ChangeSet) {
  return { revision: revision.toString(), changes: changes.map(sentChange) };
}

function sentChange(change: Change) {
  const { key } = change;
  return change.type === 'delete' ? { key, deleted: true } : { key, value: change.value };
}

function readWrite({ key, delete: deleted, value, lease }: SentWrite): Write {
  if (deleted) return { type: 'delete', key };
  return { type: 'put', key, value: new Uint8Array(value), ...(lease !== '' && { lease }) };
}
