// The embedded store: LevelDB in a directory that one process has open. The content is read once and then
// served from memory; every commit is one synced batch. A lease does not outlive its process: what was under
// one is deleted at open.
import { ClassicLevel } from 'classic-level';
import { type Clock, systemClock } from '../../base/clock.js';
import { StateDirectoryError } from '../../base/errors.js';
import type { Effect, Entry } from '../key-space.js';
import { type Persistence, RevisionStore } from '../revision-store.js';
import type { Store } from '../types.js';
import {
  addRevisions,
  decodeEntry,
  decodeSummary,
  encodeEntry,
  encodeSummary,
  entryPrefix,
  type Summary,
  summaryKey,
} from './layout.js';

const entriesAtOnce = 1000;
const bytesAtOnce = 1 << 20;

type Database = ClassicLevel<string, Uint8Array>;

interface Content {
  readonly revision: bigint;
  readonly entries: readonly Entry[];
  readonly leased: readonly string[];
}

/** The directory is made if need be. */
export async function openLevelStore(directory: string, clock: Clock = systemClock): Promise<Store> {
  const database: Database = new ClassicLevel(directory, { keyEncoding: 'utf8', valueEncoding: 'view' });
  try {
    await database.open();
  } catch (error) {
    throw openError(directory, (error as Error).cause ?? error);
  }
  try {
    const content = await readContent(database, directory);
    const persistence = new LevelPersistence(database, content);
    const store = new RevisionStore(persistence, clock, content.revision, content.entries);
    await deleteKeys(store, content.leased);
    return store;
  } catch (error) {
    await database.close();
    throw error;
  }
}

class LevelPersistence implements Persistence {
  readonly #revisions: Map<string, bigint>;
  #revisionsSum = 0n;

  constructor(
    readonly database: Database,
    { entries }: Content,
  ) {
    this.#revisions = new Map(entries.map(({ key, revision }) => [key, revision]));
    for (const { revision } of entries) this.#revisionsSum = addRevisions(this.#revisionsSum, revision);
  }

  async write(revision: bigint, effects: readonly Effect[]): Promise<void> {
    // Operation by operation: a list of them takes LevelDB's binding three times as long for each.
    const batch = this.database.batch();
    for (const { key, entry } of effects) {
      this.#count(key, entry?.revision);
      const stored = entryPrefix + key;
      if (entry === undefined) batch.del(stored);
      else batch.put(stored, encodeEntry(entry));
    }
    const summary = { revision, count: BigInt(this.#revisions.size), revisionsSum: this.#revisionsSum };
    batch.put(summaryKey, encodeSummary(summary));
    await batch.write({ sync: true });
  }

  close(): Promise<void> {
    return this.database.close();
  }

  #count(key: string, revision: bigint | undefined): void {
    const before = this.#revisions.get(key) ?? 0n;
    this.#revisionsSum = addRevisions(this.#revisionsSum, (revision ?? 0n) - before);
    if (revision === undefined) this.#revisions.delete(key);
    else this.#revisions.set(key, revision);
  }
}

async function readContent(database: Database, directory: string): Promise<Content> {
  const entries: Entry[] = [];
  const leased: string[] = [];
  let revisionsSum = 0n;
  let summary: Summary = { revision: 0n, count: 0n, revisionsSum: 0n };
  const read = (stored: string, value: Uint8Array) => {
    if (stored === summaryKey) {
      summary = understood(directory, decodeSummary(value));
    } else if (stored.startsWith(entryPrefix)) {
      const record = understood(directory, decodeEntry(stored.slice(entryPrefix.length), value));
      entries.push(record.entry);
      if (record.leased) leased.push(record.entry.key);
      revisionsSum = addRevisions(revisionsSum, record.entry.revision);
    } else {
      throw damaged(directory, `has a foreign key '${stored}'`);
    }
  };
  const iterator = database.iterator({ highWaterMarkBytes: bytesAtOnce });
  try {
    // Many at a time: one by one takes ten times as long, and volumes wait for it.
    for (;;) {
      const some = await iterator.nextv(entriesAtOnce);
      if (some.length === 0) break;
      for (const [stored, value] of some) read(stored, value);
    }
  } catch (error) {
    throw error instanceof StateDirectoryError ? error : openError(directory, error);
  } finally {
    await iterator.close();
  }
  if (summary.count !== BigInt(entries.length) || summary.revisionsSum !== revisionsSum) {
    throw damaged(
      directory,
      `has ${entries.length} entries that are not the ${summary.count} that were written`,
    );
  }
  return { revision: summary.revision, entries, leased };
}

async function deleteKeys(store: Store, keys: readonly string[]): Promise<void> {
  // One by one: there may be more than a commit takes, and nobody watches yet.
  await Promise.all(keys.map((key) => store.commit([], [{ type: 'delete', key }])));
}

function understood<T>(directory: string, decoded: T | string): T {
  if (typeof decoded === 'string') throw damaged(directory, decoded);
  return decoded;
}

function damaged(directory: string, how: string): StateDirectoryError {
  return new StateDirectoryError(directory, `${how}; restore it from a copy, or move it away to begin anew`);
}

function openError(directory: string, cause: unknown): StateDirectoryError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'LEVEL_LOCKED') {
    return new StateDirectoryError(directory, 'another process uses it; give each its own --data', { cause });
  }
  if (code === 'LEVEL_CORRUPTION') return damaged(directory, `is damaged (${message})`);
  return new StateDirectoryError(directory, `cannot be opened (${message})`, { cause });
}
