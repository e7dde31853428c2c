// What is asked of the volumes of a cluster, answered by a controller that does not lead.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusalKey } from '../../../src/cluster/model/keys.js';
import { encodeRefusal } from '../../../src/cluster/model/refusal.js';
import { clusterStatus } from '../../../src/controller/health.js';
import type { VolumeWish } from '../../../src/controller/types.js';
import { nobody } from '../../../src/mirrors/record.js';
import { id } from '../cluster/placement-cluster.js';
import { ControllerHarness, settledIn } from './controller-harness.js';

const wish: VolumeWish = { name: 'db', sizeBytes: 1n << 24n, replicas: 2 };

let harness: ControllerHarness;
beforeEach(async () => {
  harness = new ControllerHarness();
  await harness.nodesUp(3);
});
afterEach(() => harness.close());

const create = (more: Partial<VolumeWish> = {}) =>
  settledIn(harness, harness.volumes.create({ ...wish, ...more }));

async function refusal(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  const result = await settledIn(harness, work);
  if (result.status === 'fulfilled') throw new Error('it was not refused');
  return result.reason;
}

/** As a leader and a head make it. */
async function ready(): Promise<void> {
  await create();
  const record = await harness.record('db');
  if (record === undefined) throw new Error('it was not made');
  const head = record.replicas[0]?.node ?? '';
  await harness.putVolume({ ...record, state: 'ready', head });
  await harness.changeMirror('db', { epoch: 1n, head, headStopped: false });
  await harness.clock.run(100);
}

describe('what is asked for while nodes refuse the store (D18)', () => {
  const said = {
    ...({ id: id(3), name: 'node003', kind: 'node', reason: 'it is an old copy' } as const),
    since: '2026-11-22T10:00:00.000Z',
  };

  it('is refused, with who says so and why, and is in the checks of the cluster', async () => {
    await ready();
    await harness.put(refusalKey(id(3)), encodeRefusal(said));
    await harness.clock.run(100);
    const asked = [
      () => harness.volumes.create({ ...wish, name: 'log' }),
      () => harness.volumes.delete('db'),
      () => harness.volumes.moveHead('db', 'node002'),
      () =>
        harness.volumes.grantHost(
          'db',
          'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001',
        ),
      () => harness.nodes.act('node001', 'decommission'),
    ];
    for (const ask of asked) {
      const { code, message } = await refusal(ask());
      expect(code).toBe('STORE_RESTORED');
      expect(message).toContain("node 'node003' says that it is an old copy");
    }
    expect(await harness.record('db')).toMatchObject({ state: 'ready' });
    const { nodes, volumes } = harness;
    const status = clusterStatus(nodes.list(), volumes.list(), 'c1', [], [said]);
    expect(status).toMatchObject({
      health: 'error',
      checks: [{ code: 'STORE_RESTORED', level: 'error' }, {}],
    });
  });
});

