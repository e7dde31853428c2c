// A node of the cluster with a fake engine and a real store in memory: what the records want is made so.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NodeVolume } from '../../../src/agent/node-volume.js';
import { NodeVolumes, retryMs } from '../../../src/agent/node-volumes.js';
import { PoolNames } from '../../../src/agent/pool-names.js';
import type { WantedVolume } from '../../../src/agent/types.js';
import { replicaNqn } from '../../../src/base/nqn.js';
import { replicaDataName } from '../../../src/base/replica-spec.js';
import { volumeKey } from '../../../src/cluster/model/keys.js';
import { nobody, type StoredMirror } from '../../../src/mirrors/record.js';
import { MirrorRecords } from '../../../src/mirrors/records.js';
import { baseSnapshotName, SnapshotRecords } from '../../../src/mirrors/snapshot-records.js';
import { StoreBridge } from '../../../src/mirrors/store-bridge.js';
import { gib, PoolHarness } from '../../support/pool-harness.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const here = { node: uuid('1'), replica: uuid('a') };
const there = { node: uuid('2'), replica: uuid('b') };
const address = { host: '127.0.0.1', port: 4430 };
const hostOf = (node: string) => `nqn.2014-08.org.nvmexpress:uuid:${node}`;
const db: WantedVolume = {
  revision: 1n,
  name: 'db',
  uuid: uuid('9'),
  nqn: `nqn.2026-11.dev.ballast:volume:${uuid('9')}`,
  ...{ sizeBytes: 1n << 24n, thick: false, state: 'ready', pool: 'p', head: here.node },
  replicas: [here, there].map((place) => ({ ...place, address, hostNqn: hostOf(place.node), up: true })),
  members: [here.replica, there.replica],
};
const newMirror: StoredMirror = {
  volumeUuid: db.uuid,
  record: {
    ...{ revision: 0n, epoch: 0n, head: nobody, headStopped: true, minInSync: 1 },
    members: [here, there].map(({ replica }) => ({ uuid: replica, inSync: true, sealedEpoch: 0n })),
    ...{ blockSizeBytes: 4096, blocksCount: 4096n },
  },
};
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

let pools: PoolHarness;
let records: MirrorRecords;
let node: NodeVolumes;

async function start(): Promise<void> {
  const { engine, store, clock, log } = pools;
  const bridge = new StoreBridge({
    records,
    log,
    clock,
    answer: (volume, answer) => engine.answerStore(volume, answer),
  });
  node = new NodeVolumes({
    ...{ engine, store, records, bridge, clock, log, node: here.node, onFacts: () => undefined },
    host: { hostNqn: 'nqn.2026-11.dev.ballast:host:1', hostId: uuid('1') },
    ...{ snapshots: new SnapshotRecords(store), onHead: () => undefined },
  });
  engine.listenToMirrors({
    onStoreRequest: (request) => bridge.request(request),
    onHeadState: (volume, state) => node.onHeadState(volume, state),
    onSeal: (replica, sealed) => node.onSeal(replica, sealed),
  });
  node.start();
}

beforeEach(async () => {
  pools = new PoolHarness();
  await pools.start();
  await pools.pool('p');
  records = new MirrorRecords(pools.store);
  await start();
});
afterEach(async () => {
  await node.close();
  await pools.close();
});

const said = async () => [...(await node.facts()).values()];
const called = (verb: string) => pools.engine.calls.filter((call) => call.startsWith(verb));

