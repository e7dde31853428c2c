// Snapshots of volumes whose head is on this node, with a fake engine and a store in memory: the records are
// what a controller, or another head, has left.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeSnapshots } from '../../../src/agent/node-snapshots.js';
import { nobody } from '../../../src/mirrors/record.js';
import {
  baseSnapshotName,
  SnapshotRecords,
  type StoredSnapshot,
} from '../../../src/mirrors/snapshot-records.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { PoolHarness } from '../../support/pool-harness.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const [a, b, c] = ['a', 'b', 'c'].map(uuid) as [string, string, string];
const attempt = (number: number) => uuid(`${number}`);
const wanted: StoredSnapshot = {
  ...{ revision: 0n, begun: 0n, uuid: attempt(1), state: 'wanted', createdAt: 1, sizeBytes: 0n },
  ...{ members: [], carrying: [], rests: [] },
};

let pools: PoolHarness;
let records: SnapshotRecords;
let node: NodeSnapshots;
let isHead: boolean;
let isClone: boolean;

beforeEach(async () => {
  pools = new PoolHarness();
  await pools.start();
  const { engine, store, clock, log } = pools;
  records = new SnapshotRecords(store);
  isHead = true;
  members({ [a]: true, [b]: true });
  let attempts = 1;
  const newUuid = () => {
    attempts += 1;
    return attempt(attempts);
  };
  isClone = false;
  const isOf = { isHead: () => isHead, isClone: () => isClone };
  node = new NodeSnapshots({ engine, store, ...isOf, newUuid, clock, log });
  node.start();
});
afterEach(async () => {
  node.stop();
  pools.clock.advance(60_000);
  await node.close();
  await pools.close();
});

/** Of a head that serves; true: in sync, and it can be reached. */
function members(inSync: Readonly<Record<string, boolean>>): void {
  const { mirrors } = pools.engine;
  const record: MirrorRecord = {
    ...{ revision: 1n, epoch: 1n, head: nobody, headStopped: false, minInSync: 1 },
    members: Object.entries(inSync).map(([of, is]) => ({ uuid: of, inSync: is, sealedEpoch: 1n })),
    ...{ blockSizeBytes: 4096, blocksCount: 256n },
  };
  const { snapshot, snapshotRemoval } = mirrors.heads.get('db') ?? {};
  mirrors.add('db', { members: [], record, node: nobody, hostNqn: '', hostId: '' });
  Object.assign(mirrors.head('db'), { snapshot, snapshotRemoval });
}

const has = (member: string, ...found: readonly string[]) =>
  pools.engine.mirrors.taken.set(member, new Set(found));
const at = (member: string) => [...(pools.engine.mirrors.taken.get(member) ?? [])];
const get = (name = 's') => records.get('db', name);
const put = (change: Partial<StoredSnapshot> = {}, name = 's') =>
  records.put('db', name, { ...wanted, ...change });

async function pass(ms = 500): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    await new Promise((resolve) => setImmediate(resolve));
    pools.clock.advance(20);
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a snapshot that is wanted', () => {
  it('is taken of all in sync, of the moment at which its head begins', async () => {
    await put();
    await pass();
    const found = await get();
    expect(found).toMatchObject({
      state: 'complete',
      uuid: attempt(1),
      members: [a, b],
      sizeBytes: 1n << 20n,
    });
    expect(found?.createdAt).toBeGreaterThan(1_000);
    expect([at(a), at(b)]).toEqual([[attempt(1)], [attempt(1)]]);
  });

  it('is begun anew, as another one, when a head before has begun it', async () => {
    has(a, attempt(7));
    has(b, attempt(7));
    await put({ state: 'taking', uuid: attempt(7) });
    await pass();
    expect(await get()).toMatchObject({ state: 'complete', uuid: attempt(2), members: [a, b], rests: [] });
    expect([at(a), at(b)]).toEqual([[attempt(2)], [attempt(2)]]);
  });

  it('is the one that this head has taken, where only the store did not hear of it', async () => {
    pools.engine.mirrors.snapshot('db', attempt(7));
    await put({ state: 'taking', uuid: attempt(7) });
    await pass();
    expect(await get()).toMatchObject({ state: 'complete', uuid: attempt(7), members: [a, b] });
  });

  it('goes, with what members have of it, when it could not be taken', async () => {
    const seen: (string | undefined)[] = [];
    const end = new AbortController();
    const watching = (async () => {
      for await (const { changes } of pools.store.watch('mirror-snapshots/', 0n, end.signal)) {
        for (const change of changes) {
          seen.push(change.type === 'put' ? JSON.parse(`${Buffer.from(change.value)}`).trouble : 'gone');
        }
      }
    })();
    pools.engine.mirrors.snapshotTrouble = 'no space';
    await put();
    await pass();
    end.abort();
    await watching;
    expect(seen).toEqual([undefined, undefined, 'no space', 'gone']);
    expect([at(a), at(b)]).toEqual([[], []]);
  });

  it('is left to whoever is head, and to later while the records cannot be trusted', async () => {
    isHead = false;
    await put();
    await pass();
    expect(await get()).toMatchObject({ state: 'wanted' });
    isHead = true;
    node.setHeld(true);
    node.wake('db');
    await pass();
    expect(await get()).toMatchObject({ state: 'wanted' });
    node.setHeld(false);
    await pass();
    expect(await get()).toMatchObject({ state: 'complete' });
  });
});

