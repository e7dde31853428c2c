import { beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaPlace, sealMs, unusedMs } from '../../../src/agent/takeover.js';
import { retryMsMax, retryMsMin, VolumeRole } from '../../../src/agent/volume-role.js';
import { createLog } from '../../../src/base/log.js';
import { nobody } from '../../../src/mirrors/record.js';
import type { MirrorOptions, MirrorRecord } from '../../../src/native/mirror-types.js';
import { FakeClock } from '../../support/fake-clock.js';

const a: ReplicaPlace = { node: 'node-a', replica: 'a' };
const b: ReplicaPlace = { node: 'node-b', replica: 'b' };
const record: MirrorRecord = {
  ...{ revision: 7n, epoch: 3n, head: a.node, headStopped: false, minInSync: 1 },
  members: [a, b].map(({ replica }) => ({ uuid: replica, inSync: true, sealedEpoch: 3n })),
  ...{ blockSizeBytes: 4096, blocksCount: 256n },
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

class World {
  readonly clock = new FakeClock();
  readonly calls: string[] = [];
  stored: MirrorRecord | undefined = record;
  failure: Error | undefined;
  held: Promise<void> | undefined;
  /** The store answers then. */
  asked: Promise<void> | undefined;
  readonly role = new VolumeRole({
    name: 'db',
    volumeUuid: 'v',
    here: b,
    engine: {
      promoteMirror: (_volume, { record: { revision } }) => this.#call(`promote ${revision}`),
      demoteMirror: () => this.#call('demote'),
      setAnaState: (_volume, state) => this.#call(state),
    },
    readRecord: async () => {
      await this.asked;
      return this.stored;
    },
    mirrorOptions: async (of) => ({ record: of }) as MirrorOptions,
    serveStore: (uuid, { revision }) => void this.calls.push(`store ${uuid} ${revision}`),
    clock: this.clock,
    log: createLog('silent'),
  });

  async #call(what: string): Promise<void> {
    this.calls.push(what);
    await this.held;
    if (this.failure !== undefined) throw this.failure;
  }

  async after(ms: number): Promise<readonly string[]> {
    this.clock.advance(ms);
    await settled();
    return this.calls.splice(0);
  }

  /** And this node is to follow it. */
  headStops(): void {
    this.role.setCluster([a, b], b.node);
    this.becomes({ headStopped: true });
  }

  becomes(change: Partial<MirrorRecord>): void {
    this.stored = { ...record, ...change, revision: (this.stored?.revision ?? 0n) + 1n };
    this.role.setRecord(this.stored);
  }
}

let world: World;
beforeEach(() => {
  world = new World();
  world.role.setUsed(true);
  world.role.setRecord(record);
  world.role.setCluster([a, b], undefined);
  world.clock.advance(sealMs); // its head has sealed what it has
});

