// What only a store on a disk does: it comes back, as it was, after an end, a crash and damage, or says why
// not.
import { cp, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openLevelStore } from '../../../src/store/level/level-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';
import { bytes, content, put } from './contract.js';

let top: string;
let directory: string;
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), 'ballast-level-'));
  directory = join(top, 'store');
});
afterEach(() => rm(top, { recursive: true }));

const openHere = (path = directory) => openLevelStore(path, new FakeClock());
const stateError = (text: string) =>
  expect.objectContaining({ code: 'STATE_DIRECTORY', message: expect.stringContaining(text) });

async function logOf(path: string): Promise<string> {
  const found = (await readdir(path)).filter((name) => /^\d+\.log$/.test(name)).sort();
  return join(path, found.at(-1) ?? 'none');
}

describe('the level store', () => {
  it('has everything again after a restart, and goes on with its revisions', async () => {
    let store = await openHere();
    await store.commit([], [put('a', '1'), put('b', '1')]);
    await store.commit([], [put('a', '2')]);
    await store.commit([], [{ type: 'delete', key: 'b' }]);
    await store.close();
    store = await openHere();
    expect(await store.list('')).toEqual({
      revision: 3n,
      entries: [{ key: 'a', value: bytes('2'), revision: 2n }],
    });
    expect(await store.commit([{ key: 'a', revision: 2n }], [put('b', '4')])).toEqual({
      ok: true,
      revision: 4n,
    });
    await store.close();
  });

  it('does not give a revision again when the key that had it is gone', async () => {
    let store = await openHere();
    await store.commit([], [put('a', '1')]);
    await store.commit([], [{ type: 'delete', key: 'a' }]);
    await store.close();
    store = await openHere();
    expect(await store.commit([], [put('a', '3')])).toEqual({ ok: true, revision: 3n });
    await store.close();
  });

  it('has a gap at a restart, for those who watched before it', async () => {
    let store = await openHere();
    await store.commit([], [put('a', '1')]);
    await store.close();
    store = await openHere();
    const watch = store.watch('', 0n, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toThrow(expect.objectContaining({ code: 'STORE_GAP' }));
    await store.close();
  });

  it('opens without what was kept under leases', async () => {
    let store = await openHere();
    const lease = await store.lease(1000);
    await store.commit([], [put('a', '1'), { type: 'put', key: 'b', value: bytes('1'), lease: lease.id }]);
    await cp(directory, join(top, 'crashed'), { recursive: true });
    await store.close();
    for (const path of [directory, join(top, 'crashed')]) {
      store = await openHere(path);
      expect(await content(store)).toEqual({ a: '1' });
      expect((await store.list('')).revision).toBe(2n);
      await store.close();
    }
  });

  it('asks for stable media with every commit, and waits for it', async () => {
    // All batches of LevelDB have one prototype, which is not exported.
    const other = new ClassicLevel(join(top, 'other'));
    await other.open();
    const write = vi.spyOn(Object.getPrototypeOf(Object.getPrototypeOf(other.batch())), 'write');
    await other.close();
    try {
      const store = await openHere();
      await store.commit([], [put('a', '1')]);
      await Promise.all([store.commit([], [put('b', '1')]), store.commit([], [put('c', '1')])]);
      expect(write.mock.calls).toEqual([[{ sync: true }], [{ sync: true }]]);
      expect(write.mock.settledResults.map(({ type }) => type)).toEqual(['fulfilled', 'fulfilled']);
      await store.close();
    } finally {
      write.mockRestore();
    }
  });

  it('refuses a directory that is open already, and leaves it working', async () => {
    const store = await openHere();
    await expect(openHere()).rejects.toThrow(stateError(`${directory}: another process uses it`));
    await store.commit([], [put('a', '1')]);
    expect(await content(store)).toEqual({ a: '1' });
    await store.close();
  });

  it('says what is wrong with a path that cannot be one', async () => {
    await writeFile(directory, 'a file');
    await expect(openHere()).rejects.toThrow(stateError('cannot be opened'));
    await expect(openHere(join(directory, 'below'))).rejects.toThrow(stateError('cannot be opened'));
  });
});

describe('after a crash, the level store', () => {
  it('has every commit that was acknowledged, and whole ones only', async () => {
    const store = await openHere();
    const acknowledged: number[] = [];
    let next = 0;
    const writer = async () => {
      while (next < 600) {
        const index = next;
        next += 1;
        await store.commit([], [put(`a/${index}`, String(index)), put(`b/${index}`, 'x'.repeat(200))]);
        acknowledged.push(index);
      }
    };
    const writers = Promise.all([writer(), writer(), writer()]);
    for (let copy = 0; copy < 5; copy += 1) {
      const before = [...acknowledged];
      const path = join(top, `copy${copy}`);
      await cp(directory, path, { recursive: true });
      const again = await openHere(path);
      const found = await content(again);
      for (const index of before) expect(found[`a/${index}`]).toBe(String(index));
      for (const key of Object.keys(found)) {
        expect(found).toHaveProperty([key.replace(/^./, (letter) => (letter === 'a' ? 'b' : 'a'))]);
      }
      const { revision } = await again.list('');
      expect(Object.keys(found)).toHaveLength(2 * Number(revision));
      await again.close();
    }
    await writers;
    await store.close();
  });

  it('is as after some commit, wherever its log ends', async () => {
    const store = await openHere();
    for (let index = 1; index <= 8; index += 1) {
      await store.commit([], [put('a', String(index)), put('b', String(index)), put(`n${index}`, '')]);
    }
    const { size } = await stat(await logOf(directory));
    const seen = new Set<number>();
    for (let length = size; length >= 0; length -= 13) {
      const path = join(top, `cut${length}`);
      await cp(directory, path, { recursive: true });
      await truncate(await logOf(path), length);
      const again = await openHere(path);
      const { a, b } = await content(again);
      const { revision, entries } = await again.list('');
      expect([a ?? '0', b ?? '0']).toEqual([String(revision), String(revision)]);
      expect(entries).toHaveLength(revision === 0n ? 0 : Number(revision) + 2);
      seen.add(Number(revision));
      await again.close();
    }
    await store.close();
    expect([...seen].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('a damaged level store', () => {
  async function filled(): Promise<void> {
    const store = await openHere();
    for (let index = 0; index < 64; index += 1) await store.commit([], [put(`k${index}`, 'v'.repeat(2000))]);
    await store.close();
  }
  async function inRaw(change: (database: ClassicLevel<string, Uint8Array>) => Promise<void>): Promise<void> {
    const database = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: 'view' });
    await change(database);
    await database.close();
  }
  const refused = async (text: string) => expect(openHere()).rejects.toThrow(stateError(text));

  it('is not opened when commits in the middle of its log are gone', async () => {
    await filled();
    const path = await logOf(directory);
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(64, 0xff), 0, 64, 40_000); // in the second of its 32 KiB blocks
    await file.close();
    await refused('that were written');
  });

  it('is not opened when a record is changed, missing, added or foreign', async () => {
    await filled();
    let kept: Uint8Array = new Uint8Array();
    await inRaw(async (database) => {
      kept = (await database.get('ek7')) ?? kept;
      const changed = new Uint8Array(kept);
      changed[20] = 0;
      await database.put('ek7', changed);
    });
    await refused("wrong checksum at 'k7'");
    await inRaw(async (database) => {
      await database.put('ek7', kept);
      await database.put('ek8', kept); // a record in the place of another
    });
    await refused("wrong checksum at 'k8'");
    await inRaw((database) =>
      database.batch([
        { type: 'del', key: 'ek7' },
        { type: 'del', key: 'ek8' },
      ]),
    );
    await refused('62 entries that are not the 64');
    await inRaw((database) => database.put('z', kept));
    await refused("foreign key 'z'");
  });

  it('is not opened when it is of another layout, or has lost its summary', async () => {
    await filled();
    await inRaw((database) => database.put('m', Uint8Array.of(9)));
    await refused('has layout 9, and this program knows 1');
    await inRaw((database) => database.put('m', Uint8Array.of(1, 2)));
    await refused('summary of a wrong length');
    await inRaw((database) => database.del('m'));
    await refused('64 entries that are not the 0');
  });

  it('is not opened without its CURRENT file, and nothing in it is changed', async () => {
    await filled();
    await writeFile(join(directory, 'CURRENT'), 'nonsense\n');
    await refused('cannot be opened');
    expect(await readFile(join(directory, 'CURRENT'), 'utf8')).toBe('nonsense\n');
  });
});

describe('many entries', () => {
  it('come back after a restart in their order', async () => {
    let store: Store = await openHere();
    const keys = Array.from({ length: 3000 }, (_, index) => `k/${(index * 7919) % 3000}`);
    await Promise.all(keys.map((key) => store.commit([], [put(key, key)])));
    await store.close();
    store = await openHere();
    const { entries, revision } = await store.list('k/');
    expect(entries.map(({ key }) => key)).toEqual([...keys].sort());
    expect(revision).toBe(3000n);
    await store.close();
  });
});