describe('a new volume', () => {
  it('has a whole replica, is served as standby, and gets its head where that is wanted', async () => {
    await records.swap('db', newMirror);
    await node.apply([db]);
    await settled();
    expect(pools.engine.mirrors.asked).toEqual([
      expect.objectContaining({
        name: here.replica,
        pool: 'p',
        volume: `replica.${here.replica}`,
        content: 'complete',
      }),
    ]);
    expect(pools.engine.volumes[0]).toMatchObject({ name: 'db', kind: 'mirror', nqn: db.nqn, uuid: db.uuid });
    const head = pools.engine.mirrors.head('db');
    expect(called('promote')).toEqual(['promote db']);
    expect(head.options).toMatchObject({
      node: here.node,
      members: [
        { uuid: here.replica, replica: here.replica },
        { uuid: there.replica, address },
      ],
    });
    // What the head asks of the store is done there.
    const answer = await pools.engine.mirrors.ask('db', { epoch: 1n, head: here.node, headStopped: false });
    expect(answer.kind).toBe('stored');
    pools.engine.mirrors.listeners?.onHeadState?.('db', 'serving');
    await settled();
    expect(await said()).toEqual([
      { replica: here.replica, state: 'serving', hostsRevision: 1n, sizeMaxBytes: 1n << 28n },
    ]);
  });

  it('waits for its record, and for its pool', async () => {
    await node.apply([db]);
    const error = 'its record is not in the store yet';
    expect(await said()).toMatchObject([{ state: 'absent', error }]);
    pools.engine.fail('createPoolVolume', new Error('the pool is full'));
    await records.swap('db', newMirror);
    await settled();
    expect(await said()).toMatchObject([{ state: 'absent', error: 'the pool is full' }]);
    pools.clock.advance(retryMs);
    await settled();
    expect((await said())[0]).not.toHaveProperty('error');
    expect(called('addVolume')).toEqual(['addVolume db']);
  });

  it('is made by the record that was heard of, where that is of this volume', async () => {
    const get = vi.spyOn(records, 'get');
    const creating = { ...db, state: 'creating' } as const;
    await records.swap('db', newMirror);
    await settled();
    await node.apply([creating]);
    expect(await said()).toMatchObject([{ state: 'standby' }]);
    expect(get).not.toHaveBeenCalled();
    // As of a volume of before with the same name.
    await records.swap('other', { ...newMirror, volumeUuid: uuid('9') });
    await settled();
    await node.apply([creating, { ...creating, name: 'other', uuid: uuid('8') }]);
    expect(get.mock.calls).toEqual([['other']]);
  });

  it('is made once, however often it is wanted', async () => {
    await records.swap('db', newMirror);
    await Promise.all([node.apply([db]), node.apply([db]), node.apply([db])]);
    await node.apply([{ ...db }]);
    expect(called('createPoolVolume')).toHaveLength(1);
    expect(called('addVolume')).toHaveLength(1);
  });
});

