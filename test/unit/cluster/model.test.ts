// What may be done with nodes and volumes, in which state, and what comes of it.
import { describe, expect, it } from 'vitest';
import {
  controllerIdsOf,
  cordonNode,
  decommissionNode,
  drainNode,
  evacuateNode,
  type JoiningNode,
  joinNode,
  labelNode,
  type NodeRecord,
  type NodeState,
  nodesMax,
  takesHeads,
  takesNewHeads,
  takesReplicas,
  uncordonNode,
} from '../../../src/cluster/model/node.js';
import {
  addReplica,
  createVolume,
  deleteVolume,
  forgetReplica,
  type NewVolume,
  promisedBytes,
  removeReplica,
  volumeGrown,
  volumeReady,
  wantHead,
  wantSize,
} from '../../../src/cluster/model/volume.js';
import { labelsMatch } from '../../../src/cluster/model/words.js';

const id = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`;
const now = new Date('2026-11-22T10:00:00Z');
const failure = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

function joining(digit: number, more: Partial<JoiningNode> = {}): JoiningNode {
  return {
    id: id(digit),
    name: `node${digit}`,
    addresses: {
      nvme: { host: `10.0.0.${digit}`, port: 4420 },
      replication: { host: `10.0.0.${digit}`, port: 4430 },
    },
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${id(digit)}`,
    labels: {},
    ...more,
  };
}

const inState = (state: NodeState): NodeRecord => ({ ...joinNode(joining(1), [], now), state });

describe('a node that joins', () => {
  it('is active', () => {
    expect(joinNode(joining(1), [], now)).toMatchObject({
      state: 'active',
      joined: '2026-11-22T10:00:00.000Z',
    });
  });

  it('gets controller IDs that no other node has, the first that are free', () => {
    const one = joinNode(joining(1), [], now);
    const two = joinNode(joining(2), [one], now);
    expect([one, two].map(controllerIdsOf)).toEqual([
      { first: 1, last: 1024 },
      { first: 1025, last: 2048 },
    ]);
    const three = joinNode(joining(3), [{ ...one, state: 'decommissioned' }, two], now);
    expect(three.slot).toBe(0);
    const many = Array.from({ length: nodesMax }, (_, slot) => ({
      ...joinNode(joining(1), [], now),
      ...{ id: `${slot}`, name: `other${slot}`, slot },
      addresses: { ...joining(1).addresses, replication: { host: 'h', port: slot + 1 } },
    }));
    expect(controllerIdsOf({ slot: nodesMax - 1 }).last).toBeLessThanOrEqual(0xffef);
    expect(() => joinNode(joining(2), many, now)).toThrow(failure('NODE_STATE', 'as many as there may be'));
  });

  it('again keeps what was decided about it, and takes what it says of itself', () => {
    const known = { ...inState('cordoned'), labels: { disk: 'old' }, zone: 'z1' };
    const same = { ...joining(1), labels: { disk: 'old' }, zone: 'z1' };
    expect(joinNode(same, [known], now)).toBe(known);
    const other = { ...same, labels: { disk: 'new' }, zone: 'z2' };
    expect(joinNode(other, [known], now)).toMatchObject({ labels: { disk: 'new' }, zone: 'z2' });
    const moved = joining(1, { addresses: joining(5).addresses });
    expect(joinNode(moved, [known], now)).toMatchObject({
      state: 'cordoned',
      addresses: joining(5).addresses,
      ...{ labels: { disk: 'old' }, zone: 'z1' }, // it says nothing of them
    });
  });

  it.each<[string, Partial<JoiningNode>, string, string]>([
    [
      'the name of another',
      { id: id(2), addresses: joining(2).addresses },
      'NODE_STATE',
      'choose another name',
    ],
    ['the address of another', { id: id(2), name: 'other' }, 'NODE_STATE', "where 'node1' is"],
    ['no UUID', { id: 'x' }, 'INVALID_ARGUMENT', 'UUID'],
    ['a name with a line feed', { name: 'a\nb' }, 'INVALID_ARGUMENT', 'name'],
    ['a name of 64 characters', { name: 'x'.repeat(64) }, 'INVALID_ARGUMENT', 'name'],
    ['a label without a name', { labels: { '/': 'x' } }, 'INVALID_ARGUMENT', 'labels'],
    ['a label with a space', { labels: { a: 'x y' } }, 'INVALID_ARGUMENT', 'labels'],
    ['a bad NQN', { hostNqn: 'me' }, 'INVALID_NQN', ''],
    [
      'the address of all interfaces',
      { addresses: { ...joining(1).addresses, replication: { host: '0.0.0.0', port: 1 } } },
      'INVALID_ARGUMENT',
      'an address that others reach',
    ],
    [
      'port 0',
      { addresses: { ...joining(1).addresses, nvme: { host: 'a', port: 0 } } },
      'INVALID_ARGUMENT',
      'addresses.nvme',
    ],
  ])('with %s is refused', (_what, more, code, message) => {
    const others = [joinNode(joining(1), [], now)].filter(() => 'id' in more && more.id === id(2));
    expect(() => joinNode(joining(1, more), others, now)).toThrow(failure(code, message));
  });

  it('is refused under an ID that was decommissioned, whose name is free again', () => {
    const gone = inState('decommissioned');
    expect(() => joinNode(joining(1), [gone], now)).toThrow(failure('NODE_STATE', 'was decommissioned'));
    expect(joinNode(joining(1, { id: id(2) }), [gone], now).state).toBe('active');
  });
});

