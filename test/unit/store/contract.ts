// What every Store must do, run over each implementation. `open` gives an empty store; its revision is not
// always 0, for others may have used what it is in. `forget` makes it forget its changes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitBytesMax, commitOperationsMax, keyBytesMax, leaseMsMax } from '../../../src/store/checks.js';
import { historyCommitsMax } from '../../../src/store/history.js';
import type { ChangeSet, Store, Write } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
export const put = (key: string, value: string): Write => ({ type: 'put', key, value: bytes(value) });
const remove = (key: string): Write => ({ type: 'delete', key });
const failure = (code: string) => expect.objectContaining({ code });

export async function content(store: Store, prefix = ''): Promise<Record<string, string | undefined>> {
  const { entries } = await store.list(prefix);
  return Object.fromEntries(entries.map(({ key, value }) => [key, text(value)]));
}

export async function take(watch: AsyncIterable<ChangeSet>, count: number): Promise<ChangeSet[]> {
  const sets: ChangeSet[] = [];
  if (count === 0) return sets;
  for await (const set of watch) {
    sets.push(set);
    if (sets.length === count) break;
  }
  return sets;
}

/** Of a store that keeps its history in memory. */
export async function overrunHistory(store: Store): Promise<void> {
  const commits = Array.from({ length: historyCommitsMax }, () => store.commit([], [put('overrun', '')]));
  await Promise.all(commits);
}

