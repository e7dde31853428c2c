// Where replicas go: what holds for every cluster and every request.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeStates } from '../../../src/cluster/model/node.js';
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import { type Candidate, candidatesOf, withReplica } from '../../../src/cluster/placement/candidates.js';
import { evacuation } from '../../../src/cluster/placement/evacuation.js';
import { policyDefault, poolFor } from '../../../src/cluster/placement/fit.js';
import { type PlacementRequest, place } from '../../../src/cluster/placement/place.js';
import {
  clusterOf,
  gib,
  good,
  id,
  nodes,
  poolOf,
  requestOf,
  type Spec,
  volumeOf,
} from './placement-cluster.js';

// Clusters with all kinds of trouble, and requests that now and then cannot be met.
const pool = fc.record({
  capacityGib: fc.integer({ min: 5, max: 60 }),
  freePercent: fc.integer({ min: 0, max: 100 }),
  iopsBudget: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }),
  broken: fc.integer({ min: 0, max: 9 }),
});
const spec: fc.Arbitrary<Spec> = fc
  .record({
    state: fc.oneof({ weight: 6, arbitrary: fc.constant('active' as const) }, fc.constantFrom(...nodeStates)),
    lost: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    zone: fc.constantFrom('z1', 'z2', 'z3', undefined),
    labels: fc.constantFrom({}, { disk: 'nvme' }, { disk: 'hdd' }),
    pools: fc.array(pool, { maxLength: 3 }),
  })
  .map(({ zone, pools, ...rest }) => ({
    ...rest,
    ...(zone !== undefined && { zone }),
    pools: pools.map(({ capacityGib, freePercent, iopsBudget, broken }, index) => {
      const made = poolOf(`p${index}`, capacityGib);
      return {
        ...made,
        freeBytes: (made.capacityBytes * BigInt(freePercent)) / 100n,
        ...(iopsBudget !== undefined && { iopsBudget }),
        ...(broken === 0 && { error: 'a device is missing' }),
      };
    }),
  }));
const cluster = fc.array(spec, { maxLength: 9 });
const request = fc
  .record({
    sizeGib: fc.integer({ min: 1, max: 40 }),
    minIops: fc.constantFrom(0, 0, 500, 1500),
    replicas: fc.integer({ min: 1, max: 4 }),
    thick: fc.boolean(),
    spread: fc.constantFrom('zone' as const, 'prefer-zone' as const),
    pool: fc.constantFrom(undefined, undefined, 'p0', 'p1'),
    nodeLabels: fc.constantFrom(undefined, undefined, { disk: 'nvme' }),
    apartGroup: fc.constantFrom(undefined, undefined, 'g'),
  })
  .map(({ sizeGib, minIops, replicas, thick, spread, pool: wanted, nodeLabels, apartGroup }) =>
    requestOf({
      sizeBytes: BigInt(sizeGib) * gib,
      minIops,
      wishes: {
        replicas,
        minInSync: 1,
        thick,
        spread,
        ...(wanted !== undefined && { pool: wanted }),
        ...(nodeLabels !== undefined && { nodeLabels }),
        ...(apartGroup !== undefined && { apartGroup }),
      },
    }),
  );
const runs = { numRuns: 1_000 };
const zoneOf = (candidates: readonly Candidate[], node: string) =>
  candidates.find((one) => one.node.id === node)?.node.zone ?? `of ${node} alone`;