describe('a node', () => {
  const none = { replicasCount: 0, headsCount: 0 };

  it.each<[NodeState, NodeState, NodeState, NodeState, NodeState]>([
    // state, then after cordon, drain, evacuate, uncordon
    ['active', 'cordoned', 'draining', 'evacuating', 'active'],
    ['cordoned', 'cordoned', 'draining', 'evacuating', 'active'],
    ['draining', 'draining', 'draining', 'evacuating', 'active'],
    ['evacuating', 'evacuating', 'evacuating', 'evacuating', 'active'],
  ])('that is %s', (state, cordoned, drained, evacuated, uncordoned) => {
    const node = inState(state);
    const after = [cordonNode, drainNode, evacuateNode, uncordonNode].map((step) => step(node));
    expect(after.map((one) => one.state)).toEqual([cordoned, drained, evacuated, uncordoned]);
    for (const one of after) expect(one === node).toBe(one.state === state); // nothing to be written
    expect(node.state).toBe(state);
  });

  it('is decommissioned when it is evacuated and has nothing, and then is that for good', () => {
    for (const state of ['active', 'cordoned', 'draining'] as const) {
      expect(() => decommissionNode(inState(state), none)).toThrow(
        failure('NODE_STATE', 'evacuate it first'),
      );
    }
    const node = inState('evacuating');
    expect(() => decommissionNode(node, { replicasCount: 2, headsCount: 1 })).toThrow(
      failure('NODE_STATE', 'still has 2 replicas, and is to be the head of 1 volumes'),
    );
    const gone = decommissionNode(node, none);
    expect(gone.state).toBe('decommissioned');
    expect(decommissionNode(gone, none)).toBe(gone);
    for (const step of [cordonNode, drainNode, evacuateNode, uncordonNode]) {
      expect(() => step(gone)).toThrow(failure('NODE_STATE', 'was decommissioned'));
    }
    expect(() => labelNode(gone, {}, undefined)).toThrow(failure('NODE_STATE', 'was decommissioned'));
  });

  it('takes replicas while it is active, and heads also while it is cordoned', () => {
    const states = ['active', 'cordoned', 'draining', 'evacuating', 'decommissioned'] as const;
    expect(states.filter((state) => takesReplicas(inState(state)))).toEqual(['active']);
    expect(states.filter((state) => takesHeads(inState(state)))).toEqual(['active', 'cordoned']);
    expect(states.filter((state) => takesNewHeads(inState(state)))).toEqual(['active']);
  });

  it('gets labels and a zone, and loses its zone', () => {
    const node = labelNode(inState('active'), { disk: 'nvme' }, 'z1');
    expect(node).toMatchObject({ labels: { disk: 'nvme' }, zone: 'z1' });
    expect(labelNode(node, { disk: 'nvme' }, 'z1')).toBe(node);
    expect(labelNode(node, { disk: 'nvme' }, undefined)).not.toHaveProperty('zone');
    expect(() => labelNode(node, {}, 'a b')).toThrow(failure('INVALID_ARGUMENT', 'zone'));
  });

  it('matches labels that it has, and no others', () => {
    expect(labelsMatch({ a: '1', b: '2' }, { a: '1' })).toBe(true);
    expect(labelsMatch({ a: '1' }, { a: '2' })).toBe(false);
    expect(labelsMatch({}, { toString: '' })).toBe(false);
    expect(labelsMatch({}, {})).toBe(true);
  });
});

