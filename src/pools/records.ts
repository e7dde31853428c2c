// What the daemon remembers of a pool: pools/UUID in the store, as JSON. The pool itself knows everything
// else; a record says where its devices are, and what was begun and must be finished after a crash.
import { StoreFailedError } from '../base/control-errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { Store, Versioned } from '../store/types.js';

export const poolsPrefix = 'pools/';

export interface PoolRecord {
  readonly uuid: string;
  readonly name: string;
  readonly paths: readonly string[];
  /** A device that may have joined, or not: the daemon ended while it was added. */
  readonly joining?: string;
  /** The daemon was about to forget this pool. */
  readonly leaving?: 'export' | 'destroy';
  /** ISO 8601: when this daemon first had it. Pools are listed and opened in this order. */
  readonly known: string;
}

export class PoolRecords {
  constructor(readonly store: Store) {}

  async list(): Promise<readonly PoolRecord[]> {
    const { entries } = await this.store.list(poolsPrefix);
    return entries.map(decode).sort((a, b) => (a.known < b.known ? -1 : a.known > b.known ? 1 : 0));
  }

  async put(record: PoolRecord): Promise<void> {
    const value = Buffer.from(JSON.stringify({ version: 1, ...record }));
    await this.store.commit([], [{ type: 'put', key: poolsPrefix + record.uuid, value }]);
  }

  async remove(uuid: string): Promise<void> {
    await this.store.commit([], [{ type: 'delete', key: poolsPrefix + uuid }]);
  }
}

// By hand: a library of schemas would be loaded for it before anything is served.
function decode({ key, value }: Versioned): PoolRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(value).toString('utf8'));
  } catch (cause) {
    throw new StoreFailedError(`read ${key}`, 'is not JSON', { cause });
  }
  const { version, ...record } = parsed as PoolRecord & { readonly version: unknown };
  if (version !== 1 || !isRecord(record)) {
    throw new StoreFailedError(`read ${key}`, 'is of another version');
  }
  return record;
}

function isRecord({ uuid, name, paths, joining, leaving, known }: PoolRecord): boolean {
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  return (
    isText(uuid) &&
    uuidPattern.test(uuid) &&
    isText(name) &&
    isText(known) &&
    Array.isArray(paths) &&
    paths.length > 0 &&
    paths.every(isText) &&
    (joining === undefined || isText(joining)) &&
    (leaving === undefined || leaving === 'export' || leaving === 'destroy')
  );
}