describe('the role of a node', () => {
  it('is standby while a head uses its replica', async () => {
    expect(await world.after(60_000)).toEqual([]);
    expect(world.role.state).toBe('standby');
  });

  it('is head when the head is gone: the store is told first, then the engine', async () => {
    world.role.setUsed(false);
    expect(await world.after(unusedMs - 1)).toEqual([]);
    expect(await world.after(1)).toEqual(['store v 7', 'promote 7']);
    expect(world.role.state).toBe('claiming');
    world.role.setState('serving');
    expect(await world.after(0)).toEqual(['optimized']); // hosts are told, once
    world.role.setUsed(true);
    world.becomes({ epoch: 4n, head: b.node });
    expect(await world.after(60_000)).toEqual([]);
    expect(world.role.state).toBe('serving');
  });

  it('is the first head by the record that is known, without a look at the store', async () => {
    const first = new World();
    first.stored = undefined; // it would be read in vain
    first.role.setRecord({ ...record, epoch: 0n, head: nobody, headStopped: true });
    first.role.setCluster([a, b], b.node);
    expect(await first.after(0)).toEqual(['store v 7', 'promote 7']);
    await first.role.close();
  });

  it('follows a head that has ended in order by the record that is known, once', async () => {
    world.headStops();
    world.stored = undefined; // it would be read in vain
    expect(await world.after(0)).toEqual(['store v 8', 'promote 8']);
    world.stored = { ...record, epoch: 5n, head: a.node, revision: 20n }; // it lost
    world.role.setState('fenced');
    expect(await world.after(60_000)).toEqual(['demote']);
  });

  it('is nothing else when the head comes back in time, or has put the replica out of the set', async () => {
    world.role.setUsed(false);
    world.role.setUsed(true);
    expect(await world.after(60_000)).toEqual([]);
    world.role.setUsed(false);
    world.becomes({ members: record.members.map((member) => ({ ...member, inSync: member.uuid === 'a' })) });
    expect(await world.after(60_000)).toEqual([]);
  });

  it('is decided anew when the store has another record than was known', async () => {
    world.role.setUsed(false);
    world.stored = { ...record, revision: 9n, headStopped: true };
    world.role.setCluster([a, b], a.node);
    expect(await world.after(unusedMs + 300)).toEqual([]);
    // The head has ended, and who is wanted comes first.
    expect(await world.after(10_000)).toEqual(['store v 9', 'promote 9']);
  });

  it('is decided anew when it was heard of another record while the store was asked', async () => {
    world.role.setUsed(false);
    let answer = () => {};
    world.asked = new Promise((resolve) => {
      answer = resolve;
    });
    expect(await world.after(unusedMs + 300)).toEqual([]);
    // The head lives, and has taken this replica out of the set.
    world.becomes({ members: record.members.map((member) => ({ ...member, inSync: member.uuid === 'a' })) });
    answer();
    await settled();
    expect(await world.after(60_000)).toEqual([]);
    expect(world.role.state).toBe('standby');
  });

  it('moves the head away when another node is wanted, and stands by again', async () => {
    world.headStops();
    await world.after(0);
    world.role.setState('serving');
    await world.after(0);
    world.role.setCluster([a, b], a.node);
    expect(await world.after(0)).toEqual(['inaccessible', 'demote']);
    expect(world.role.state).toBe('standby');
    world.role.setState('stopped'); // what the engine says late
    expect(world.role.state).toBe('standby');
  });

  it('makes way when its head was fenced, and does not claim again while the other one lives', async () => {
    world.headStops();
    await world.after(0);
    world.stored = { ...record, epoch: 5n, head: a.node, revision: 20n }; // which this node has not heard of
    world.role.setUsed(true);
    world.role.setState('fenced');
    expect(await world.after(0)).toEqual(['demote']);
    expect(await world.after(60_000)).toEqual([]);
    expect(world.role.state).toBe('standby');
  });

  it('tells hosts again when they could not be told', async () => {
    world.headStops();
    await world.after(0);
    world.failure = new Error('no');
    world.role.setState('serving');
    expect(await world.after(0)).toEqual(['optimized']);
    world.failure = undefined;
    expect(await world.after(retryMsMin)).toEqual(['optimized']);
    world.failure = new Error('no');
    world.role.setCluster([a, b], a.node);
    expect(await world.after(0)).toEqual(['inaccessible', 'demote']);
    expect(world.role.state).toBe('serving');
    world.failure = undefined;
    expect(await world.after(retryMsMin)).toEqual(['inaccessible', 'demote']);
    expect(world.role.state).toBe('standby');
  });

  it('tries again what fails, later each time', async () => {
    world.failure = new Error('no');
    world.headStops();
    expect(await world.after(0)).toEqual(['store v 8', 'promote 8']);
    expect(await world.after(retryMsMin - 1)).toEqual([]);
    expect(await world.after(1)).toEqual(['store v 8', 'promote 8']);
    expect(await world.after(retryMsMin)).toEqual([]);
    expect(await world.after(retryMsMin)).toEqual(['store v 8', 'promote 8']);
    for (let turn = 0; turn < 10; ++turn) await world.after(retryMsMax);
    expect(await world.after(retryMsMax - 1)).toEqual([]);
    world.failure = undefined;
    expect(await world.after(1)).toEqual(['store v 8', 'promote 8']);
    expect(world.role.state).toBe('claiming');
  });

  it('waits for a record that is gone from the store', async () => {
    world.stored = undefined;
    world.role.setUsed(false);
    expect(await world.after(unusedMs)).toEqual([]);
    world.stored = record;
    expect(await world.after(retryMsMin)).toEqual(['store v 7', 'promote 7']);
  });

  it('does one thing at a time, and nothing after close()', async () => {
    let release = () => {};
    world.held = new Promise((resolve) => {
      release = resolve;
    });
    world.headStops();
    expect(await world.after(0)).toEqual(['store v 8', 'promote 8']);
    world.role.setState('fenced');
    expect(await world.after(1000)).toEqual([]);
    const closed = world.role.close();
    release();
    await closed;
    expect(await world.after(60_000)).toEqual([]);
    expect(world.clock.timersCount).toBe(0);
  });
});