describe('a volume that is made', () => {
  it('has its record and its mirror record, all in sync and nobody its head', async () => {
    const { status } = await create();
    expect(status).toBe('fulfilled');
    const record = await harness.record('db');
    const stored = await harness.mirrors.get('db');
    expect(record).toMatchObject({ state: 'creating', wishes: { replicas: 2, minInSync: 1 } });
    expect(new Set(record?.replicas.map(({ node }) => node)).size).toBe(2);
    expect(stored).toMatchObject({
      volumeUuid: record?.uuid,
      record: { epoch: 0n, head: nobody, headStopped: true, minInSync: 1, blocksCount: 4096n },
    });
    const uuids = record?.replicas.map(({ uuid }) => uuid) ?? [];
    expect(stored?.record.members).toEqual(
      uuids.sort().map((uuid) => ({ uuid, inSync: true, sealedEpoch: 0n })),
    );
  });

  it('is answered when it can be used', async () => {
    const making = harness.volumes.create(wish);
    await harness.clock.run(50);
    await harness.lead();
    await harness.allThere('db');
    await harness.clock.run(200);
    await harness.serves('db');
    const made = await settledIn(harness, making, 1_000);
    expect(made).toMatchObject({ status: 'fulfilled', value: { state: 'ready', name: 'db' } });
  });

  it('is refused when there is one of its name, made or being made', async () => {
    const first = harness.volumes.create(wish);
    expect(await refusal(harness.volumes.create(wish))).toMatchObject({ code: 'DUPLICATE_VOLUME' });
    await settledIn(harness, first);
    expect(await refusal(harness.volumes.create(wish))).toMatchObject({ code: 'DUPLICATE_VOLUME' });
  });

  it('is refused when another controller was faster', async () => {
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      await harness.put('cluster/volumes/db', Buffer.from('{}'));
    };
    expect(await refusal(harness.volumes.create(wish))).toMatchObject({ code: 'DUPLICATE_VOLUME' });
  });

  it('is refused when there is no place, with the reason of each node', async () => {
    await harness.node(2, { state: 'cordoned' });
    await harness.isLost(3);
    await harness.clock.run(100);
    const refused = await refusal(harness.volumes.create(wish));
    expect(refused).toMatchObject({ code: 'NO_PLACEMENT' });
    expect(refused.message).toContain('node002: it is cordoned; node003: it does not answer');
    expect(await harness.record('db')).toBeUndefined();
  });

  it('counts what was made a moment ago and is not seen yet', async () => {
    const apart = { replicas: 1, apartGroup: 'g' };
    const names = ['a', 'b', 'c'];
    const all = Promise.allSettled(names.map((name) => harness.volumes.create({ ...wish, name, ...apart })));
    await harness.clock.run(11_000);
    await all;
    const records = await Promise.all(names.map((name) => harness.record(name)));
    const nodes = records.map((record) => record?.replicas[0]?.node);
    expect([...nodes].sort()).toEqual([id(1), id(2), id(3)]);
  });

  it('goes elsewhere when a node that was chosen is taken out meanwhile', async () => {
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      await harness.node(1, { state: 'decommissioned' });
    };
    const { status } = await create();
    expect(status).toBe('fulfilled');
    const record = await harness.record('db');
    expect(record?.replicas.map(({ node }) => node).sort()).toEqual([id(2), id(3)]);
  });

  it('is refused where it cannot be', async () => {
    expect(await refusal(harness.volumes.create({ ...wish, sizeBytes: 5n }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('a volume that is there', () => {
  beforeEach(ready);

  it('is found by name and by UUID', async () => {
    const { uuid } = harness.volumes.get('db');
    expect(harness.volumes.get(uuid.toUpperCase())).toMatchObject({ name: 'db', head: 'node001' });
    expect(harness.volumes.list()).toHaveLength(1);
    expect(await refusal((async () => harness.volumes.get('other'))())).toMatchObject({
      code: 'VOLUME_NOT_FOUND',
    });
  });

  it('is deleted; while hosts are let in only by force', async () => {
    await settledIn(harness, harness.volumes.grantHost('db', 'nqn.2014-08.org.nvmexpress:uuid:x'));
    expect(await refusal(harness.volumes.delete('db'))).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    await settledIn(harness, harness.volumes.delete('db', { force: true }));
    expect(await harness.record('db')).toMatchObject({ state: 'deleting' });
    expect((await harness.record('db'))?.head).toBeUndefined();
  });

  it('has its head moved to a node with a replica in sync that answers, and to no other', async () => {
    await settledIn(harness, harness.volumes.moveHead('db', 'node002'));
    expect(await harness.record('db')).toMatchObject({ head: id(2) });
    const move = (node: string) => refusal(harness.volumes.moveHead('db', node));
    expect(await move('node003')).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    expect(await move('nobody')).toMatchObject({ code: 'NODE_NOT_FOUND' });
    await harness.isLost(1);
    await harness.clock.run(100);
    expect(await move('node001')).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    await harness.says(1);
    const { record } = (await harness.mirrors.get('db')) ?? {};
    const there = (await harness.record('db'))?.replicas.find(({ node }) => node === id(1))?.uuid;
    const members = record?.members.map((one) => ({ ...one, inSync: one.uuid !== there })) ?? [];
    await harness.changeMirror('db', { members });
    await harness.clock.run(100);
    expect(await move('node001')).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
  });

  it.each(['cordoned', 'draining', 'evacuating'] as const)(
    'does not have its head moved to a node that is %s: it would not stay there',
    async (state) => {
      await harness.node(2, { state });
      await harness.clock.run(100);
      const refused = await refusal(harness.volumes.moveHead('db', 'node002'));
      expect(refused.code).toBe('CLUSTER_VOLUME_STATE');
      expect(refused.message).toContain(`cannot have its head on 'node002', which is ${state}`);
      expect(await harness.record('db')).toMatchObject({ head: id(1) });
    },
  );

  it('lets in who is named, and nobody when that is over; no node has said so here', async () => {
    const host = 'nqn.2014-08.org.nvmexpress:uuid:x';
    const granting = await refusal(harness.volumes.grantHost('db', host));
    expect(granting).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    expect(await harness.record('db')).toMatchObject({ hosts: [host] });
    await settledIn(harness, harness.volumes.revokeHost('db', host));
    expect(await harness.record('db')).toMatchObject({ hosts: [] });
  });

  it('becomes larger: the record says so when its head has done it', async () => {
    const growing = harness.volumes.resize('db', 1n << 25n);
    await harness.lead();
    await harness.clock.run(100);
    expect(await harness.record('db')).toMatchObject({ sizeBytes: 1n << 24n, wantedSizeBytes: 1n << 25n });
    const before = harness.volumes.get('db');
    expect(before).toMatchObject({ sizeBytes: 1n << 24n, wantedSizeBytes: 1n << 25n });
    expect(harness.volumes.explain('db').reasons).toContain(
      'it has 16 MiB, and is to have 32 MiB: its head makes all replicas larger when all of them are in sync',
    );
    await harness.changeMirror('db', { blocksCount: 8192n });
    const grown = await settledIn(harness, growing, 200);
    expect(grown).toMatchObject({ status: 'fulfilled', value: { sizeBytes: 1n << 25n } });
    expect(grown.status === 'fulfilled' && grown.value).not.toHaveProperty('wantedSizeBytes');
    expect(await harness.told()).toContain('db VolumeGrown');
  });

  it('answers what it waits for when it takes long to become larger, which may be taken back', async () => {
    const waiting = await settledIn(harness, harness.volumes.resize('db', 1n << 25n));
    expect(waiting).toMatchObject({
      status: 'fulfilled',
      value: { wantedSizeBytes: 1n << 25n, waitingFor: expect.stringContaining('before it becomes 32 MiB') },
    });
    const taken = await settledIn(harness, harness.volumes.resize('db', 1n << 24n), 100);
    expect(taken).toMatchObject({ status: 'fulfilled', value: { sizeBytes: 1n << 24n } });
    expect(await harness.record('db')).not.toHaveProperty('wantedSizeBytes');
  });

  it('is never made smaller, nor larger than its pools have room or its replicas were made for', async () => {
    const resize = (sizeBytes: bigint) => refusal(harness.volumes.resize('db', sizeBytes));
    expect(await resize(1n << 23n)).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    const full = await resize(201n << 30n);
    expect(full).toMatchObject({ code: 'NO_SPACE' });
    expect(full.message).toContain("node001: pool 'p' has 16 MiB of at most 200 GiB promised");
    expect(full.message).toContain("node002: pool 'p'");
    const { replicas = [] } = (await harness.record('db')) ?? {};
    const replica = replicas.find(({ node }) => node === id(2))?.uuid ?? '';
    await harness.says(2, { db: { replica, state: 'standby', sizeMaxBytes: 1n << 24n } });
    await harness.clock.run(100);
    const old = await resize(1n << 25n);
    expect(old).toMatchObject({ code: 'CLUSTER_VOLUME_STATE' });
    expect(old.message).toContain("its replica on 'node002' was made for at most 16777216 bytes");
    expect(await harness.record('db')).not.toHaveProperty('wantedSizeBytes');
  });

  it('counts with what it is to have: two that grow at once do not share one room', async () => {
    await create({ name: 'log', replicas: 3 });
    const both = Promise.allSettled([
      harness.volumes.resize('db', 150n << 30n),
      harness.volumes.resize('log', 150n << 30n),
    ]);
    await harness.clock.run(21_000);
    const [first, second] = await both;
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'NO_SPACE' } });
    const more = await refusal(
      harness.volumes.create({ ...wish, name: 'new', sizeBytes: 60n << 30n, replicas: 3 }),
    );
    expect(more).toMatchObject({ code: 'NO_PLACEMENT' });
  });

  it('is changed on top of what others changed meanwhile', async () => {
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      const record = await harness.record('db');
      if (record !== undefined) await harness.putVolume({ ...record, qos: { iops: 5_000 } });
    };
    await settledIn(harness, harness.volumes.moveHead('db', 'node002'));
    expect(await harness.record('db')).toMatchObject({ head: id(2), qos: { iops: 5_000 } });
  });
});
