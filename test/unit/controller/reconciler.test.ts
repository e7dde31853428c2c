// The leading controller over a store in memory.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../src/base/control-errors.js';
import { leaderKey, refusalKey, volumeKey } from '../../../src/cluster/model/keys.js';
import { encodeRefusal } from '../../../src/cluster/model/refusal.js';
import { addReplica, deleteVolume } from '../../../src/cluster/model/volume.js';
import { encodeMirror } from '../../../src/mirrors/record.js';
import { mirrorsPrefix } from '../../../src/mirrors/records.js';
import { id, poolOf } from '../cluster/placement-cluster.js';
import { ControllerHarness, replaceAfterMs } from './controller-harness.js';
import { made, membersOf, mirror, replicaOf, volume } from './step-cluster.js';

let harness: ControllerHarness;
beforeEach(async () => {
  harness = new ControllerHarness();
  await harness.nodesUp(4);
});
afterEach(() => harness.close());

/** Once, before the next commit of the leader. */
function meanwhile(work: () => Promise<unknown>): void {
  harness.beforeCommit = async () => {
    harness.beforeCommit = async () => {};
    await work();
  };
}

async function creating(): Promise<void> {
  await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record: mirror }));
  await harness.putVolume(made);
  await harness.allThere('db');
}

/** It has one replica more than it wishes for, all of them in sync. */
async function surplus(): Promise<void> {
  const record = { ...mirror, ...membersOf(1, 2, 3, 4) };
  await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record }));
  await harness.putVolume(addReplica(volume, { uuid: replicaOf(4), node: id(4), pool: 'p' }));
}