export function storeContract(
  name: string,
  open: (clock: FakeClock) => Promise<Store>,
  forget: (store: Store) => Promise<void> = overrunHistory,
): void {
  describe(name, () => {
    let clock: FakeClock;
    let store: Store;
    let stop: AbortController;
    let base: bigint;
    /** The revision after so many commits. */
    const at = (commits: bigint) => base + commits;
    beforeEach(async () => {
      clock = new FakeClock();
      store = await open(clock);
      base = (await store.list('')).revision;
      stop = new AbortController();
    });
    afterEach(async () => {
      stop.abort();
      await store.close();
    });
    const next = async (watch: AsyncIterable<ChangeSet>) => (await take(watch, 1))[0];

    describe('refuses', () => {
      it.each([
        ['an empty key', ''],
        ['a key that is too long', 'x'.repeat(keyBytesMax + 1)],
        ['a space', 'a b'],
        ['a NUL', 'a\0b'],
        ['a line feed', 'a\nb'],
        ['what is not ASCII', 'ä'],
        ['half of a surrogate pair', '\ud83d'],
      ])('%s', async (_what, key) => {
        const bad = failure('INVALID_ARGUMENT');
        await expect(store.get(key)).rejects.toThrow(bad);
        await expect(store.commit([], [put(key, 'v')])).rejects.toThrow(bad);
        await expect(store.commit([], [remove(key)])).rejects.toThrow(bad);
        await expect(store.commit([{ key, revision: 0n }], [])).rejects.toThrow(bad);
        if (key !== '') await expect(store.list(key)).rejects.toThrow(bad);
        if (key !== '') expect(() => store.watch(key, 0n, stop.signal)).toThrow(bad);
        expect(await store.list('')).toEqual({ revision: at(0n), entries: [] });
      });

      it('a value that is no bytes, a revision that is no bigint or negative', async () => {
        const bad = failure('INVALID_ARGUMENT');
        const value = 'text' as unknown as Uint8Array;
        await expect(store.commit([], [{ type: 'put', key: 'a', value }])).rejects.toThrow(bad);
        await expect(store.commit([{ key: 'a', revision: -1n }], [])).rejects.toThrow(bad);
        await expect(store.commit([{ key: 'a', revision: 1 as unknown as bigint }], [])).rejects.toThrow(bad);
        expect(() => store.watch('', -1n, stop.signal)).toThrow(bad);
      });

      it('a commit above the size, and takes one just below', async () => {
        const value = new Uint8Array(commitBytesMax - 1);
        await expect(store.commit([], [{ type: 'put', key: 'ab', value }, remove('c')])).rejects.toThrow(
          failure('INVALID_ARGUMENT'),
        );
        expect(await store.commit([], [{ type: 'put', key: 'a', value }])).toEqual({
          ok: true,
          revision: at(1n),
        });
        expect((await store.get('a'))?.value.byteLength).toBe(value.byteLength);
      });

      it('too many writes, too many comparisons, one key twice', async () => {
        const bad = failure('INVALID_ARGUMENT');
        const writes = Array.from({ length: commitOperationsMax + 1 }, (_, index) => put(`k${index}`, ''));
        const compares = writes.map(({ key }) => ({ key, revision: 0n }));
        await expect(store.commit([], writes)).rejects.toThrow(bad);
        await expect(store.commit(compares, [])).rejects.toThrow(bad);
        await expect(store.commit([], [put('a', '1'), remove('a')])).rejects.toThrow(bad);
        expect((await store.commit(compares.slice(1), writes.slice(1))).ok).toBe(true);
      });

      it('everything once it is closed', async () => {
        const waiting = take(store.watch('', at(0n), stop.signal), 1);
        waiting.catch(() => undefined);
        await store.close();
        await store.close();
        const closed = failure('CLOSED');
        await expect(waiting).rejects.toThrow(closed);
        await expect(store.get('a')).rejects.toThrow(closed);
        await expect(store.list('')).rejects.toThrow(closed);
        await expect(store.commit([], [put('a', '')])).rejects.toThrow(closed);
        await expect(store.lease(1000)).rejects.toThrow(closed);
      });
    });

    describe('get and list', () => {
      it('tell nothing of an empty store', async () => {
        expect(await store.get('a')).toBeUndefined();
        expect(await store.list('a')).toEqual({ revision: at(0n), entries: [] });
      });

      it('give entries in the order of their bytes, those of the prefix only', async () => {
        await store.commit(
          [],
          [put('b/2', '2'), put('b/10', '10'), put('B', 'x'), put('b', 'y'), put('c', 'z')],
        );
        const { entries } = await store.list('');
        expect(entries.map(({ key }) => key)).toEqual(['B', 'b', 'b/10', 'b/2', 'c']);
        expect(await content(store, 'b/')).toEqual({ 'b/10': '10', 'b/2': '2' });
        expect((await store.list('d')).entries).toEqual([]);
      });

      it('hand out copies, and keep copies of what they were given', async () => {
        const value = Buffer.from('one');
        const committed = store.commit([], [{ type: 'put', key: 'a', value }]);
        value.fill(0);
        await committed;
        const got = await store.get('a');
        expect(text(got?.value)).toBe('one');
        got?.value.fill(0);
        (await store.list('')).entries[0]?.value.fill(0);
        (await next(store.watch('', at(0n), stop.signal)))?.changes.forEach((change) => {
          if (change.type === 'put') change.value.fill(0);
        });
        expect(await content(store)).toEqual({ a: 'one' });
      });

      it('keep empty values and every byte', async () => {
        const every = Uint8Array.from({ length: 256 }, (_, index) => index);
        await store.commit([], [put('empty', ''), { type: 'put', key: 'every', value: every }]);
        expect((await store.get('empty'))?.value).toEqual(new Uint8Array(0));
        expect((await store.get('every'))?.value).toEqual(every);
      });
    });

    describe('commit', () => {
      it('gives each change the next revision, and entries that of their last write', async () => {
        expect(await store.commit([], [put('a', '1'), put('b', '1')])).toEqual({
          ok: true,
          revision: at(1n),
        });
        expect(await store.commit([], [put('a', '2')])).toEqual({ ok: true, revision: at(2n) });
        expect((await store.get('a'))?.revision).toBe(at(2n));
        expect((await store.get('b'))?.revision).toBe(at(1n));
        expect((await store.list('')).revision).toBe(at(2n));
      });

      it('writes nothing when one comparison fails', async () => {
        await store.commit([], [put('a', '1')]);
        const compare = [
          { key: 'a', revision: at(1n) },
          { key: 'b', revision: at(1n) },
        ];
        expect(await store.commit(compare, [put('a', '2'), put('c', '2')])).toEqual({
          ok: false,
          revision: at(1n),
        });
        expect(await content(store)).toEqual({ a: '1' });
      });

      it('takes 0 for a key that is not there, also after its deletion', async () => {
        const absent = [{ key: 'a', revision: 0n }];
        expect((await store.commit(absent, [put('a', '1')])).ok).toBe(true);
        expect((await store.commit(absent, [put('a', '2')])).ok).toBe(false);
        expect(await store.commit([{ key: 'a', revision: at(1n) }], [remove('a')])).toEqual({
          ok: true,
          revision: at(2n),
        });
        expect(await store.commit(absent, [put('a', '3')])).toEqual({ ok: true, revision: at(3n) });
      });

      it('that changes nothing is no revision', async () => {
        await store.commit([], [put('a', '1')]);
        expect(await store.commit([], [])).toEqual({ ok: true, revision: at(1n) });
        expect(await store.commit([], [remove('b')])).toEqual({ ok: true, revision: at(1n) });
        expect(await store.commit([{ key: 'a', revision: at(1n) }], [])).toEqual({
          ok: true,
          revision: at(1n),
        });
        expect(await store.commit([{ key: 'a', revision: at(2n) }], [])).toEqual({
          ok: false,
          revision: at(1n),
        });
      });

      it('is judged after those that were asked before it, and lets one of many win', async () => {
        const rivals = Array.from({ length: 20 }, (_, index) =>
          store.commit([{ key: 'leader', revision: 0n }], [put('leader', String(index))]),
        );
        const results = await Promise.all(rivals);
        expect(results.filter(({ ok }) => ok)).toEqual([{ ok: true, revision: at(1n) }]);
        expect(await content(store)).toEqual({ leader: '0' });
      });

      it('of many at once each is whole and has its own revision', async () => {
        const increment = async () => {
          for (;;) {
            const found = await store.get('counter');
            const value = String(Number(text(found?.value) ?? '0') + 1);
            const compare = [{ key: 'counter', revision: found?.revision ?? 0n }];
            const { ok, revision } = await store.commit(compare, [put('counter', value), put('twin', value)]);
            if (ok) return revision;
          }
        };
        const revisions = await Promise.all(Array.from({ length: 30 }, increment));
        expect(new Set(revisions).size).toBe(30);
        expect(await content(store)).toEqual({ counter: '30', twin: '30' });
        expect((await store.list('')).revision).toBe(at(30n));
      });
    });

    describe('watch', () => {
      it('tells what was committed after a revision, and waits for more', async () => {
        await store.commit([], [put('a', '1')]);
        const { revision } = await store.list('');
        await store.commit([], [put('a', '2'), remove('b'), put('c', '2')]);
        const watching = take(store.watch('', revision, stop.signal), 2);
        await store.commit([], [remove('a')]);
        expect(await watching).toEqual([
          {
            revision: at(2n),
            changes: [
              { type: 'put', key: 'a', value: bytes('2'), revision: at(2n) },
              { type: 'put', key: 'c', value: bytes('2'), revision: at(2n) },
            ],
          },
          { revision: at(3n), changes: [{ type: 'delete', key: 'a', revision: at(3n) }] },
        ]);
      });

      it('leaves out what does not begin with the prefix', async () => {
        const watching = take(store.watch('a/', at(0n), stop.signal), 2);
        await store.commit([], [put('a', '0'), put('a/1', '1'), put('b/1', '1')]);
        await store.commit([], [put('b/1', '2')]);
        await store.commit([], [put('a/2', '3')]);
        const keys = (await watching).map(({ changes }) => changes.map(({ key }) => key));
        expect(keys).toEqual([['a/1'], ['a/2']]);
      });

      it('ends when its signal aborts, before or while it waits', async () => {
        const watching = take(store.watch('', at(0n), stop.signal), 1);
        await store.get('a');
        stop.abort();
        expect(await watching).toEqual([]);
        expect(await take(store.watch('', at(0n), stop.signal), 1)).toEqual([]);
      });

      it('says that there is a gap where the store was never at that revision', async () => {
        await store.commit([], [put('a', '1')]);
        await expect(take(store.watch('', at(2n), stop.signal), 1)).rejects.toThrow(failure('STORE_GAP'));
      });

      it('has a gap where it forgot what happened since, and goes on from a new list', async () => {
        await store.commit([], [put('a', 'first')]);
        await forget(store);
        await expect(take(store.watch('', base, stop.signal), 1)).rejects.toThrow(failure('STORE_GAP'));
        const { revision } = await store.list('');
        const watching = take(store.watch('', revision, stop.signal), 1);
        await store.commit([], [put('b', 'new')]);
        expect(await watching).toMatchObject([{ revision: revision + 1n }]);
      });

      it('gives a commit of much data whole, and many of them in order', async () => {
        const value = new Uint8Array(250_000);
        for (let count = 0; count < 12; count += 1) {
          const writes = ['a', 'b', 'c', 'd'].map((key): Write => ({ type: 'put', key, value }));
          await store.commit([], writes);
        }
        const sets = await take(store.watch('', base, stop.signal), 12);
        expect(sets.map(({ revision }) => revision)).toEqual(
          sets.map((_set, index) => at(BigInt(index) + 1n)),
        );
        for (const { changes } of sets) expect(changes.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd']);
      });
    });

    describe('a lease', () => {
      const leased = (key: string, lease: string): Write => ({ type: 'put', key, value: bytes('v'), lease });

      it.each([0, -1, 1.5, Number.NaN, leaseMsMax + 1])('of %d ms is refused', async (ttlMs) => {
        await expect(store.lease(ttlMs)).rejects.toThrow(failure('INVALID_ARGUMENT'));
      });

      it('takes its keys with it when its time is over, and watchers see it', async () => {
        const lease = await store.lease(1000);
        await store.commit([], [leased('a', lease.id), put('b', 'stays')]);
        clock.advance(999);
        expect(await content(store)).toEqual({ a: 'v', b: 'stays' });
        const watching = next(store.watch('', at(1n), stop.signal));
        clock.advance(1);
        expect(await watching).toEqual({
          revision: at(2n),
          changes: [{ type: 'delete', key: 'a', revision: at(2n) }],
        });
        expect(lease.ended.aborted).toBe(true);
        await expect(lease.renew()).rejects.toThrow(failure('LEASE_EXPIRED'));
        await expect(store.commit([], [leased('c', lease.id)])).rejects.toThrow(failure('LEASE_EXPIRED'));
        expect(await content(store)).toEqual({ b: 'stays' });
      });

      it('lives on while it is renewed', async () => {
        const lease = await store.lease(1000);
        await store.commit([], [leased('a', lease.id)]);
        for (let count = 0; count < 5; count += 1) {
          clock.advance(999);
          await lease.renew();
        }
        expect(await content(store)).toEqual({ a: 'v' });
        expect(lease.ended.aborted).toBe(false);
      });

      it('that is revoked takes also what was asked for just before', async () => {
        const lease = await store.lease(1000);
        const committed = store.commit([], [leased('a', lease.id)]);
        const revoked = lease.revoke();
        await committed.catch(() => undefined);
        await revoked;
        expect(await content(store)).toEqual({});
        expect(clock.timersCount).toBe(0);
      });

      it('lets go of a key that is written without it', async () => {
        const lease = await store.lease(1000);
        await store.commit([], [leased('a', lease.id), leased('b', lease.id)]);
        await store.commit([], [put('a', 'mine')]);
        await lease.revoke();
        expect(await content(store)).toEqual({ a: 'mine' });
      });

      it('that nobody gave is refused, with the whole commit', async () => {
        const commit = store.commit([], [put('a', '1'), leased('b', 'no-such-lease')]);
        await expect(commit).rejects.toThrow(failure('LEASE_EXPIRED'));
        expect(await content(store)).toEqual({});
      });
    });
  });
}
