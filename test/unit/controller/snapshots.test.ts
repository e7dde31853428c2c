// Snapshots of a cluster's volumes as they are asked for, and what a leader does about them. Heads are what a
// test says. Time is virtual.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookMs, SnapshotReconciler } from '../../../src/controller/snapshot-reconciler.js';
import { giveUpMs } from '../../../src/controller/snapshot-step.js';
import { ClusterSnapshots, takingMsMax } from '../../../src/controller/snapshots.js';
import type { VolumeWish } from '../../../src/controller/types.js';
import {
  baseSnapshotName,
  SnapshotRecords,
  type StoredSnapshot,
} from '../../../src/mirrors/snapshot-records.js';
import { ControllerHarness, settledIn } from './controller-harness.js';

let harness: ControllerHarness;
let snapshots: ClusterSnapshots;
let records: SnapshotRecords;

beforeEach(async () => {
  harness = new ControllerHarness();
  const { store, state, nodes, clock } = harness;
  snapshots = new ClusterSnapshots({ store, state, nodes, clock });
  records = new SnapshotRecords(harness.memory);
  await harness.nodesUp(3);
  await harness.lead();
  await settledIn(harness, harness.volumes.create({ name: 'db', sizeBytes: 1n << 24n }));
  await harness.allThere('db');
  await harness.clock.run(100);
  await harness.serves('db');
  await harness.clock.run(100);
});
afterEach(() => harness.close());

const replicas = async () => ((await harness.record('db'))?.replicas ?? []).map(({ uuid }) => uuid);

/** As the agent of its head. */
async function heads(change: Partial<StoredSnapshot>, name = 's'): Promise<void> {
  const found = (await records.get('db', name)) ?? expect.fail('no record');
  await records.put('db', name, { ...found, ...change });
}

/** Resolves when that is begun, and it has been seen. */
async function asked(work: Promise<unknown>): Promise<void> {
  work.catch(() => undefined);
  await harness.clock.run(50);
}

/** It is there, at these replicas. */
async function taken(members: readonly string[], name = 's') {
  const creating = snapshots.createOne('db', name);
  await asked(creating);
  await heads({ state: 'taking' }, name);
  await heads({ state: 'complete', sizeBytes: 1n << 24n, members }, name);
  await harness.clock.run(50);
  return creating;
}

/** For a while, beside the one that leads all the time but looks at no snapshots. */
const lead = async (ms: number) => {
  const { memory: store, state, events, clock } = harness;
  const end = new AbortController();
  const guard = {
    key: 'test/leader',
    revision: (await harness.put('test/leader', Buffer.from('x'))).revision,
  };
  const reconciler = new SnapshotReconciler({ store, state, events, clock, log: harness.log });
  const leading = reconciler.lead({ signal: end.signal, guard });
  await clock.run(ms);
  end.abort();
  await leading;
};

describe('a snapshot that is asked for', () => {
  it('is wanted until a head has taken it, and is the same for who asks meanwhile', async () => {
    const [one, other] = [snapshots.createOne('db', 's'), snapshots.createOne('db', 's')];
    await asked(Promise.all([one, other]));
    expect(snapshots.list('db')).toEqual([]);
    expect(snapshots.get('db', 's')).toMatchObject({ state: 'taking', waitingFor: 'a head that takes it' });
    await heads({ state: 'taking' });
    await heads({ state: 'complete', sizeBytes: 1n << 24n, members: await replicas() });
    await harness.clock.run(50);
    const made = await one;
    expect(made).toMatchObject({
      volume: 'db',
      name: 's',
      state: 'complete',
      nodes: ['node001', 'node002', 'node003'],
    });
    expect(await other).toEqual(made);
    expect(snapshots.list('db')).toEqual([made]);
    await expect(snapshots.createOne('db', 's')).rejects.toThrow("has a snapshot 's' already");
  });

  it('is degraded while a replica does not have it', async () => {
    const [first = '', ...others] = await replicas();
    expect(await taken(others)).toMatchObject({
      state: 'degraded',
      waitingFor: expect.stringMatching(/^a copy of it to 'node00[123]'$/),
    });
    await heads({ members: [first, ...others] });
    await harness.clock.run(50);
    expect(snapshots.get('db', 's').state).toBe('complete');
    expect(snapshots.get('db', 's').waitingFor).toBeUndefined();
  });

  it('is not wanted any more when nobody took it in time', async () => {
    const { status, reason } = (await settledIn(
      harness,
      snapshots.createOne('db', 's'),
      takingMsMax + 100,
    )) as PromiseRejectedResult;
    expect([status, String(reason)]).toEqual(['rejected', expect.stringContaining('within 40 s')]);
    expect(await records.get('db', 's')).toMatchObject({ state: 'deleting' });
  });

  it('is told of as it was not taken', async () => {
    const creating = snapshots.createOne('db', 's');
    await asked(creating);
    await heads({ state: 'taking' });
    await heads({ state: 'deleting', trouble: 'no space' });
    await records.forget('db', 's', (await records.get('db', 's')) ?? expect.fail());
    await harness.clock.run(50);
    await expect(creating).rejects.toThrow("volume 'db' has no snapshot 's': no space");
  });

  it('is wanted anew under a name that is being deleted, and what is left of that is known', async () => {
    const before = await taken(await replicas());
    await asked(snapshots.delete('db', 's'));
    expect(snapshots.list('db')).toEqual([]);
    await asked(snapshots.createOne('db', 's'));
    const found = await records.get('db', 's');
    expect(found).toMatchObject({ state: 'wanted', rests: [before.uuid] });
    expect(found?.uuid).not.toBe(before.uuid);
  });

  it('is of one volume that there is', async () => {
    await expect(snapshots.createOne('log', 's')).rejects.toThrow("no volume 'log'");
    await expect(snapshots.createOne('db', 'a/b')).rejects.toThrow('1 to 63 letters');
    const both = ['x', 'y'].map((name) => ({ volume: 'db', name }));
    await expect(snapshots.create(both)).rejects.toThrow('several volumes at one moment');
    await expect(snapshots.create([])).rejects.toThrow('at least one');
  });
});

