// The contract over both stores of one process, and what is only of the core below them: its history, and a
// medium that fails.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { historyCommitsMax } from '../../../src/store/history.js';
import type { Effect } from '../../../src/store/key-space.js';
import { openLevelStore } from '../../../src/store/level/level-store.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import { RevisionStore } from '../../../src/store/revision-store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { content, put, storeContract, take } from './contract.js';

let directory: string;
let opened = 0;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ballast-store-'));
});
afterEach(() => rm(directory, { recursive: true }));

storeContract('the memory store', async (clock) => openMemoryStore(clock));
storeContract('the level store', (clock) => {
  opened += 1;
  return openLevelStore(join(directory, `store${opened}`), clock);
});

describe('the history of a store in memory', () => {
  it('ends for a watcher that is too slow, and is kept as far as it says', async () => {
    const store = openMemoryStore(new FakeClock());
    const { signal } = new AbortController();
    const gap = expect.objectContaining({ code: 'STORE_GAP' });
    const slow = store.watch('', 0n, signal)[Symbol.asyncIterator]();
    const first = slow.next();
    await store.commit([], [put('a', 'first')]);
    expect((await first).value.revision).toBe(1n);
    const commits = Array.from({ length: historyCommitsMax + 1 }, (_, index) =>
      store.commit([], [put('a', String(index))]),
    );
    await Promise.all(commits);
    await expect(slow.next()).rejects.toThrow(gap);
    await expect(take(store.watch('', 1n, signal), 1)).rejects.toThrow(gap);
    expect(await take(store.watch('', 2n, signal), 1)).toMatchObject([{ revision: 3n }]);
    await store.close();
  });
});

describe('a store above a medium', () => {
  /** Writes wait until they are let through, or made to fail. */
  class HeldMedium {
    readonly writes: { keys: string[]; end: (error?: Error) => void }[] = [];
    write(_revision: bigint, effects: readonly Effect[]): Promise<void> {
      return new Promise((resolve, reject) => {
        const end = (error?: Error) => (error === undefined ? resolve() : reject(error));
        this.writes.push({ keys: effects.map(({ key }) => key), end });
      });
    }
    async close(): Promise<void> {}
    async waits(count: number): Promise<void> {
      while (this.writes.length < count) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  let medium: HeldMedium;
  let store: RevisionStore;
  beforeEach(() => {
    medium = new HeldMedium();
    store = new RevisionStore(medium, new FakeClock());
  });

  it('shows a commit to nobody before it is durable', async () => {
    const stop = new AbortController();
    const seen: bigint[] = [];
    const watching = (async () => {
      for await (const { revision } of store.watch('', 0n, stop.signal)) seen.push(revision);
    })();
    const commit = store.commit([], [put('a', '1')]);
    await medium.waits(1);
    expect(await content(store)).toEqual({});
    expect(seen).toEqual([]);
    medium.writes[0]?.end();
    await commit;
    expect(await content(store)).toEqual({ a: '1' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual([1n]);
    stop.abort();
    await watching;
  });

  it('writes once what waits together', async () => {
    const first = store.commit([], [put('a', '1')]);
    await medium.waits(1);
    const others = ['b', 'c', 'b'].map((key) => store.commit([], [put(key, '2')]));
    medium.writes[0]?.end();
    await first;
    await medium.waits(2);
    expect(medium.writes[1]?.keys).toEqual(['b', 'c']);
    medium.writes[1]?.end();
    expect((await Promise.all(others)).map(({ revision }) => revision)).toEqual([2n, 3n, 4n]);
  });

  it('answers nothing more, with one error, after a write that failed', async () => {
    const stop = new AbortController();
    const watching = store.watch('', 0n, stop.signal)[Symbol.asyncIterator]().next();
    watching.catch(() => undefined);
    const failed = store.commit([], [put('a', '1')]);
    failed.catch(() => undefined);
    await medium.waits(1);
    const behind = store.commit([], [put('b', '1')]);
    behind.catch(() => undefined);
    medium.writes[0]?.end(new Error('EIO'));
    const broken = expect.objectContaining({ code: 'STORE_FAILED', message: 'store: commit: EIO' });
    for (const one of [failed, behind, watching]) await expect(one).rejects.toThrow(broken);
    await expect(store.get('a')).rejects.toThrow(broken);
    await expect(store.list('')).rejects.toThrow(broken);
    await expect(store.commit([], [])).rejects.toThrow(broken);
    expect(medium.writes).toHaveLength(1);
    await store.close();
  });

  it('finishes what is under way when it is closed', async () => {
    const commit = store.commit([], [put('a', '1')]);
    await medium.waits(1);
    const closed = store.close();
    medium.writes[0]?.end();
    expect(await commit).toEqual({ ok: true, revision: 1n });
    await closed;
  });
});