describe('a volume that has been written', () => {
  const written: StoredMirror = {
    ...newMirror,
    record: { ...newMirror.record, epoch: 4n, head: there.node, headStopped: false },
  };

  it('gets a replica without content where there is none, as only a copy can make it whole', async () => {
    await records.swap('db', written);
    await node.apply([db]);
    expect(pools.engine.mirrors.asked[0]).toMatchObject({ content: 'nothing' });
  });

  it('is taken over when its head lets go of the replica', async () => {
    await records.swap('db', written);
    await node.apply([
      { ...db, replicas: db.replicas.map((one) => ({ ...one, up: one.node === here.node })) },
    ]);
    pools.engine.mirrors.listeners?.onSeal?.(here.replica, true);
    pools.clock.advance(60_000);
    await settled();
    expect(called('promote')).toEqual([]);
    pools.engine.mirrors.listeners?.onSeal?.(here.replica, false);
    pools.clock.advance(1000);
    await settled();
    expect(called('promote')).toEqual(['promote db']);
  });

  it('hears of its record by the store', async () => {
    await records.swap('db', written);
    await node.apply([db]);
    const stored = await records.get('db');
    if (stored === undefined) throw new Error('no record');
    await records.swap('db', { ...stored, record: { ...stored.record, epoch: 5n, headStopped: true } });
    await settled();
    expect(pools.engine.mirrors.head('db').options.record).toMatchObject({ epoch: 5n, headStopped: true });
    expect(called('promote')).toEqual(['promote db']);
  });

  it('has as members what is wanted, changed by its head one at a time', async () => {
    const third = { node: uuid('3'), replica: uuid('c'), address, hostNqn: hostOf(uuid('3')), up: true };
    const wanted = {
      ...{ ...db, replicas: [...db.replicas, third], members: [here.replica, third.replica] },
    };
    await serving();
    await node.apply([wanted]);
    const members = () =>
      records.get('db').then((stored) => stored?.record.members.map(({ uuid: one }) => one));
    await settled();
    pools.clock.advance(retryMs);
    await settled();
    expect(await members()).toEqual([here.replica, nobody, third.replica]);
    const before = pools.engine.calls.length;
    pools.clock.advance(10 * retryMs);
    await settled();
    expect(pools.engine.calls.slice(before)).toEqual([]); // it is as it should be
    // Heads of the third node may use the replica here, too.
    const heads = [...db.replicas, third].map(({ hostNqn }) => hostNqn).join(' ');
    expect(called('setHosts')).toEqual([`setHosts ${replicaNqn(here.replica)} ${heads}`]);
  });

  describe('that is to become larger', () => {
    const larger = { ...db, sizeBytes: 1n << 25n };
    const blocks = async () => (await records.get('db'))?.record.blocksCount;

    it('is made so by its head, and hosts are told', async () => {
      await serving();
      await node.apply([larger]);
      await settled();
      expect(await blocks()).toBe(8192n);
      expect(called('resizeMirror')).toEqual(['resizeMirror db']);
      const before = pools.engine.calls.length;
      pools.clock.advance(10 * retryMs);
      await settled();
      expect(pools.engine.calls.slice(before)).toEqual([]);
    });

    it('stays as it is while a member is not in sync, and is made so then', async () => {
      await serving();
      const members = (inSync: boolean) =>
        pools.engine.mirrors
          .head('db')
          .record.members.map((one) => (one.uuid === there.replica ? { ...one, inSync } : one));
      await pools.engine.mirrors.ask('db', { members: members(false) });
      await node.apply([larger]);
      pools.clock.advance(10 * retryMs);
      await settled();
      expect(await blocks()).toBe(4096n);
      expect(called('growMirror')).toEqual([]);
      await pools.engine.mirrors.ask('db', { members: members(true) });
      await settled();
      expect(await blocks()).toBe(8192n);
    });

    it('says what keeps a member from it, and tries again', async () => {
      await serving();
      pools.engine.mirrors.growthTrouble = 'member b did not become larger: no space';
      await node.apply([larger]);
      pools.clock.advance(retryMs);
      await settled();
      expect(await said()).toMatchObject([
        { state: 'serving', error: 'member b did not become larger: no space' },
      ]);
      pools.engine.mirrors.growthTrouble = undefined;
      pools.clock.advance(retryMs);
      await settled();
      expect(await blocks()).toBe(8192n);
      expect((await said())[0]).not.toHaveProperty('error');
    });

    it('is left alone where its head is elsewhere, and has all of it where it is made now', async () => {
      await records.swap('db', newMirror);
      await node.apply([{ ...larger, head: there.node }]);
      await settled();
      expect(called('growMirror')).toEqual([]);
      expect(called('removeVolume')).toEqual([]);
      // When it has grown, hosts find no other size here than there.
      const stored = await records.get('db');
      if (stored === undefined) throw new Error('no record');
      const record = {
        ...stored.record,
        epoch: 1n,
        head: there.node,
        headStopped: false,
        blocksCount: 8192n,
      };
      await records.swap('db', { ...stored, record });
      await settled();
      expect(called('removeVolume')).toEqual(['removeVolume db']);
      expect(called('addVolume')).toEqual(['addVolume db', 'addVolume db']);
      expect(await said()).toMatchObject([{ state: 'standby' }]);
      expect((await pools.engine.poolVolumes('p')).map(({ sizeBytes }) => sizeBytes)).toContain(1n << 25n);
    });
  });

  it('lets in the hosts that are wanted, as they change', async () => {
    await serving();
    await node.apply([{ ...db, hosts: [hostOf(uuid('7'))] }]);
    expect(pools.engine.volumes[0]).toMatchObject({ hosts: [hostOf(uuid('7'))] });
  });

  it('says by which record hosts are let in, not before the others are gone', async () => {
    await serving();
    const next = { ...db, hosts: [hostOf(uuid('7'))], revision: 8n };
    pools.engine.fail('setHosts', new Error('their I/O does not end'));
    await node.apply([next]);
    expect(await said()).toMatchObject([{ hostsRevision: 1n, error: 'their I/O does not end' }]);
    pools.clock.advance(retryMs);
    await settled();
    expect(await said()).toMatchObject([{ hostsRevision: 8n }]);
    await node.apply([{ ...next, revision: 9n }]); // nothing of it is for hosts
    expect(await said()).toMatchObject([{ hostsRevision: 9n }]);
  });

  it('says so too where it cannot be served: no host can use it there', async () => {
    await node.apply([{ ...db, revision: 5n }]);
    expect(await said()).toMatchObject([{ state: 'absent', hostsRevision: 5n }]);
  });

  it('is handed over at the end: its head ends in order, and none begins', async () => {
    await serving();
    const handing = node.handOver();
    await settled();
    expect(called('demote')).toEqual(['demote db']);
    expect(pools.engine.anaStates.get('db')).toBe('inaccessible');
    pools.clock.advance(60_000);
    await handing;
    expect(called('promote')).toHaveLength(1);
    expect(pools.engine.volumes).toHaveLength(1); // until the engine closes
  });

  it('is handed over when another node has taken over, its members sealed and agreed on', async () => {
    await serving();
    let isOver = false;
    const handing = node.handOver().then(() => {
      isOver = true;
    });
    await settled();
    const members = await changeRecord({ epoch: 2n, head: there.node, headStopped: false });
    expect(isOver).toBe(false); // claimed, and it may need the replica here
    await changeRecord({ members: members.map((member) => ({ ...member, sealedEpoch: 2n })) });
    expect(isOver).toBe(true);
    await handing;
  });

  it('waits as well for a head that has claimed what was drained from here before', async () => {
    await records.swap('db', { ...newMirror, record: claimedThere });
    await node.apply([db]);
    await settled();
    let isOver = false;
    const handing = node.handOver().then(() => {
      isOver = true;
    });
    await settled();
    expect(isOver).toBe(false);
    const { members } = claimedThere;
    await changeRecord({ members: members.map((member) => ({ ...member, sealedEpoch: 2n })) });
    expect(isOver).toBe(true);
    await handing;
    expect(called('demote')).toEqual([]);
  });

  it('keeps nobody waiting whose replica the next head does not need', async () => {
    const members = claimedThere.members.map((member) => ({
      ...member,
      inSync: member.uuid !== here.replica,
    }));
    await records.swap('db', { ...newMirror, record: { ...claimedThere, members } });
    await node.apply([db]);
    await settled();
    await node.handOver();
    expect(called('demote')).toEqual([]);
  });

  it('is handed over at once when there is nobody who could take over', async () => {
    await serving();
    const replicas = db.replicas.map((one) => ({ ...one, up: one.replica === here.replica }));
    await node.apply([{ ...db, replicas }]);
    await node.handOver();
    expect(called('demote')).toEqual(['demote db']);
  });
});