describe('the deletion of a snapshot', () => {
  it('is done when its record is gone', async () => {
    await taken(await replicas());
    const deleting = snapshots.delete('db', 's');
    await asked(deleting);
    expect(snapshots.get('db', 's')).toMatchObject({
      state: 'deleting',
      waitingFor: expect.stringContaining('to be deleted by'),
    });
    await records.forget('db', 's', (await records.get('db', 's')) ?? expect.fail());
    await harness.clock.run(50);
    await deleting;
    await expect(snapshots.delete('db', 's')).rejects.toThrow("no snapshot 's'");
  });

  it('goes before that of its volume, which takes the records of the rest with it', async () => {
    await taken(await replicas());
    await taken(await replicas(), 't');
    await expect(harness.volumes.delete('db')).rejects.toThrow('it has 2 snapshots');
    for (const name of ['s', 't']) await heads({ state: 'deleting' }, name);
    const deleting = harness.volumes.delete('db');
    await asked(deleting);
    for (const { node, uuid: replica } of (await harness.record('db'))?.replicas ?? []) {
      await harness.says(Number(node.slice(-12)), { db: { replica, state: 'discarded' } });
    }
    await harness.clock.run(1_000);
    await deleting;
    expect(await harness.record('db')).toBeUndefined();
    expect(await records.list('db')).toEqual([]);
  });

  it('of a volume is decided anew when one is wanted meanwhile', async () => {
    let creating: Promise<unknown> = Promise.resolve();
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      creating = snapshots.createOne('db', 's');
      await new Promise(setImmediate);
    };
    const { reason } = (await settledIn(harness, harness.volumes.delete('db'))) as PromiseRejectedResult;
    expect(String(reason)).toContain('it has a snapshot');
    await asked(creating);
    expect(await records.get('db', 's')).toMatchObject({ state: 'wanted' });
  });
});

describe('snapshots of all volumes', () => {
  it('are told in pages of whole volumes, by name too', async () => {
    await taken(await replicas());
    await taken(await replicas(), 't');
    const named = (wanted: { countMax: number; after?: string; name?: string }) => {
      const { snapshots: found, next } = snapshots.listAll(wanted);
      return [found.map(({ name }) => name), next];
    };
    expect(named({ countMax: 1 })).toEqual([['s', 't'], undefined]);
    expect(named({ countMax: 9, name: 't' })).toEqual([['t'], undefined]);
    const { volumeUuid } = snapshots.get('db', 's');
    expect(named({ countMax: 9, after: volumeUuid })).toEqual([[], undefined]);
    expect(() => snapshots.listAll({ countMax: 0 })).toThrow('1 to 10000');
  });
});

describe('a leader', () => {
  it('gives up what nobody asks for any more and nobody has taken', async () => {
    await asked(snapshots.createOne('db', 's'));
    await heads({ state: 'taking' });
    await lead(giveUpMs - lookMs);
    await heads({ state: 'taking', uuid: '00000000-0000-4000-8000-0000000000ff' }); // another attempt
    expect(await records.get('db', 's')).toMatchObject({ state: 'taking' });
    await lead(giveUpMs + lookMs);
    expect(await records.get('db', 's')).toMatchObject({
      state: 'deleting',
      trouble: expect.stringContaining('not taken in time'),
    });
    expect(await harness.told()).toContain('db SnapshotNotTaken');
  });

  it('says that one is lost when no member has it any more, and only then', async () => {
    await taken(await replicas());
    await lead(2 * lookMs);
    expect(await records.get('db', 's')).toMatchObject({ state: 'complete' });
    await heads({ members: [] });
    await lead(2 * lookMs);
    expect(await records.get('db', 's')).toMatchObject({ state: 'deleting' });
    expect(await harness.told()).toContain('db SnapshotLost');
  });
});

