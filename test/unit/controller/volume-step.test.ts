import { describe, expect, it } from 'vitest';
import {
  addReplica,
  deleteVolume,
  leavingOf,
  removeReplica,
  type VolumeRecord,
  wantSize,
} from '../../../src/cluster/model/volume.js';
import { nextVolumeStep } from '../../../src/controller/volume-step.js';
import { nobody } from '../../../src/mirrors/record.js';
import type { NamedSnapshot, StoredSnapshot } from '../../../src/mirrors/snapshot-records.js';
import { id } from '../cluster/placement-cluster.js';
import {
  factsOf,
  made,
  membersOf,
  nowMs,
  replaceAfterMs,
  replicaOf,
  type Situation,
  volume,
} from './step-cluster.js';

const step = (situation: Situation, of: VolumeRecord = volume) => nextVolumeStep(of, factsOf(situation));
const onFour = addReplica(volume, { uuid: replicaOf(4), node: id(4), pool: 'p' });
const serving = { state: 'standby' };

describe('a volume that is created', () => {
  const before: Situation['mirror'] = { epoch: 0n, head: nobody, headStopped: true };

  it('is ready when all nodes say that its replicas are there, with a head where the fewest are', () => {
    const said = { 1: serving, 2: serving, 3: serving };
    const ready = step({ said, mirror: before, headsCount: { 1: 2, 2: 1, 3: 1 } }, made);
    expect(ready).toMatchObject({
      ...{ kind: 'change', reason: 'VolumeReady' },
      to: { state: 'ready', head: id(2) },
    });
  });

  it('waits for those that are not, by name', () => {
    const said = { 1: serving, 2: { state: 'absent' } };
    expect(step({ said, mirror: before }, made)).toEqual({
      ...{ kind: 'wait', for: "replicas on 'node002', 'node003'" },
    });
  });

  it('takes a node at its word only for the replica that it means', () => {
    const other = { ...serving, replica: replicaOf(7) };
    expect(step({ said: { 1: serving, 2: serving, 3: other }, mirror: before }, made).kind).toBe('wait');
  });
});

describe('the head of a volume', () => {
  it('stays where it is wanted', () => {
    expect(step({ headsCount: { 1: 9 } })).toEqual({ kind: 'none' });
  });

  it('is left to its replicas when its node does not answer: it may only not have come back yet', () => {
    expect(step({ awayMs: { 1: 5 } }).kind).toBe('wait');
    expect(step({ awayMs: { 1: 5, 2: 5 } }).kind).toBe('wait');
  });

  it('is wanted where it is when another node took over', () => {
    const taken = step({ awayMs: { 1: 5 }, mirror: { head: id(2), epoch: 4n } });
    expect(taken).toMatchObject({ kind: 'change', reason: 'HeadTookOver', to: { head: id(2) } });
  });

  it('is left to its replicas when it has ended in order, too, and is wanted where it was taken over', () => {
    const stopped = { awayMs: { 1: 5 }, headsCount: { 2: 9 } };
    expect(step({ ...stopped, mirror: { headStopped: true } }).kind).toBe('wait');
    const taken = step({ ...stopped, mirror: { head: id(2), epoch: 4n } });
    expect(taken).toMatchObject({ kind: 'change', reason: 'HeadTookOver', to: { head: id(2) } });
  });

  it('moves on from who took over only where that one cannot stay it', () => {
    const draining = step({
      awayMs: { 1: 5 },
      states: { 2: 'draining' },
      mirror: { head: id(2), epoch: 4n },
    });
    expect(draining).toMatchObject({ kind: 'change', reason: 'HeadMoves', to: { head: id(3) } });
    const cordoned = step({
      awayMs: { 1: 5 },
      states: { 2: 'cordoned' },
      mirror: { head: id(2), epoch: 4n },
    });
    expect(cordoned).toMatchObject({ kind: 'change', reason: 'HeadTookOver', to: { head: id(2) } });
  });

  it('is wanted elsewhere when it has ended, and the others wait for a node that is not to have it', () => {
    const ended = step({ states: { 1: 'draining' }, headsCount: { 2: 1 }, mirror: { headStopped: true } });
    expect(ended).toMatchObject({ kind: 'change', reason: 'HeadMoves', to: { head: id(3) } });
  });

  it.each(['draining', 'evacuating'] as const)('leaves a node that is %s', (state) => {
    const moved = step({ states: { 1: state }, headsCount: { 2: 1 } });
    expect(moved).toMatchObject({ kind: 'change', reason: 'HeadMoves', to: { head: id(3) } });
  });

  it('stays on a node that is cordoned', () => {
    expect(step({ states: { 1: 'cordoned' } })).toEqual({ kind: 'none' });
  });

  it('stays where it is as long as nobody else can be', () => {
    const alone = step({ states: { 1: 'draining' }, mirror: membersOf(1, -2, -3) });
    expect(alone).toEqual({ kind: 'none' });
  });
});

