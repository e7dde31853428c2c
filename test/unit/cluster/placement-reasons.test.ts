// Where replicas go: what a person is told of it, and which node is the head.
import { describe, expect, it } from 'vitest';
import type { NodeState } from '../../../src/cluster/model/node.js';
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import { candidatesOf } from '../../../src/cluster/placement/candidates.js';
import { chooseHead } from '../../../src/cluster/placement/head.js';
import { place, placeAll } from '../../../src/cluster/placement/place.js';
import {
  clusterOf,
  gib,
  good,
  id,
  nodeOf,
  nodes,
  poolOf,
  requestOf,
  type Spec,
  volumeOf,
} from './placement-cluster.js';

describe('what a person is told', () => {
  const reasonOf = (more: Partial<Spec>, wanted = requestOf(), others: readonly VolumeRecord[] = []) => {
    const { nodes: records, facts } = clusterOf([{ ...good, ...more }]);
    const { refusals } = place(wanted, candidatesOf(records, facts, others));
    return refusals[0]?.reason;
  };
  const big = volumeOf('big', requestOf({ sizeBytes: 195n * gib, wishes: { apartGroup: 'g' } }), [
    { node: id(1), pool: 'p' },
  ]);

  it.each<[string, string | undefined]>([
    [reasonOf({ state: 'draining' }) ?? '', 'it is draining'],
    [reasonOf({ lost: true }) ?? '', 'it does not answer'],
    [reasonOf({ pools: [] }) ?? '', 'it has no pool'],
    [reasonOf({}, requestOf({ wishes: { pool: 'q' } })) ?? '', "it has no pool 'q'"],
    [
      reasonOf({}, requestOf({ wishes: { nodeLabels: { disk: 'nvme' } } })) ?? '',
      'it has no label disk=nvme',
    ],
    [reasonOf({}, requestOf({ wishes: { spread: 'zone' } })) ?? '', 'it has no zone'],
    [
      reasonOf({}, requestOf({ wishes: { zones: ['a', 'b'] } })) ?? '',
      'it has no zone, and only a, b are asked for',
    ],
    [
      reasonOf({ zone: 'c' }, requestOf({ wishes: { zones: ['a', 'b'] } })) ?? '',
      "it is in zone 'c', and only a, b are asked for",
    ],
    [
      reasonOf({ pools: [poolOf('p', 9, { error: 'a device is missing' })] }) ?? '',
      "pool 'p' cannot be used: a device is missing",
    ],
    [
      reasonOf({}, requestOf(), [big]) ?? '',
      "pool 'p' has 195 GiB of at most 200 GiB promised, and 10 GiB are asked for",
    ],
    [
      reasonOf({}, requestOf({ wishes: { apartGroup: 'g' } }), [big]) ?? '',
      "it has a replica of another volume of the group 'g'",
    ],
    [
      reasonOf({ pools: [poolOf('p', 100, { freeBytes: 4n * gib })] }) ?? '',
      "pool 'p' has 4 GiB of 100 GiB free",
    ],
    [
      reasonOf({ pools: [poolOf('p', 8)] }, requestOf({ wishes: { thick: true } })) ?? '',
      "pool 'p' has 0 B of 8 GiB kept for thick volumes",
    ],
    [reasonOf({}, requestOf({ minIops: 5 })) ?? '', "pool 'p' has no budget of IOPS to guarantee from"],
    [
      reasonOf({ pools: [poolOf('p', 100, { iopsBudget: 4 })] }, requestOf({ minIops: 5 })) ?? '',
      "pool 'p' has 0 of 4 IOPS guaranteed already",
    ],
  ])('%s', (reason, expected) => {
    expect(reason).toBe(expected);
  });

  it('M5: more replicas than nodes is an error that names each node', () => {
    expect(() => placeAll(requestOf(), nodes([good, { ...good, lost: true }]))).toThrow(
      expect.objectContaining({
        code: 'NO_PLACEMENT',
        message: "volume 'v': there is no node for 2 replicas (node002: it does not answer)",
      }),
    );
    expect(() => placeAll(requestOf(), [])).toThrow("volume 'v': there is no node for 3 replicas");
    expect(placeAll(requestOf(), nodes([good, good, good]))).toHaveLength(3);
  });

  it('that zones are shared where there are too few', () => {
    const zoned = ['a', 'a', 'b'].map((zone) => ({ ...good, zone }));
    const { chosen, notes } = place(requestOf(), nodes(zoned));
    expect(chosen).toHaveLength(3);
    expect(notes).toEqual(['1 of 3 replicas share a zone with another one']);
    const strict = place(requestOf({ wishes: { spread: 'zone' } }), nodes(zoned));
    expect([strict.chosen.length, strict.missing]).toEqual([2, 1]);
    expect(strict.refusals).toEqual([{ node: 'node002', reason: "its zone 'a' has a replica already" }]);
  });

  it('goes to zones that are asked for, the first ones rather, and to no other', () => {
    const zoned = nodes(['a', 'b', 'c', 'b'].map((zone) => ({ ...good, zone })));
    const zonesOf = (replicas: number, zones: readonly string[]) =>
      place(requestOf({ wishes: { replicas, zones } }), zoned).chosen.map(({ node }) =>
        Number(node.slice(-2)),
      );
    expect(zonesOf(1, ['c', 'a'])).toEqual([3]);
    expect(zonesOf(1, ['a', 'c'])).toEqual([1]);
    expect(zonesOf(2, ['b', 'c'])).toEqual([2, 3]);
    expect(zonesOf(3, ['b', 'c'])).toEqual([2, 3, 4]);
    expect(zonesOf(3, ['a'])).toEqual([1]);
  });

  it('takes the first by name of pools that are alike, in whatever order they come', () => {
    for (const pools of [
      [poolOf('a', 50), poolOf('b', 50)],
      [poolOf('b', 50), poolOf('a', 50)],
    ]) {
      const request = requestOf({ wishes: { replicas: 1 } });
      expect(place(request, nodes([{ ...good, pools }])).chosen).toEqual([{ node: id(1), pool: 'a' }]);
    }
  });

  it('counts what was guaranteed to others', () => {
    const wanted = requestOf({ minIops: 600, wishes: { replicas: 1 } });
    const { nodes: records, facts } = clusterOf([
      { ...good, pools: [poolOf('p', 100, { iopsBudget: 1_000 })] },
    ]);
    const first = volumeOf('first', wanted, [{ node: id(1), pool: 'p' }]);
    expect(place(wanted, candidatesOf(records, facts, [])).missing).toBe(0);
    expect(place(wanted, candidatesOf(records, facts, [first])).refusals[0]?.reason).toBe(
      "pool 'p' has 600 of 1000 IOPS guaranteed already",
    );
  });

  it('takes the emptiest pool of the emptiest nodes', () => {
    const half = volumeOf('half', requestOf({ sizeBytes: 50n * gib }), [{ node: id(1), pool: 'p' }]);
    const { nodes: records, facts } = clusterOf([
      good,
      { ...good, pools: [poolOf('a', 50), poolOf('b', 500)] },
    ]);
    const { chosen } = place(requestOf({ wishes: { replicas: 1 } }), candidatesOf(records, facts, [half]));
    expect(chosen).toEqual([{ node: id(2), pool: 'b' }]);
  });
});

