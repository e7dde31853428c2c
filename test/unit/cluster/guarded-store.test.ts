// A node's use of a store that is put back to an old copy under it (row D18 of the table of faults).
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuardedStore } from '../../../src/cluster/lineage/guarded-store.js';
import { LineageWatch, recheckMs, saveMsMax } from '../../../src/cluster/lineage/lineage-watch.js';
import { marksInStore } from '../../../src/cluster/lineage/marks.js';
import { noteOpening } from '../../../src/cluster/lineage/opening.js';
import { lineageKey, refusalKey, refusalsPrefix } from '../../../src/cluster/model/keys.js';
import { decodeRefusal } from '../../../src/cluster/model/refusal.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store, Write } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';
import { RestorableStore } from '../../support/restorable-store.js';

const id = '00000000-0000-4000-8000-000000000001';
const put = (key: string, value: string): Write => ({ type: 'put', key, value: Buffer.from(value) });
const refused = expect.objectContaining({ code: 'STORE_RESTORED' });
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

class Node {
  readonly watch: LineageWatch;
  readonly store: GuardedStore;
  readonly told: (string | undefined)[] = [];

  constructor(
    readonly behind: Store,
    readonly local: Store,
    readonly clock: FakeClock,
  ) {
    const log = pino({ level: 'silent' });
    const who = { id, name: 'n1', kind: 'node' } as const;
    this.watch = new LineageWatch({ store: behind, marks: marksInStore(local), who, clock, log });
    this.watch.onRefused((reason) => this.told.push(reason));
    this.store = new GuardedStore(behind, this.watch);
  }
}

let clock: FakeClock;
let behind: RestorableStore;
let local: Store;
let node: Node;

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await settled();
}

async function start(): Promise<Node> {
  const started = new Node(behind, local, clock);
  await started.watch.start();
  return started;
}

beforeEach(async () => {
  clock = new FakeClock();
  behind = new RestorableStore(clock);
  local = openMemoryStore();
  await noteOpening(behind);
  node = await start();
  await node.store.commit([], [put('a', '1')]);
});

afterEach(async () => {
  await node.watch.close();
  await behind.close();
});

describe('a node whose store is put back', () => {
  it('D18: refuses it, and says so in it, until it is right again', async () => {
    const copy = await behind.copy();
    await node.store.commit([], [put('a', '2')]);
    const right = await behind.copy();
    behind.restore(copy);
    await noteOpening(behind);
    await expect(node.store.get('a')).rejects.toThrow(refused);
    await expect(node.store.list('')).rejects.toThrow(refused);
    await expect(node.store.commit([], [put('a', '3')])).rejects.toThrow(refused);
    await expect(node.store.lease(1000)).rejects.toThrow(refused);
    await pass(0);
    const found = (await behind.get(refusalKey(id))) ?? expect.fail('nothing is said');
    expect(decodeRefusal(found.key, found.value)).toMatchObject({ name: 'n1', kind: 'node' });
    expect(Buffer.from((await behind.get('a'))?.value ?? []).toString()).toBe('1');
    behind.restore(right);
    await noteOpening(behind);
    await pass(recheckMs);
    expect(Buffer.from((await node.store.get('a'))?.value ?? []).toString()).toBe('2');
    expect((await behind.list(refusalsPrefix)).entries).toEqual([]);
    expect(node.told).toEqual([expect.stringMatching('old copy'), undefined]);
  });

  it('writes nothing to it, though it went on further than the node had seen', async () => {
    const copy = await behind.copy();
    await node.store.commit([], [put('a', '2')]);
    behind.restore(copy);
    await noteOpening(behind);
    for (let index = 0; index < 5; index += 1) await behind.commit([], [put('b', `${index}`)]);
    await expect(node.store.commit([], [put('a', '3')])).rejects.toThrow(refused);
    expect(Buffer.from((await behind.get('a'))?.value ?? []).toString()).toBe('1');
  });

  it('ends what it watches, and watches again when it is right', async () => {
    const stop = new AbortController();
    const { revision } = await node.store.list('');
    const seen = node.store.watch('', revision, stop.signal).next();
    await settled();
    node.watch.refuse('its disks say more', async () => false);
    await expect(seen).rejects.toThrow(refused);
    await pass(0);
    await pass(recheckMs);
    expect(await node.store.get('a')).toBeDefined();
  });

  it('knows it after a restart by what it wrote down, in time and at its end', async () => {
    await settled();
    const copy = await behind.copy();
    await node.store.commit([], [put('a', '2')]);
    await node.watch.close();
    behind.restore(copy);
    await noteOpening(behind);
    node = await start();
    await expect(node.store.get('a')).rejects.toThrow(refused);
  });

  it('writes down what it saw though it is killed', async () => {
    const copy = await behind.copy();
    await node.store.commit([], [put('a', '2')]);
    await pass(saveMsMax);
    behind.restore(copy);
    await noteOpening(behind);
    node = await start();
    await expect(node.store.get('a')).rejects.toThrow(refused);
  });

  it('refuses one that is empty', async () => {
    behind.restore({ revision: 0n, entries: [] });
    await expect(node.store.get('a')).rejects.toThrow('it is empty');
    await pass(0);
    await noteOpening(behind);
    await pass(recheckMs);
    const found = (await behind.get(refusalKey(id))) ?? expect.fail('nothing is said');
    expect(decodeRefusal(found.key, found.value).reason).toBe('it is new, or of another cluster');
  });

  it('takes back what an earlier process of it has said', async () => {
    await behind.commit([], [put(refusalKey(id), '{}')]);
    node = await start();
    await pass(saveMsMax);
    expect((await behind.list(refusalsPrefix)).entries).toEqual([]);
  });
});

describe('a store that is opened anew', () => {
  it('is used on: what is written meanwhile is written once', async () => {
    await noteOpening(behind);
    const before = await behind.get('a');
    const { ok } = await node.store.commit([{ key: 'a', revision: before?.revision ?? 0n }], [put('a', '2')]);
    expect(ok).toBe(true);
    const again = await node.store.commit([{ key: 'a', revision: before?.revision ?? 0n }], [put('a', '3')]);
    expect(again.ok).toBe(false);
  });

  it('is not taken for another one when looks overtake each other', async () => {
    await noteOpening(behind);
    const all = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0 ? node.store.get(lineageKey) : node.store.commit([], [put('c', `${index}`)]),
    );
    await Promise.all(all);
    expect(node.watch.refusal).toBeUndefined();
  });
});