/** The head there has not sealed its members yet. */
const claimedThere = { ...newMirror.record, epoch: 2n, head: there.node, headStopped: false };

/** As another node does it; resolves to the members of before. */
async function changeRecord(to: Partial<StoredMirror['record']>): Promise<StoredMirror['record']['members']> {
  const stored = await records.get('db');
  if (stored === undefined) throw new Error('no record');
  await records.swap('db', { ...stored, record: { ...stored.record, ...to } });
  await settled();
  return stored.record.members;
}

/** Its head is here. */
async function serving(): Promise<void> {
  await records.swap('db', newMirror);
  await node.apply([db]);
  await settled();
  await pools.engine.mirrors.ask('db', { epoch: 1n, head: here.node, headStopped: false });
  pools.engine.mirrors.listeners?.onHeadState?.('db', 'serving');
  pools.engine.mirrors.listeners?.onSeal?.(here.replica, true);
  await settled();
}

it('deletes no data by a record that is older than the order', async () => {
  const { engine, clock, log } = pools;
  const leaving = { ...db, members: [there.replica], head: there.node };
  // The store has it as a member; what was heard of it is from before it became one.
  const stored = { ...newMirror, record: { ...newMirror.record, revision: 9n, epoch: 2n, head: there.node } };
  const volume = new NodeVolume(
    {
      ...{ engine, clock, log, node: here.node, host: { hostNqn: hostOf(here.node), hostId: here.node } },
      poolNames: new PoolNames(engine),
      records: { get: async () => stored },
      bridge: { serve: () => undefined },
      snapshots: {
        forgetMember: async () => undefined,
        list: async () => [],
        noteBase: async () => undefined,
      },
    },
    leaving,
  );
  await engine.createPoolVolume('p', {
    ...{ name: replicaDataName(here.replica), uuid: here.replica, sizeBytes: 1n << 24n },
  });
  volume.setRecord({ ...stored.record, revision: 8n, members: stored.record.members.slice(1) });
  await volume.ensure(leaving);
  expect(await inPool()).toContain(replicaDataName(here.replica));
  expect((await volume.facts()).state).not.toBe('discarded');
  await volume.close();
});

const inPool = async () => (await pools.engine.poolVolumes('p')).map(({ name }) => name);

describe('a volume that is being made', () => {
  it('has no head before all its replicas are there', async () => {
    await records.swap('db', newMirror);
    await node.apply([{ ...db, state: 'creating' }]);
    pools.clock.advance(60_000);
    await settled();
    expect(await said()).toMatchObject([{ state: 'standby' }]);
    expect(called('promote')).toEqual([]);
    await node.apply([db]);
    await settled();
    expect(called('promote')).toEqual(['promote db']);
  });
});