describe('a head', () => {
  const volume = volumeOf(
    'v',
    requestOf(),
    [1, 2, 3].map((number) => ({ node: id(number), pool: 'p' })),
  );
  const [first, second, third] = volume.replicas.map(({ uuid }) => uuid);
  const records = new Map([1, 2, 3].map((number) => [id(number), nodeOf(number, good)]));
  const all = {
    inSync: new Set([first!, second!, third!]),
    nodes: records,
    present: new Set(records.keys()),
    headsCount: () =>
      new Map([
        [id(1), 5],
        [id(2), 2],
        [id(3), 2],
      ]),
  };
  const withState = (number: number, state: NodeState) =>
    new Map(records).set(id(number), { ...records.get(id(number))!, state });

  it('stays where it is while it can', () => {
    expect(chooseHead(volume, { ...all, current: id(1) })).toBe(id(1));
    expect(chooseHead(volume, { ...all, current: id(1), nodes: withState(1, 'cordoned') })).toBe(id(1));
  });

  it.each([
    ['drained', { current: id(1), nodes: withState(1, 'draining') }],
    ['lost', { current: id(1), present: new Set([id(2), id(3)]) }],
    ['out of sync', { current: id(1), inSync: new Set([second!, third!]) }],
    ['gone', { current: id(9) }],
    ['nobody', {}],
  ])('goes to the node with the fewest heads when its own is %s', (_what, more) => {
    expect(chooseHead(volume, { ...all, ...more })).toBe(id(2));
  });

  it('goes to a node that is cordoned only where there is no other', () => {
    const nodes = withState(2, 'cordoned');
    expect(chooseHead(volume, { ...all, nodes })).toBe(id(3));
    expect(chooseHead(volume, { ...all, nodes, inSync: new Set([second!]) })).toBe(id(2));
  });

  it('is nobody where nobody has everything', () => {
    expect(chooseHead(volume, { ...all, inSync: new Set() })).toBeUndefined();
    expect(chooseHead(volume, { ...all, present: new Set() })).toBeUndefined();
  });
});
