// What is noted beside replicas: at once what a lost store is made anew from, later what replicas tell, too.
import { beforeEach, describe, expect, it } from 'vitest';
import { isUrgent, noteSoonMs, ReplicaNotes, type SeenRecords } from '../../../src/agent/replica-notes.js';
import { createLog } from '../../../src/base/log.js';
import { addReplica, createVolume, volumeReady, wantHead } from '../../../src/cluster/model/volume.js';
import { decodeVolume } from '../../../src/cluster/model/volume-record.js';
import { decodeMirror, nobody } from '../../../src/mirrors/record.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const replica = uuid('a');
const made = createVolume(
  {
    ...{ name: 'db', uuid: uuid('9'), nqn: `nqn.2026-11.dev.ballast:volume:${uuid('9')}` },
    wishes: { replicas: 2, minInSync: 1, thick: false, spread: 'prefer-zone' },
    ...{ sizeBytes: 1n << 24n, blockSizeBytes: 4096 },
  },
  ['a', 'b'].map((letter, index) => ({ uuid: uuid(letter), node: uuid(`${index + 1}`), pool: 'p' })),
  new Date(0),
);
const seen: SeenRecords = {
  volume: made,
  mirror: {
    ...{ revision: 3n, epoch: 0n, head: nobody, headStopped: true, minInSync: 1 },
    members: ['a', 'b'].map((letter) => ({ uuid: uuid(letter), inSync: true, sealedEpoch: 0n })),
    ...{ blockSizeBytes: 4096, blocksCount: 4096n },
  },
};
const withHead: SeenRecords = {
  volume: wantHead(volumeReady(made), uuid('1')),
  mirror: { ...seen.mirror, revision: 5n, epoch: 1n, head: uuid('1'), headStopped: false },
};

describe('notes', () => {
  let local: Store;
  let clock: FakeClock;
  let notes: ReplicaNotes;
  let commits: number;

  beforeEach(() => {
    const store = openMemoryStore();
    commits = 0;
    local = Object.assign(Object.create(store), {
      get: store.get.bind(store),
      commit: (...args: Parameters<Store['commit']>) => {
        commits += 1;
        return store.commit(...args);
      },
    });
    clock = new FakeClock();
    notes = new ReplicaNotes({ local, clock, log: createLog('silent') });
  });

  /** By who opens them next. */
  async function stored() {
    const noted = await new ReplicaNotes({ local, clock, log: createLog('silent') }).get(replica);
    if (noted === undefined) return undefined;
    const { record } = decodeMirror('db', noted.mirror, noted.revision);
    return { volume: decodeVolume('db', noted.volume), mirror: record };
  }

  it('are there when they were put, and not written again where they are', async () => {
    await notes.put(replica, seen);
    expect(await stored()).toEqual(seen);
    await notes.put(replica, seen);
    expect(commits).toBe(1);
  });

  it('that may wait are written with those of others, the last of each', async () => {
    await notes.put(replica, seen);
    notes.putSoon(replica, { ...seen, volume: withHead.volume });
    notes.putSoon(replica, withHead);
    notes.putSoon(uuid('c'), seen);
    expect(await stored()).toEqual(seen);
    expect((await notes.get(replica))?.revision).toBe(5n); // who asks here is told of it already
    clock.advance(noteSoonMs);
    await notes.close();
    expect(await stored()).toEqual(withHead);
    expect(commits).toBe(2);
  });

  it('that wait are written at the end, and do not undo what was put or deleted', async () => {
    notes.putSoon(replica, seen);
    await notes.put(replica, withHead);
    notes.putSoon(uuid('c'), seen);
    await notes.delete(uuid('c'));
    notes.putSoon(uuid('d'), seen);
    await notes.close();
    expect(await stored()).toEqual(withHead);
    expect(await notes.get(uuid('c'))).toBeUndefined();
    expect((await notes.get(uuid('d')))?.revision).toBe(3n);
    expect(clock.timersCount).toBe(0);
  });
});

describe('what is urgent', () => {
  it('is all but who is head, of which epoch, and who is in sync', () => {
    expect(isUrgent(seen, withHead)).toBe(false);
    const [first, second] = seen.mirror.members.map((one) => ({ ...one }));
    const behind = [first, { ...second, inSync: false }] as typeof seen.mirror.members;
    expect(isUrgent(seen, { ...seen, mirror: { ...seen.mirror, members: behind } })).toBe(false);
  });

  it.each<[string, SeenRecords]>([
    ['another member', { ...seen, mirror: { ...seen.mirror, members: seen.mirror.members.slice(1) } }],
    ['another number that writes need', { ...seen, mirror: { ...seen.mirror, minInSync: 2 } }],
    ['another size', { ...seen, mirror: { ...seen.mirror, blocksCount: 8192n } }],
    ['a host that may not connect', { ...seen, volume: { ...made, hosts: [] } }],
    [
      'a replica more',
      { ...seen, volume: addReplica(made, { uuid: uuid('c'), node: uuid('3'), pool: 'p' }) },
    ],
  ])('%s is', (_what, other) => {
    expect(isUrgent(seen, other)).toBe(true);
  });
});