describe('a replica that has to leave', () => {
  const evacuating: Situation = { states: { 3: 'evacuating' } };

  it('has a successor first, on a node without one', () => {
    expect(step(evacuating)).toMatchObject({
      ...{ kind: 'change', reason: 'ReplicaAdded' },
      to: { replicas: [{}, {}, {}, { node: id(4), pool: 'p' }] },
    });
  });

  it('waits for the copy to it, then leaves, and is forgotten when its data is said to be gone', () => {
    const copying = step({ ...evacuating, mirror: membersOf(1, 2, 3, -4) }, onFour);
    expect(copying).toEqual({ kind: 'wait', for: "a copy to 'node004'" });
    const left = step({ ...evacuating, mirror: membersOf(1, 2, 3, 4) }, onFour);
    expect(left).toMatchObject({ kind: 'change', reason: 'ReplicaLeaves' });
    const to = left.kind === 'change' ? left.to : volume;
    expect(leavingOf(to)).toMatchObject([{ node: id(3) }]);

    const mirror = membersOf(1, 2, 4);
    expect(step({ ...evacuating, mirror }, to)).toEqual({ kind: 'none' });
    const said = { 3: { state: 'discarded', replica: replicaOf(7) } };
    expect(step({ ...evacuating, mirror, said }, to)).toEqual({ kind: 'none' });
    const gone = step({ ...evacuating, mirror, said: { 3: { state: 'discarded' } } }, to);
    expect(gone).toMatchObject({ kind: 'change', reason: 'ReplicaDeleted' });
    expect(gone.kind === 'change' && leavingOf(gone.to)).toEqual([]);
  });

  describe('and has a snapshot', () => {
    const mirror = membersOf(1, 2, 3, 4);
    const has = (state: StoredSnapshot['state'], ...numbers: readonly number[]) => ({
      name: 's',
      snapshot: { ...blank, state, members: numbers.map(replicaOf) },
    });
    const blank = {
      ...{ revision: 1n, begun: 1n, uuid: id(300), createdAt: 0, sizeBytes: 0n, carrying: [], rests: [] },
    };
    const leaves = (...snapshots: readonly NamedSnapshot[]) =>
      step({ ...evacuating, mirror, snapshots }, onFour);

    it('waits until all that stay and are in sync have it, and for none that it does not have', () => {
      expect(leaves(has('complete', 1, 2, 3))).toEqual({
        ...{ kind: 'wait', for: "a copy of its snapshot 's' to 'node004', which is on 'node003'" },
      });
      for (const snapshot of [has('complete', 1, 2, 3, 4), has('complete', 1), has('deleting', 3)]) {
        expect(leaves(snapshot)).toMatchObject({ kind: 'change', reason: 'ReplicaLeaves' });
      }
    });

    it('waits while one is taken, as it is not known who will have it', () => {
      const snapshots = [has('complete', 1, 2, 3, 4), has('taking')];
      expect(leaves(...snapshots)).toEqual({
        kind: 'wait',
        for: expect.stringContaining("its snapshot 's' to be taken"),
      });
      expect(leaves(has('wanted'))).toMatchObject({ kind: 'wait' });
    });
  });

  it('leaves only when its head has gone elsewhere', () => {
    const mirror = membersOf(1, 2, 3, 4);
    const wanted = { ...onFour, head: id(2) };
    const stuck = step({ states: { 1: 'evacuating' }, mirror }, wanted);
    expect(stuck).toEqual({ kind: 'wait', for: 'its head to move' });
    const moved = step({ states: { 1: 'evacuating' }, mirror: { ...mirror, head: id(2) } }, wanted);
    expect(moved).toMatchObject({ kind: 'change', reason: 'ReplicaLeaves' });
  });

  it('stays while there is no node for its successor, and says why', () => {
    const nowhere = step({ ...evacuating, nodes: 3 });
    expect(nowhere).toEqual({ kind: 'wait', for: 'a node for a replica (there is no other)' });
    const cordoned = step({ states: { 3: 'evacuating', 4: 'cordoned' } });
    expect(cordoned).toMatchObject({ for: 'a node for a replica (node004: it is cordoned)' });
  });

  it('has its successor elsewhere than where another one is about to go', () => {
    const leaving = removeReplica(onFour, replicaOf(4));
    const step4 = step({ ...evacuating, mirror: membersOf(1, 2, 3) }, leaving);
    expect(step4).toMatchObject({ for: expect.stringContaining('its replica there is about to go') });
  });
});