describe('a placement', () => {
  it('has no two replicas on a node, and each where it fits', () => {
    fc.assert(
      fc.property(cluster, request, (specs, wanted) => {
        const candidates = nodes(specs);
        const { chosen } = place(wanted, candidates);
        expect(new Set(chosen.map(({ node }) => node)).size).toBe(chosen.length);
        for (const { node, pool: name } of chosen) {
          const candidate = candidates.find((one) => one.node.id === node)!;
          expect(candidate.lost).toBe(false);
          expect(candidate.node.state).toBe('active');
          const found = candidate.pools.find((one) => one.name === name)!;
          expect(found.error).toBeUndefined();
          expect(found.committedBytes + wanted.sizeBytes <= found.capacityBytes * 2n).toBe(true);
          if (wanted.wishes.thick) expect(wanted.sizeBytes <= found.freeBytes).toBe(true);
          if (wanted.minIops > 0) expect(wanted.minIops).toBeLessThanOrEqual(found.iopsBudget ?? 0);
          if (wanted.wishes.pool !== undefined) expect(name).toBe(wanted.wishes.pool);
          if (wanted.wishes.nodeLabels !== undefined) expect(candidate.node.labels.disk).toBe('nvme');
        }
      }),
      runs,
    );
  });

  it('finds as many places, in as many zones, as any choice of nodes could', () => {
    fc.assert(
      fc.property(cluster, request, (specs, wanted) => {
        const candidates = nodes(specs);
        const able = candidates.filter((one) => typeof poolFor(one, wanted, policyDefault) !== 'string');
        const { chosen, missing } = place(wanted, candidates);
        const best = bestOf(able, wanted);
        expect(chosen.length).toBe(best.count);
        expect(missing).toBe(wanted.wishes.replicas - best.count);
        expect(new Set(chosen.map(({ node }) => zoneOf(candidates, node))).size).toBe(best.zones);
      }),
      runs,
    );
  });

  it('is the same in whatever order the nodes come', () => {
    fc.assert(
      fc.property(cluster, request, fc.infiniteStream(fc.nat()), (specs, wanted, dice) => {
        const candidates = nodes(specs);
        const shuffled = [...candidates].sort(() => (dice.next().value % 2 === 0 ? 1 : -1));
        expect(place(wanted, shuffled)).toEqual(place(wanted, candidates));
      }),
      runs,
    );
  });

  it('of a volume that has all it wants changes nothing, and one that misses some keeps the others', () => {
    fc.assert(
      fc.property(cluster, request, fc.nat(), (specs, wanted, dice) => {
        const candidates = nodes(specs);
        const first = place(wanted, candidates);
        const keep = first.chosen.map(({ node }) => node);
        const again = place({ ...wanted, keep }, candidates);
        expect(again.chosen).toEqual([]);
        expect(again.missing).toBe(first.missing);
        if (keep.length === 0) return;
        const lost = keep[dice % keep.length]!;
        const left = keep.filter((node) => node !== lost);
        const repaired = place({ ...wanted, keep: left }, candidates);
        for (const { node } of repaired.chosen) expect(left).not.toContain(node);
        // Where it was it fits, so there is a place for it.
        expect(repaired.missing).toBeLessThanOrEqual(first.missing);
      }),
      runs,
    );
  });

  it('says of every node that was not taken why it cannot be, where replicas are missing', () => {
    fc.assert(
      fc.property(cluster, request, (specs, wanted) => {
        const candidates = nodes(specs);
        const { chosen, missing, refusals } = place(wanted, candidates);
        const taken = new Set(
          chosen.map(({ node }) => candidates.find((one) => one.node.id === node)!.node.name),
        );
        for (const { node, reason } of refusals) {
          expect(taken.has(node)).toBe(false);
          expect(reason.length).toBeGreaterThan(5);
        }
        if (missing > 0) expect(refusals.length + chosen.length).toBe(candidates.length);
      }),
      runs,
    );
  });

  it('never gets worse by a node more', () => {
    fc.assert(
      fc.property(cluster, request, spec, (specs, wanted, more) => {
        expect(place(wanted, nodes([...specs, more])).missing).toBeLessThanOrEqual(
          place(wanted, nodes(specs)).missing,
        );
      }),
      runs,
    );
  });

  it('of many volumes, one after the other, never takes more of a pool than there may be', () => {
    fc.assert(
      fc.property(cluster, fc.array(request, { maxLength: 25 }), (specs, wanted) => {
        const { nodes: records, facts } = clusterOf(specs);
        const volumes: VolumeRecord[] = [];
        let stepwise = candidatesOf(records, facts, volumes);
        wanted.forEach((one, index) => {
          const { chosen, missing } = place(one, candidatesOf(records, facts, volumes));
          if (missing > 0) return;
          const volume = volumeOf(`v${index}`, one, chosen);
          volumes.push(volume);
          for (const where of chosen) stepwise = withReplica(stepwise, volume, where);
        });
        const after = candidatesOf(records, facts, volumes);
        expect(stepwise).toEqual(after);
        for (const { pools, node } of after) {
          for (const one of pools) {
            expect(one.committedBytes <= one.capacityBytes * 2n).toBe(true);
            expect(one.committedThickBytes <= one.capacityBytes).toBe(true);
            if (one.committedIops > 0) expect(one.committedIops).toBeLessThanOrEqual(one.iopsBudget ?? 0);
          }
          const grouped = volumes.filter(
            ({ wishes: { apartGroup }, replicas }) =>
              apartGroup !== undefined && replicas.some((replica) => replica.node === node.id),
          );
          expect(grouped.length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** By trying all sets of nodes. */
function bestOf(
  able: readonly Candidate[],
  { wishes: wanted }: PlacementRequest,
): { count: number; zones: number } {
  let best = { count: 0, zones: 0 };
  for (let bits = 0; bits < 1 << able.length; bits += 1) {
    const set = able.filter((_one, index) => (bits >> index) & 1);
    if (set.length > wanted.replicas) continue;
    const zones = new Set(set.map(({ node }) => node.zone ?? `of ${node.id} alone`)).size;
    const allowed =
      wanted.spread === 'prefer-zone' ||
      (zones === set.length && set.every(({ node }) => node.zone !== undefined));
    if (allowed && (set.length > best.count || (set.length === best.count && zones > best.zones))) {
      best = { count: set.length, zones };
    }
  }
  return best;
}

describe('an evacuation', () => {
  it('moves each replica of the node once, and no other, to where it fits', () => {
    fc.assert(
      fc.property(cluster, fc.array(request, { maxLength: 12 }), fc.nat(), (specs, wanted, dice) => {
        const { nodes: records, facts } = clusterOf(specs);
        if (records.length === 0) return;
        const volumes: VolumeRecord[] = [];
        wanted.forEach((one, index) => {
          const { chosen, missing } = place(one, candidatesOf(records, facts, volumes));
          if (missing === 0) volumes.push(volumeOf(`v${index}`, one, chosen));
        });
        const left = records[dice % records.length]!;
        const after = records.map((node) =>
          node === left ? { ...node, state: 'evacuating' as const } : node,
        );
        const { moves, stuck } = evacuation(left.id, after, facts, volumes);
        const there = volumes.filter(({ replicas }) => replicas.some(({ node }) => node === left.id));
        expect([...moves, ...stuck].map(({ volume }) => volume).sort()).toEqual(
          there.map(({ name }) => name).sort(),
        );
        const moved = volumes.map((volume) => {
          const move = moves.find((one) => one.volume === volume.name);
          if (move === undefined) return volume;
          const replicas = volume.replicas.map((one) =>
            one.uuid === move.replica.uuid ? { ...one, ...move.to } : one,
          );
          expect(new Set(replicas.map(({ node }) => node)).size).toBe(replicas.length);
          expect(move.to.node).not.toBe(left.id);
          return { ...volume, replicas };
        });
        for (const { pools } of candidatesOf(after, facts, moved)) {
          for (const one of pools) {
            expect(one.committedBytes <= one.capacityBytes * 2n).toBe(true);
            expect(one.committedThickBytes <= one.capacityBytes).toBe(true);
          }
        }
        expect(evacuation(left.id, [...after].reverse(), facts, [...volumes].reverse())).toEqual({
          moves,
          stuck,
        });
      }),
      { numRuns: 300 },
    );
  });

  it('counts what it has planned already', () => {
    const { nodes: records, facts } = clusterOf([good, good]);
    const wanted = requestOf({ sizeBytes: 120n * gib, wishes: { replicas: 1 } });
    const two = ['a', 'b'].map((name) => volumeOf(name, wanted, [{ node: id(1), pool: 'p' }]));
    const { moves, stuck } = evacuation(id(1), records, facts, two);
    expect([moves.map(({ volume }) => volume), stuck.map(({ volume }) => volume)]).toEqual([['a'], ['b']]);
  });

  it('says of what is stuck why', () => {
    const { nodes: records, facts } = clusterOf([good, good, { ...good, state: 'cordoned' }]);
    const volume = volumeOf(
      'db',
      requestOf(),
      [1, 2].map((number) => ({ node: id(number), pool: 'p' })),
    );
    expect(evacuation(id(1), records, facts, [volume])).toEqual({
      moves: [],
      stuck: [
        {
          volume: 'db',
          refusals: [
            { node: 'node001', reason: 'it is left' },
            { node: 'node003', reason: 'it is cordoned' },
          ],
        },
      ],
    });
    expect(evacuation(id(1), records, facts, [{ ...volume, state: 'deleting' }])).toEqual({
      moves: [],
      stuck: [],
    });
  });
});