describe('the data of a replica', () => {
  it('is deleted when its volume is, and that is said for as long as it is wanted', async () => {
    await serving();
    await pools.engine.createPoolVolume('p', { name: 'other', uuid: uuid('6'), sizeBytes: 1n << 24n });
    await node.apply([{ ...db, state: 'deleting' }]);
    expect(pools.engine.volumes).toEqual([]);
    expect(await inPool()).toEqual(['other']);
    expect(await said()).toMatchObject([{ replica: here.replica, state: 'discarded' }]);
    await node.apply([]);
    expect(await said()).toEqual([]);
  });

  describe('of a clone', () => {
    const origin = uuid('7');
    const clone = { ...db, originSnapshot: uuid('8'), originReplica: origin };
    const data = `replica.${here.replica}`;
    const content = () => pools.engine.mirrors.asked.at(-1)?.content;
    const hasOrigin = async () => {
      const { engine } = pools;
      await engine.createPoolVolume('p', { name: `replica.${origin}`, uuid: origin, sizeBytes: 1n << 24n });
      const [taken] = await engine.createPoolSnapshots('p', [
        { volume: `replica.${origin}`, name: 's', uuid: uuid('8') },
      ]);
      expect(taken?.uuid).toBe(uuid('8'));
    };
    /** As the controller makes it. */
    const hasBase = async () => {
      const known = { revision: 0n, begun: 0n, uuid: clone.uuid, createdAt: 0, sizeBytes: 0n, rests: [] };
      const members = [here.replica, there.replica];
      const base = { ...known, state: 'complete', members, carrying: [] } as const;
      await new SnapshotRecords(pools.store).put('db', baseSnapshotName, base);
    };

    it('is made of the snapshot in its pool, and is whole', async () => {
      await hasOrigin();
      await hasBase();
      await records.swap('db', newMirror);
      await node.apply([clone]);
      const [made] = (await pools.engine.poolVolumes('p')).filter(({ name }) => name === data);
      expect(made?.originUuid).toBe(uuid('8'));
      expect(content()).toBe('complete');
      expect(await pools.engine.poolSnapshots('p', data)).toMatchObject([
        { name: baseSnapshotName, uuid: clone.uuid },
      ]);
      await node.apply([{ ...clone, state: 'deleting' }]);
      expect(await inPool()).toEqual([`replica.${origin}`]);
    });

    it('says by its disk whether it has what the first ones have in common', async () => {
      await hasOrigin();
      await records.swap('db', newMirror);
      const snapshots = new SnapshotRecords(pools.store);
      const isKnown = async () =>
        (await snapshots.get('db', baseSnapshotName))?.members.includes(here.replica);
      // The records of a lost store were made anew: who has it is not among them.
      await pools.store.commit([], [{ type: 'put', key: volumeKey('db'), value: Buffer.from('of now') }]);
      const { revision = 0n } = (await pools.store.get(volumeKey('db'))) ?? {};
      await node.apply([{ ...clone, revision }]);
      expect(await isKnown()).toBe(true);
      await node.apply([]);
      await pools.engine.deletePoolSnapshot('p', data, baseSnapshotName);
      await changeRecord({ epoch: 2n, head: there.node });
      await node.apply([{ ...clone, revision }]);
      expect(await isKnown()).toBe(false);
    });

    it('is not made without the snapshot, and says so', async () => {
      await hasOrigin();
      await hasBase();
      await records.swap('db', newMirror);
      await node.apply([{ ...clone, originSnapshot: uuid('6') }]);
      expect(await said()).toMatchObject([
        { state: 'absent', error: expect.stringContaining("is not in 'p'") },
      ]);
      expect(await inPool()).toEqual([`replica.${origin}`]);
    });

    it('is empty where it comes later, or was written since, and nobody takes it for whole', async () => {
      await hasOrigin();
      await records.swap('db', newMirror);
      const { originReplica: _, ...later } = clone;
      await node.apply([later]);
      expect(content()).toBe('nothing');
      await node.apply([{ ...later, state: 'deleting' }]);
      await node.apply([]);
      await changeRecord({ epoch: 2n, head: there.node });
      await node.apply([clone]);
      expect(content()).toBe('nothing');
      const [made] = (await pools.engine.poolVolumes('p')).filter(({ name }) => name === data);
      expect(made?.originUuid).toBe('');
    });
  });

  it('goes with its snapshots', async () => {
    await serving();
    const { engine } = pools;
    const snapshot = { volume: `replica.${here.replica}`, name: 's', uuid: uuid('6') };
    await engine.createPoolSnapshots('p', [snapshot]);
    await node.apply([{ ...db, state: 'deleting' }]);
    expect(await inPool()).toEqual([]);
    expect(await said()).toMatchObject([{ state: 'discarded' }]);
  });

  it('that is made anew, as its disk was replaced, is not said to have the snapshots of before', async () => {
    const snapshots = new SnapshotRecords(pools.store);
    const known = { revision: 0n, begun: 0n, uuid: uuid('6'), createdAt: 0, sizeBytes: 0n, rests: [] };
    const members = [here.replica, there.replica];
    await snapshots.put('db', 's', { ...known, state: 'complete', members, carrying: [] });
    await records.swap('db', { ...newMirror, record: { ...newMirror.record, epoch: 2n, head: there.node } });
    await node.apply([db]);
    expect((await snapshots.get('db', 's'))?.members).toEqual([there.replica]);
  });

  it('of one that leaves stays a member while it alone has a snapshot', async () => {
    await serving();
    const { engine } = pools;
    const snapshots = new SnapshotRecords(pools.store);
    const known = { revision: 0n, begun: 0n, uuid: uuid('6'), createdAt: 0, sizeBytes: 0n, rests: [] };
    const at = { ...known, state: 'complete', members: [there.replica], carrying: [] } as const;
    const stored = await snapshots.put('db', 's', at);
    const leaving = { ...db, members: [here.replica] };
    await node.apply([leaving]);
    const isMember = async () =>
      (await records.get('db'))?.record.members.some((one) => one.uuid === there.replica);
    expect(await isMember()).toBe(true);
    expect(engine.mirrors.head('db').changing).toBe(false);
    await snapshots.put('db', 's', { ...stored, members: [there.replica, here.replica] });
    pools.clock.advance(retryMs);
    await settled();
    expect(await isMember()).toBe(false);
  });

  it('is found deleted after a restart, too', async () => {
    await node.apply([{ ...db, state: 'deleting' }]);
    expect(await said()).toMatchObject([{ state: 'discarded' }]);
  });

  it('of a replica that leaves is deleted when the mirror record has it no more, not before', async () => {
    const leaving = { ...db, members: [there.replica], head: there.node };
    await records.swap('db', { ...newMirror, record: { ...newMirror.record, epoch: 2n, head: there.node } });
    await node.apply([leaving]);
    await settled();
    expect(await inPool()).toContain(`replica.${here.replica}`);
    const stored = await records.get('db');
    if (stored === undefined) throw new Error('no record');
    const members = stored.record.members.filter(({ uuid: one }) => one !== here.replica);
    await records.swap('db', { ...stored, record: { ...stored.record, members } });
    await settled();
    expect(await inPool()).toEqual([]);
    expect(await said()).toMatchObject([{ state: 'discarded' }]);
  });
});

