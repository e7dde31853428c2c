// A Store whose content is in memory and whose commits go through a Persistence: what memory/ and level/ have
// in common. Commits are judged in the order they came, on what those before them will have written; those
// that wait together are made durable by one write, and nothing of them is seen before. When that write
// fails, nobody knows what is on the medium: from then on everything fails with the same error.
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import { StoreFailedError } from '../base/control-errors.js';
import { ClosedError } from '../base/errors.js';
import { checkCommit, checkKey, checkPrefix, checkRevision, checkTtl } from './checks.js';
import { History } from './history.js';
import { type Effect, type Entry, KeySpace, Overlay } from './key-space.js';
import { Leases } from './leases.js';
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
} from './types.js';

const groupCommitsMax = 256;

export interface Persistence {
  /** Resolves when all of it, or fails when perhaps nothing of it, is on stable media. All or nothing. */
  write(revision: bigint, effects: readonly Effect[]): Promise<void>;
  close(): Promise<void>;
}

interface Pending {
  readonly effectsOn: (overlay: Overlay, revision: bigint) => readonly Effect[] | undefined;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

export class RevisionStore implements Store {
  readonly #space: KeySpace;
  readonly #history: History;
  readonly #leases: Leases;
  readonly #queue: Pending[] = [];
  #revision: bigint;
  #draining: Promise<void> | undefined;
  #broken: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    readonly persistence: Persistence,
    clock: Clock,
    revision = 0n,
    entries: Iterable<Entry> = [],
  ) {
    this.#space = KeySpace.of(entries);
    this.#revision = revision;
    this.#history = new History(revision);
    this.#leases = new Leases(clock, (lease) => this.#deleteKeysOf(lease));
  }

  async get(key: string): Promise<Versioned | undefined> {
    checkKey(key);
    this.#checkUsable();
    const entry = this.#space.get(key);
    return entry === undefined ? undefined : copyOf(entry);
  }

  async list(prefix: string): Promise<Listing> {
    checkPrefix(prefix);
    this.#checkUsable();
    return { revision: this.#revision, entries: this.#space.withPrefix(prefix).map(copyOf) };
  }

  async commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult> {
    checkCommit(compare, write);
    this.#checkUsable();
    // The caller may use its arrays again at once.
    const compared = [...compare];
    const written = write.map((one) =>
      one.type === 'put' ? { ...one, value: new Uint8Array(one.value) } : one,
    );
    return this.#enqueue((overlay, revision) => {
      if (compared.some((one) => (overlay.get(one.key)?.revision ?? 0n) !== one.revision)) return undefined;
      for (const one of written)
        if (one.type === 'put' && one.lease !== undefined) this.#leases.check(one.lease);
      return written.flatMap((one) => effectOf(one, overlay, revision));
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
    this.#leases.endAll();
    this.#history.wake();
    await this.#draining;
    await this.persistence.close();
  }

  async *#watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    let cursor = after;
    while (!signal.aborted) {
      this.#checkUsable();
      const set = this.#history.after(cursor);
      if (set === undefined) {
        await this.#history.changed(signal);
        continue;
      }
      cursor = set.revision;
      const changes = set.changes.filter(({ key }) => key.startsWith(prefix));
      if (changes.length > 0) yield { revision: set.revision, changes: changes.map(copyOfChange) };
    }
  }

  #checkUsable(): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#closing !== undefined) throw new ClosedError('the store');
  }

  #enqueue(effectsOn: Pending['effectsOn']): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ effectsOn, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  async #deleteKeysOf(lease: string): Promise<void> {
    await this.#enqueue((overlay) => overlay.keysOfLease(lease).map((key) => ({ key })));
  }

  async #drain(): Promise<void> {
    await setImmediate(); // what is asked in one turn of the event loop becomes one write
    while (this.#queue.length > 0) await this.#commitGroup(this.#queue.splice(0, groupCommitsMax));
    this.#draining = undefined; // in one step with finding the queue empty
  }

  async #commitGroup(group: readonly Pending[]): Promise<void> {
    const overlay = new Overlay(this.#space);
    const sets: { readonly revision: bigint; readonly effects: readonly Effect[] }[] = [];
    const answers: (() => void)[] = [];
    let revision = this.#revision;
    for (const { effectsOn, resolve, reject } of group) {
      try {
        if (this.#broken !== undefined) throw this.#broken;
        const effects = effectsOn(overlay, revision + 1n);
        if (effects !== undefined && effects.length > 0) {
          revision += 1n;
          overlay.apply(effects);
          sets.push({ revision, effects });
        }
        const result = { ok: effects !== undefined, revision };
        answers.push(() => resolve(result));
      } catch (error) {
        answers.push(() => reject(error));
      }
    }
    try {
      if (sets.length > 0) await this.persistence.write(revision, lastOfEachKey(sets));
    } catch (cause) {
      this.#broken = new StoreFailedError('commit', String((cause as Error).message), { cause });
      this.#history.wake();
      for (const { reject } of group) reject(this.#broken);
      return;
    }
    for (const set of sets) {
      this.#space.apply(set.effects);
      this.#revision = set.revision;
      this.#history.push({
        revision: set.revision,
        changes: set.effects.map((effect) => changeOf(effect, set.revision)),
      });
    }
    for (const answer of answers) answer();
  }
}

function effectOf(write: Write, overlay: Overlay, revision: bigint): Effect[] {
  const { key } = write;
  if (write.type === 'delete') return overlay.get(key) === undefined ? [] : [{ key }];
  const { value, lease } = write;
  return [{ key, entry: { key, value, revision, ...(lease !== undefined && { lease }) } }];
}

function lastOfEachKey(sets: readonly { readonly effects: readonly Effect[] }[]): Effect[] {
  const last = new Map<string, Effect>();
  for (const { effects } of sets) for (const effect of effects) last.set(effect.key, effect);
  return [...last.values()];
}

function changeOf({ key, entry }: Effect, revision: bigint): Change {
  return entry === undefined
    ? { type: 'delete', key, revision }
    : { type: 'put', key, value: entry.value, revision };
}

function copyOf({ key, value, revision }: Entry): Versioned {
  return { key, value: new Uint8Array(value), revision };
}

function copyOfChange(change: Change): Change {
  return change.type === 'put' ? { ...change, value: new Uint8Array(change.value) } : change;
}