describe('a snapshot that is to go', () => {
  it('is deleted at all members, and then its record', async () => {
    has(a, attempt(1));
    has(b, attempt(1), attempt(8));
    await put({ state: 'deleting', members: [a], rests: [attempt(8)] });
    await pass();
    expect(await get()).toBeUndefined();
    expect([at(a), at(b)]).toEqual([[], []]);
  });

  it('stays while volumes are being made of it', async () => {
    has(a, attempt(1));
    const found = await put({ state: 'deleting', members: [a], cloning: ['copy'] });
    await pass();
    expect(at(a)).toEqual([attempt(1)]);
    const { cloning: _, ...rest } = found;
    await records.put('db', 's', rest);
    await pass();
    expect(await get()).toBeUndefined();
    expect(at(a)).toEqual([]);
  });

  it('waits for a member that is away, or until that is none any more', async () => {
    for (const end of [{ [a]: true, [b]: true }, { [a]: true }]) {
      has(b, attempt(1));
      members({ [a]: true, [b]: false });
      await put({ state: 'deleting' });
      await pass();
      expect(await get()).toMatchObject({ state: 'deleting', members: [b] });
      members(end);
      node.wake('db');
      await pass();
      expect(await get()).toBeUndefined();
    }
    expect(at(b)).toEqual([attempt(1)]); // of the second time: it goes with the replica
  });
});

describe('a snapshot that there is', () => {
  it('gets to members that lack it', async () => {
    has(a, attempt(1));
    members({ [a]: true, [b]: true, [c]: false });
    await put({ state: 'complete', members: [a] });
    await pass(1_000);
    expect(await get()).toMatchObject({ members: [a, b], carrying: [] });
    members({ [a]: true, [b]: true, [c]: true });
    node.wake('db');
    await pass(1_000);
    expect(await get()).toMatchObject({ members: [a, b, c] });
  });

  it('gets to a member that stands on the origin of a clone only from another one that does', async () => {
    members({ [a]: true, [b]: true, [c]: true });
    has(a, attempt(1));
    has(c, attempt(1));
    await put({ state: 'complete', uuid: uuid('9'), members: [b, c] }, baseSnapshotName);
    await put({ state: 'complete', members: [a, c] });
    await pass(1_000);
    expect(pools.engine.mirrors.carried).toEqual([`${attempt(1)} ${c} ${b}`]);
    // Only one that does not has the next: before, it gets what the others have in common.
    members({ [a]: true, [b]: true });
    has(a, attempt(3));
    has(b, uuid('9'));
    await put({ state: 'complete', uuid: attempt(3), members: [a] }, 't');
    await pass(2_000);
    expect(pools.engine.mirrors.carried.slice(1)).toEqual([
      `${uuid('9')} ${b} ${a}`,
      `${attempt(3)} ${a} ${b}`,
    ]);
    expect((await get('t'))?.members).toEqual([a, b]);
    expect((await get(baseSnapshotName))?.members).toEqual([b, a]);
  });

  it('of a clone goes nowhere while nobody knows who stands on its origin', async () => {
    isClone = true;
    has(a, attempt(1));
    await put({ state: 'complete', members: [a] });
    await pass(1_000);
    expect(pools.engine.mirrors.carried).toEqual([]);
    await put({ state: 'complete', uuid: uuid('9'), members: [a, b] }, baseSnapshotName);
    await pass(1_000);
    expect((await get())?.members).toEqual([a, b]);
  });

  it('forgets earlier ones of its name, and who is no member any more', async () => {
    has(a, attempt(1), attempt(6));
    await put({ state: 'complete', members: [a, b, c], carrying: [c], rests: [attempt(6)] });
    await pass();
    expect(await get()).toMatchObject({ members: [a, b], carrying: [], rests: [] });
    expect(at(a)).toEqual([attempt(1)]);
  });

  it('is not relied on at a replica that begins anew', async () => {
    isHead = false;
    await put({ state: 'complete', members: [a, b], carrying: [c] });
    await put({ state: 'complete', members: [b] }, 't');
    await records.forgetMember('db', a);
    await records.forgetMember('db', c);
    expect(await get()).toMatchObject({ members: [b], carrying: [] });
    expect((await get('t'))?.members).toEqual([b]);
  });
});