describe('a volume that is not wanted here any more', () => {
  it('is not served, and its data stays in the pool', async () => {
    await records.swap('db', newMirror);
    await node.apply([db]);
    await node.apply([]);
    expect(pools.engine.volumes).toEqual([]);
    expect(pools.engine.mirrors.replicas.size).toBe(0);
    expect(await said()).toEqual([]);
    const names = (await pools.engine.poolVolumes('p')).map(({ name }) => name);
    expect(names).toEqual([`replica.${here.replica}`]);
  });

  it('is served still when it is wanted again before it could be removed', async () => {
    await records.swap('db', newMirror);
    await node.apply([db]);
    pools.engine.fail('removeVolume', new Error('no'));
    await node.apply([]);
    await node.apply([db]);
    expect((await said())[0]).not.toHaveProperty('error');
    expect(pools.engine.volumes).toHaveLength(1);
  });

  it('is tried again when that fails', async () => {
    await records.swap('db', newMirror);
    await node.apply([db]);
    pools.engine.fail('removeVolume', new Error('no'));
    await node.apply([]);
    expect(await said()).toHaveLength(1);
    pools.clock.advance(retryMs);
    await settled();
    expect(await said()).toEqual([]);
    expect(pools.engine.volumes).toEqual([]);
  });
});

it('no volume of a user begins as those of replicas do, and those are withheld', async () => {
  await expect(pools.volume(`replica.${uuid('e')}`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await pools.engine.createPoolVolume('p', {
    name: `replica.${uuid('e')}`,
    uuid: uuid('5'),
    sizeBytes: gib / 1024n,
  });
  await pools.start();
  expect(pools.served()).toEqual([]);
});