describe('a controller that leads', () => {
  it('makes the next step when something has changed', async () => {
    await harness.lead();
    await creating();
    await harness.clock.run(100);
    expect(await harness.record('db')).toMatchObject({ state: 'ready', head: id(1) });
    expect(await harness.told()).toContain('db VolumeReady');
  });

  it('makes none when another one has led since', async () => {
    await harness.lead();
    await harness.put(leaderKey, Buffer.from('another one'));
    await creating();
    await harness.clock.run(5_000);
    expect(await harness.record('db')).toMatchObject({ state: 'creating' });
  });

  it('makes none when its term is over, and ends', async () => {
    await harness.lead();
    await harness.endTerm();
    await creating();
    await harness.clock.run(5_000);
    expect(await harness.record('db')).toMatchObject({ state: 'creating' });
  });

  it('decides anew when somebody else has changed the record', async () => {
    await harness.lead();
    meanwhile(() => harness.putVolume({ ...made, hosts: ['nqn.2014-08.org.nvmexpress:uuid:x'] }));
    await creating();
    await harness.clock.run(200);
    expect(await harness.record('db')).toMatchObject({ state: 'ready', hosts: [expect.any(String)] });
  });

  it('takes no replica away by a mirror record that has changed meanwhile', async () => {
    await harness.lead();
    meanwhile(() => harness.changeMirror('db', membersOf(1, -2, 3, 4)));
    await surplus();
    await harness.clock.run(500);
    expect((await harness.record('db'))?.replicas).toHaveLength(3);
    expect((await harness.record('db'))?.leaving).toMatchObject([{ uuid: replicaOf(2) }]);
  });

  it('brings no replica to a node that is taken out meanwhile', async () => {
    await harness.lead();
    meanwhile(() => harness.node(4, { state: 'decommissioned' }));
    await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record: mirror }));
    await harness.putVolume(volume);
    await harness.node(3, { state: 'evacuating' });
    await harness.clock.run(500);
    expect((await harness.record('db'))?.replicas).toHaveLength(3);
  });

  it('tries again when the store is away', async () => {
    await harness.lead();
    await harness.clock.run(100);
    harness.beforeCommit = async () => {
      throw new StoreUnavailableError('commit', 'a test');
    };
    await creating();
    await harness.clock.run(1_000);
    expect(await harness.record('db')).toMatchObject({ state: 'creating' });
    harness.beforeCommit = async () => {};
    await harness.clock.run(600);
    expect(await harness.record('db')).toMatchObject({ state: 'ready' });
  });

  it('replaces a node when its time has come, and not before, with nothing else that happens', async () => {
    await harness.lead();
    const record = { ...mirror, ...membersOf(1, 2, -3) };
    await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record }));
    await harness.putVolume(volume);
    await harness.isLost(3);
    await harness.clock.run(replaceAfterMs - 1_000);
    expect((await harness.record('db'))?.replicas).toHaveLength(3);
    await harness.clock.run(2_000);
    expect((await harness.record('db'))?.replicas).toMatchObject([{}, {}, {}, { node: id(4) }]);
  });

  it('replaces a node that is to be copied to in the same way', async () => {
    await harness.node(5);
    await harness.says(5);
    await harness.lead();
    const record = { ...mirror, ...membersOf(1, 2, 3, -4) };
    await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record }));
    await harness.putVolume(addReplica(volume, { uuid: replicaOf(4), node: id(4), pool: 'p' }));
    await harness.node(3, { state: 'evacuating' });
    await harness.isLost(4);
    await harness.clock.run(replaceAfterMs + 1_000);
    expect((await harness.record('db'))?.replicas.map(({ node }) => node)).toContain(id(5));
  });

  it('goes on with what waits for room when a node says that it has some', async () => {
    await harness.says(4, {}, [poolOf('p', 0)]);
    await harness.lead();
    const record = { ...mirror, ...membersOf(1, 2, 3) };
    await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record }));
    await harness.putVolume(volume);
    await harness.node(3, { state: 'evacuating' });
    await harness.clock.run(1_000);
    expect((await harness.record('db'))?.replicas).toHaveLength(3);
    await harness.says(4);
    await harness.clock.run(100);
    expect((await harness.record('db'))?.replicas).toMatchObject([{}, {}, {}, { node: id(4) }]);
  });

  it('goes on with what waits for room when another volume makes some', async () => {
    const other = {
      ...{ ...volume, name: 'other', sizeBytes: 1n << 40n, head: id(4) },
      replicas: [{ uuid: replicaOf(9), node: id(4), pool: 'p' }],
      wishes: { ...volume.wishes, replicas: 1, minInSync: 1 },
    };
    await harness.putVolume(other);
    await harness.lead();
    const record = { ...mirror, ...membersOf(1, 2, 3) };
    await harness.put(mirrorsPrefix + made.name, encodeMirror({ volumeUuid: made.uuid, record }));
    await harness.putVolume(volume);
    await harness.node(3, { state: 'evacuating' });
    await harness.clock.run(1_000);
    expect((await harness.record('db'))?.replicas).toHaveLength(3);
    await harness.memory.commit([], [{ type: 'delete', key: volumeKey('other') }]);
    await harness.clock.run(600);
    expect((await harness.record('db'))?.replicas).toMatchObject([{}, {}, {}, { node: id(4) }]);
  });

  it('looks again at volumes that were as they should be when a node has changed', async () => {
    for (const name of ['one', 'two']) {
      await harness.put(mirrorsPrefix + name, encodeMirror({ volumeUuid: made.uuid, record: mirror }));
      await harness.putVolume({ ...volume, name });
    }
    await harness.lead();
    await creating();
    await harness.clock.run(1_000);
    await harness.node(1, { state: 'draining' });
    await harness.clock.run(100);
    for (const name of ['one', 'two', 'db']) {
      expect(await harness.record(name)).toMatchObject({ head: expect.not.stringMatching(id(1)) });
    }
  });

  it('takes the records of a volume away when the last replica is gone', async () => {
    await harness.lead();
    await surplus();
    await harness.putVolume({ ...deleteVolume(volume), replicas: [] });
    await harness.clock.run(200);
    expect(await harness.record('db')).toBeUndefined();
    expect(await harness.mirrors.get('db')).toBeUndefined();
  });

  it('makes none while a node refuses the store (D18), and goes on when none does', async () => {
    await harness.lead();
    const refusal = {
      ...({ id: id(2), name: 'node002', kind: 'node', reason: 'it is an old copy' } as const),
      since: '2026-11-22T10:00:00.000Z',
    };
    await harness.put(refusalKey(id(2)), encodeRefusal(refusal));
    await creating();
    await harness.clock.run(5_000);
    expect(await harness.record('db')).toMatchObject({ state: 'creating' });
    expect(await harness.told()).toEqual([' StoreRefused']);
    await harness.memory.commit([], [{ type: 'delete', key: refusalKey(id(2)) }]);
    await harness.clock.run(100);
    expect(await harness.record('db')).toMatchObject({ state: 'ready' });
    expect(await harness.told()).toContain(' StoreAccepted');
  });

  it('tells of nodes that come and go', async () => {
    await harness.lead();
    await harness.isLost(2);
    await harness.clock.run(100);
    await harness.says(2);
    await harness.clock.run(100);
    expect(await harness.told()).toEqual(['node002 NodeLost', 'node002 NodeUp']);
  });
});