describe('a node that is away', () => {
  it('is waited for, until it is replaced', () => {
    const mirror = membersOf(1, 2, -3);
    const waiting = step({ awayMs: { 3: replaceAfterMs - 1 }, mirror });
    expect(waiting).toEqual({ kind: 'wait', for: "'node003' to come back", untilMs: nowMs + 1 });
    const replaced = step({ awayMs: { 3: replaceAfterMs }, mirror });
    expect(replaced).toMatchObject({ kind: 'change', reason: 'ReplicaAdded' });
  });

  it('is waited for that long, too, when it is to be copied to', () => {
    const waiting = step(
      { states: { 3: 'evacuating' }, awayMs: { 4: 10 }, mirror: membersOf(1, 2, 3, -4) },
      onFour,
    );
    const untilMs = nowMs - 10 + replaceAfterMs;
    expect(waiting).toEqual({ kind: 'wait', for: "a copy to 'node004'", untilMs });
  });

  it('gives its replica up when the new one is whole', () => {
    const awayMs = { 3: replaceAfterMs };
    expect(step({ awayMs, mirror: membersOf(1, 2, -3, -4) }, onFour).kind).toBe('wait');
    const left = step({ awayMs, mirror: membersOf(1, 2, -3, 4) }, onFour);
    expect(left).toMatchObject({ reason: 'ReplicaLeaves', to: { leaving: [{ node: id(3) }] } });
  });

  it('is one too many when it comes back: who misses writes goes, else the last, never the head', () => {
    const stale = step({ mirror: membersOf(1, 2, -3, 4) }, onFour);
    expect(stale).toMatchObject({ reason: 'ReplicaLeaves', to: { leaving: [{ node: id(3) }] } });
    const whole = step({ mirror: membersOf(1, 2, 3, 4) }, onFour);
    expect(whole).toMatchObject({ reason: 'ReplicaLeaves', to: { leaving: [{ node: id(4) }] } });
    const head = step({ mirror: { ...membersOf(1, 2, 3, 4), head: id(4) } }, { ...onFour, head: id(4) });
    expect(head).toMatchObject({ reason: 'ReplicaLeaves', to: { leaving: [{ node: id(3) }] } });
  });

  it('keeps the one too many while the others are too few in sync', () => {
    const two = step({ mirror: membersOf(1, -2, -3, 4) }, onFour);
    expect(two).toEqual({ kind: 'wait', for: "a copy to 'node002'" });
  });
});