describe('a volume', () => {
  const places = [1, 2, 3].map((digit) => ({ uuid: id(digit + 3), node: id(digit), pool: 'p' }));
  const wanted: NewVolume = {
    name: 'db',
    uuid: id(9),
    nqn: `nqn.2026-11.dev.ballast:volume:${id(9)}`,
    sizeBytes: 1n << 30n,
    blockSizeBytes: 4096,
    wishes: { replicas: 3, minInSync: 2, thick: false, spread: 'prefer-zone' },
  };
  const volume = createVolume(wanted, places, now);

  it('is created with a replica on a node each', () => {
    expect(volume).toMatchObject({ state: 'creating', replicas: places, created: now.toISOString() });
    const same = [places[0]!, { ...places[1]!, node: id(1) }, places[2]!];
    expect(() => createVolume(wanted, same, now)).toThrow(
      failure('CLUSTER_VOLUME_STATE', 'two replicas on one node'),
    );
    expect(() => createVolume(wanted, places.slice(1), now)).toThrow(
      failure('INVALID_ARGUMENT', '3 places, not 2'),
    );
  });

  it.each<[string, Partial<NewVolume>]>([
    ['size 0 (M4)', { sizeBytes: 0n }],
    ['a negative size (M4)', { sizeBytes: -4096n }],
    ['a size that is no multiple of 4,096 (M4)', { sizeBytes: 4097n }],
    ['a size of 2^63 (M4)', { sizeBytes: 1n << 63n }],
    ['0 replicas (M5)', { wishes: { ...wanted.wishes, replicas: 0 } }],
    ['9 replicas (M5)', { wishes: { ...wanted.wishes, replicas: 9 } }],
    ['no zones, and not any either', { wishes: { ...wanted.wishes, zones: [] } }],
    ['a zone twice', { wishes: { ...wanted.wishes, zones: ['a', 'a'] } }],
    ['a zone with no name', { wishes: { ...wanted.wishes, zones: [''] } }],
    ['half a replica (M5)', { wishes: { ...wanted.wishes, replicas: 1.5 } }],
    ['more in sync than there are', { wishes: { ...wanted.wishes, minInSync: 4 } }],
    ['a bad name (M3)', { name: '../x' }],
    ['a guarantee above its limit', { qos: { iops: 10, minIops: 20 } }],
  ])('with %s is refused', (_what, more) => {
    expect(() => createVolume({ ...wanted, ...more }, places, now)).toThrow(failure('INVALID_ARGUMENT', ''));
  });

  it('is created as a clone where its snapshot is, on as many nodes as have to be in sync', () => {
    const clone = { ...wanted, origin: { volume: id(8), snapshot: id(7) } };
    const made = places.map((one, index) => ({ ...one, origin: id(50 + index) }));
    expect(createVolume(clone, made.slice(1), now)).toMatchObject({ replicas: made.slice(1) });
    for (const some of [made.slice(2), places, [...made.slice(1), places[0]!]]) {
      expect(() => createVolume(clone, some, now)).toThrow(failure('INVALID_ARGUMENT', ''));
    }
    expect(() => createVolume(wanted, made, now)).toThrow(failure('INVALID_ARGUMENT', 'of a clone'));
  });

  it('is ready once', () => {
    const ready = volumeReady(volume);
    expect(ready.state).toBe('ready');
    expect(volumeReady(ready)).toBe(ready);
  });

  it('gets a head where it has a replica', () => {
    const headed = wantHead(volume, id(2));
    expect(headed.head).toBe(id(2));
    expect(wantHead(headed, id(2))).toBe(headed);
    expect(() => wantHead(volume, id(8))).toThrow(failure('CLUSTER_VOLUME_STATE', 'has no replica on node'));
  });

  it('gets and loses replicas, with its head, but not its last', () => {
    const fourth = { uuid: id(8), node: id(8), pool: 'p' };
    const more = addReplica(wantHead(volume, id(1)), fourth);
    expect(more.replicas).toHaveLength(4);
    expect(addReplica(more, fourth)).toBe(more);
    expect(() => addReplica(volume, { ...fourth, node: id(1) })).toThrow(
      failure('CLUSTER_VOLUME_STATE', 'on one node'),
    );
    const left = removeReplica(more, id(8));
    expect(left).toMatchObject({ head: id(1), replicas: places, leaving: [fourth] });
    expect(removeReplica(more, places[0]!.uuid)).not.toHaveProperty('head');
    expect(removeReplica(more, id(7))).toBe(more);
    // Until its data is gone there is no other one of the volume on its node.
    expect(() => addReplica(left, { ...fourth, uuid: id(9) })).toThrow(
      failure('CLUSTER_VOLUME_STATE', 'on one node'),
    );
    expect(forgetReplica(left, id(8))).not.toHaveProperty('leaving');
    expect(forgetReplica(left, id(4))).toBe(left); // it is one that stays
    const last = removeReplica(removeReplica(volume, id(4)), id(5));
    expect(() => removeReplica(last, id(6))).toThrow(failure('CLUSTER_VOLUME_STATE', 'delete it instead'));
    const gone = [4, 5, 6].reduce((rest, digit) => forgetReplica(rest, id(digit)), deleteVolume(last));
    expect(gone).toMatchObject({ state: 'deleting', replicas: [] });
    expect(gone).not.toHaveProperty('leaving');
  });

  it('is to become larger, less so, or not any more, and never smaller', () => {
    const has = 1n << 30n;
    const larger = wantSize(volume, 3n * has);
    expect(larger).toEqual({ ...volume, wantedSizeBytes: 3n * has });
    expect(wantSize(larger, 3n * has)).toBe(larger);
    expect(promisedBytes(volume)).toBe(has);
    expect(promisedBytes(larger)).toBe(3n * has);
    expect(wantSize(larger, 2n * has)).toEqual({ ...volume, wantedSizeBytes: 2n * has });
    expect(wantSize(larger, has)).toEqual(volume);
    expect(wantSize(volume, has)).toBe(volume);
    for (const from of [volume, larger]) {
      expect(() => wantSize(from, has - 4096n)).toThrow(
        failure('CLUSTER_VOLUME_STATE', 'is never made smaller: it has 1073741824 bytes'),
      );
    }
    for (const size of [0n, -4096n, 2n * has + 512n, 1n << 63n]) {
      expect(() => wantSize(volume, size)).toThrow(failure('INVALID_ARGUMENT', 'a multiple of 4096'));
    }
  });

  it('has grown as far as its head says, and waits for the rest of what is wanted', () => {
    const has = 1n << 30n;
    expect(volumeGrown(volume, has)).toBe(volume);
    expect(volumeGrown(volume, has - 4096n)).toBe(volume);
    const larger = wantSize(volume, 3n * has);
    expect(volumeGrown(larger, 3n * has)).toEqual({ ...volume, sizeBytes: 3n * has });
    expect(volumeGrown(larger, 2n * has)).toEqual({ ...larger, sizeBytes: 2n * has });
    expect(volumeGrown(volume, 2n * has)).toEqual({ ...volume, sizeBytes: 2n * has }); // taken back too late
  });

  it('that is being deleted is nothing else any more', () => {
    const deleting = deleteVolume(wantSize(wantHead(volume, id(1)), 1n << 31n));
    expect(deleting).not.toHaveProperty('head');
    expect(deleting).not.toHaveProperty('wantedSizeBytes');
    expect(() => wantSize(deleting, 1n << 31n)).toThrow(failure('CLUSTER_VOLUME_STATE', 'is being deleted'));
    expect(deleteVolume(deleting)).toBe(deleting);
    const refused = failure('CLUSTER_VOLUME_STATE', 'is being deleted');
    expect(() => volumeReady(deleting)).toThrow(refused);
    expect(() => wantHead(deleting, id(1))).toThrow(refused);
    expect(() => addReplica(deleting, places[0]!)).toThrow(refused);
  });
});