describe('a volume that is made of a snapshot', () => {
  const clone = async (wish: Partial<VolumeWish> = {}) => {
    const source = { volume: 'db', snapshot: 's' };
    const making = harness.volumes.create({ name: 'copy', source, ...wish });
    await asked(making);
    return harness.record('copy');
  };
  const origins = async () => (await harness.record('copy'))?.replicas.map(({ origin }) => origin).sort();

  it('begins on the nodes that have it, all in sync, and holds it until it is made', async () => {
    const [first = '', ...others] = await replicas();
    const { uuid, volumeUuid } = await taken(others);
    const record = await clone();
    expect(record).toMatchObject({ state: 'creating', origin: { volume: volumeUuid, snapshot: uuid } });
    expect(await origins()).toEqual(others.sort());
    expect(record?.sizeBytes).toBe(1n << 24n);
    const mirror = await harness.mirrors.get('copy');
    expect(mirror?.record.members.every(({ inSync }) => inSync)).toBe(true);
    expect(await records.get('db', 's')).toMatchObject({ cloning: ['copy'] });
    expect(await records.get('copy', baseSnapshotName)).toMatchObject({
      ...{ state: 'complete', uuid: record?.uuid, members: record?.replicas.map((one) => one.uuid) },
    });
    // What no user has taken nobody is told of, nor can delete.
    expect(snapshots.list('copy')).toEqual([]);
    await expect(snapshots.delete('copy', baseSnapshotName)).rejects.toThrow('no snapshot');

    await asked(snapshots.delete('db', 's'));
    expect(snapshots.get('db', 's').waitingFor).toBe('volumes that are being made of it: copy');
    await expect(harness.volumes.delete('db')).rejects.toThrow('it has a snapshot');
    await expect(snapshots.createOne('db', 's')).rejects.toThrow('are being made of the snapshot');
    await lead(2 * lookMs);
    expect(await records.get('db', 's')).toMatchObject({ cloning: ['copy'] });
    await harness.allThere('copy');
    await harness.clock.run(100);
    expect(await harness.record('copy')).toMatchObject({ state: 'ready' });
    await lead(2 * lookMs);
    expect((await records.get('db', 's'))?.cloning).toBeUndefined();
    expect(first).not.toBe('');
  });

  it('lets it go, too, when it is not to be made any more', async () => {
    await taken(await replicas());
    await clone();
    await asked(harness.volumes.delete('copy'));
    await lead(2 * lookMs);
    expect((await records.get('db', 's'))?.cloning).toBeUndefined();
  });

  it('is as large as it, or larger, and as its origin where nothing else is wished', async () => {
    await taken(await replicas());
    await expect(clone({ sizeBytes: 1n << 23n })).resolves.toBeUndefined();
    const { wishes } = (await harness.record('db')) ?? {};
    expect(await clone({ sizeBytes: 1n << 25n })).toMatchObject({ sizeBytes: 1n << 25n, wishes });
    const small = { name: 'small', source: { volume: 'db', snapshot: 's' }, sizeBytes: 1n << 23n };
    await expect(harness.volumes.create(small)).rejects.toThrow('at least the 16777216 bytes');
    await expect(harness.volumes.create({ name: 'none' })).rejects.toThrow('sizeBytes');
  });

  it('is refused where fewer nodes have it than have to be in sync, or it is not there', async () => {
    const [first = ''] = await replicas();
    await taken([first]);
    const source = { volume: 'db', snapshot: 's' };
    await expect(harness.volumes.create({ name: 'c', source })).rejects.toThrow(
      'it does not have the snapshot yet',
    );
    expect(await clone({ replicas: 3, minInSync: 1 })).toMatchObject({ replicas: [{ origin: first }] });
    await heads({ state: 'deleting' });
    await harness.clock.run(50);
    await expect(harness.volumes.create({ name: 'd', source })).rejects.toThrow("no snapshot 's'");
  });

  it('is refused when the snapshot goes at that moment', async () => {
    await taken(await replicas());
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      await heads({ state: 'deleting' });
    };
    const source = { volume: 'db', snapshot: 's' };
    await expect(harness.volumes.create({ name: 'c', source })).rejects.toThrow("no snapshot 's'");
    expect(await harness.record('c')).toBeUndefined();
  });
});