describe('a volume that is to become larger', () => {
  const mib = 1n << 20n;
  const larger = wantSize(volume, 32n * mib);
  const blocks = (sizeBytes: bigint) => ({ blocksCount: sizeBytes / 4096n });

  it('waits until all its replicas are in sync, and says for which', () => {
    expect(step({ mirror: membersOf(1, -2, 3) }, larger)).toEqual({
      ...{ kind: 'wait', for: "a copy to 'node002' before it becomes 32 MiB large" },
    });
    expect(step({ awayMs: { 3: 10 }, mirror: membersOf(1, 2, -3) }, larger)).toMatchObject({
      ...{ kind: 'wait', for: "'node003' to come back" },
    });
  });

  it('waits for its head, and says what keeps that from it', () => {
    expect(step({ said: { 1: { state: 'sealing' } } }, larger)).toMatchObject({
      for: 'a head that serves before it becomes 32 MiB large',
    });
    expect(step({ mirror: { headStopped: true }, said: { 1: { state: 'standby' } } }, larger)).toMatchObject({
      for: 'a head that serves before it becomes 32 MiB large',
    });
    expect(step({ said: { 1: { state: 'serving' } } }, larger)).toMatchObject({
      for: 'its replicas to become 32 MiB large',
    });
    const error = `member ${replicaOf(2)} did not become larger: no space`;
    expect(step({ said: { 1: { state: 'serving', error } } }, larger)).toMatchObject({
      for: "its replicas to become larger: member on 'node002' did not become larger: no space",
    });
  });

  it('is so large when its mirror record says so, wanted still or not', () => {
    const grown = step({ mirror: blocks(32n * mib) }, larger);
    expect(grown).toMatchObject({
      ...{ kind: 'change', reason: 'VolumeGrown', text: 'it has 32 MiB, and had 16 MiB' },
      to: { sizeBytes: 32n * mib },
    });
    expect(grown.kind === 'change' && grown.to).not.toHaveProperty('wantedSizeBytes');
    expect(step({ mirror: blocks(24n * mib) }, larger)).toMatchObject({
      to: { sizeBytes: 24n * mib, wantedSizeBytes: 32n * mib },
    });
    expect(step({ mirror: blocks(32n * mib) })).toMatchObject({ to: { sizeBytes: 32n * mib } });
  });

  it('gets replicas where the size has room that it is to have', () => {
    const wide = wantSize(volume, 300n << 30n); // of a pool at most 200 GiB are promised
    const lost = { awayMs: { 3: replaceAfterMs }, mirror: membersOf(1, 2, -3) };
    expect(step({ ...lost, volumes: [wide] }, wide)).toMatchObject({
      ...{ kind: 'wait', for: expect.stringContaining('300 GiB are asked for') },
    });
    expect(step(lost)).toMatchObject({ reason: 'ReplicaAdded' });
  });
});

describe('a volume that is deleted', () => {
  const deleting = deleteVolume(volume);
  const discarded = { state: 'discarded' };

  it('forgets replicas of which nodes say that their data is gone, and goes with the last', () => {
    expect(step({}, deleting)).toEqual({ kind: 'wait', for: 'the data of 3 replicas to be deleted' });
    const some = step({ said: { 1: discarded, 2: serving, 3: discarded } }, deleting);
    expect(some).toMatchObject({ kind: 'change', to: { replicas: [{ node: id(2) }] } });
    const last = step({}, { ...deleting, replicas: [] });
    expect(last).toEqual({ kind: 'remove' });
  });

  it('waits for a node that is away, however long, and not for one that is decommissioned', () => {
    const said = { 1: discarded, 2: discarded };
    const two = step({ said, awayMs: { 3: 100 * replaceAfterMs } }, deleting);
    expect(two).toMatchObject({ kind: 'change', to: { replicas: [{ node: id(3) }] } });
    const states = { 3: 'decommissioned' as const };
    const all = step({ said, states, awayMs: { 3: 1 } }, deleting);
    expect(all).toMatchObject({ kind: 'change', to: { replicas: [] } });
  });

  it('does not need its mirror record', () => {
    expect(step({ mirror: 'lost' }, { ...deleting, replicas: [] })).toEqual({ kind: 'remove' });
    expect(step({ mirror: 'lost' })).toMatchObject({ for: expect.stringContaining('mirror record') });
  });
});
