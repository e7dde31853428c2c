// What holds for the next step of any volume in any situation, and that steps come to an end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeStates } from '../../../src/cluster/model/node.js';
import { addReplica, leavingOf, type VolumeRecord, wantSize } from '../../../src/cluster/model/volume.js';
import { nextVolumeStep } from '../../../src/controller/volume-step.js';
import { id } from '../cluster/placement-cluster.js';
import { factsOf, membersOf, replaceAfterMs, replicaOf, type Situation, volume } from './step-cluster.js';

const nodesCount = 6;
const numbers = [1, 2, 3, 4, 5, 6];

/** Three to five replicas, of which at least one is in sync; nodes in any state, some away. */
const situations = fc
  .record({
    count: fc.integer({ min: 3, max: 5 }),
    inSync: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    head: fc.nat(4),
    headStopped: fc.boolean(),
    // What it has, what its head has made of it, and what it is to have, in MiB.
    grownMib: fc.constantFrom(16n, 24n, 32n),
    wantedMib: fc.constantFrom(undefined, 24n, 32n),
    states: fc.array(fc.constantFrom(...nodeStates), { minLength: nodesCount, maxLength: nodesCount }),
    away: fc.array(fc.option(fc.nat(2 * replaceAfterMs), { nil: undefined }), {
      minLength: nodesCount,
      maxLength: nodesCount,
    }),
  })
  .map(({ count, inSync, head, headStopped, grownMib, wantedMib, states, away }) => {
    const replicas = numbers.slice(0, count);
    const of = replicas
      .slice(3)
      .reduce<VolumeRecord>(
        (all, number) => addReplica(all, { uuid: replicaOf(number), node: id(number), pool: 'p' }),
        wantedMib === undefined ? volume : wantSize(volume, wantedMib << 20n),
      );
    const headNumber = replicas[head % count] ?? 1;
    const members = membersOf(
      ...replicas.map((number) => (inSync[number - 1] || number === headNumber ? number : -number)),
    );
    const situation = {
      ...{
        nodes: nodesCount,
        mirror: { ...members, head: id(headNumber), headStopped, blocksCount: (grownMib << 20n) / 4096n },
      },
      states: Object.fromEntries(numbers.map((number) => [number, states[number - 1]])),
      awayMs: Object.fromEntries(
        numbers.flatMap((number) => (away[number - 1] === undefined ? [] : [[number, away[number - 1]]])),
      ),
    } as Situation & { readonly mirror: ReturnType<typeof membersOf> & { readonly blocksCount?: bigint } };
    return { of, situation, head: headNumber, headStopped };
  });

describe('any step', () => {
  it('takes a replica only while as many as are wished for are in sync without it, and never a head', () => {
    fc.assert(
      fc.property(situations, ({ of, situation, head, headStopped }) => {
        const step = nextVolumeStep(of, factsOf({ ...situation, volumes: [of] }));
        const to = step.kind === 'change' ? step.to : of;
        if (to.replicas.length >= of.replicas.length) return;
        const left = to.replicas.filter(({ uuid }) =>
          situation.mirror.members.some((one) => one.uuid === uuid && one.inSync),
        );
        expect(left.length).toBeGreaterThanOrEqual(of.wishes.replicas);
        const hasHead = to.replicas.some(({ node }) => node === id(head));
        expect(hasHead || headStopped).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives it the size that its head has made of it, no other, and wants what was wanted', () => {
    fc.assert(
      fc.property(situations, ({ of, situation }) => {
        const step = nextVolumeStep(of, factsOf({ ...situation, volumes: [of] }));
        const to = step.kind === 'change' ? step.to : of;
        const grown = (situation.mirror.blocksCount ?? 0n) * 4096n;
        expect([of.sizeBytes, grown]).toContain(to.sizeBytes);
        expect(to.sizeBytes).toBeGreaterThanOrEqual(of.sizeBytes);
        const all = of.wantedSizeBytes ?? of.sizeBytes;
        expect(to.wantedSizeBytes ?? to.sizeBytes).toBe(all > to.sizeBytes ? all : to.sizeBytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('leads to a wait or to nothing after a few, while nothing else happens', () => {
    fc.assert(
      fc.property(situations, ({ of, situation }) => {
        let record = of;
        for (let count = 0; count < 20; count += 1) {
          const facts = factsOf({ ...situation, volumes: [record] });
          const step = nextVolumeStep(record, { ...facts, newUuid: () => id(300 + count) });
          if (step.kind !== 'change') return;
          expect([...step.to.replicas, ...leavingOf(step.to)].length).toBeLessThanOrEqual(8);
          record = step.to;
        }
        throw new Error('steps go on for ever');
      }),
      { numRuns: 500 },
    );
  });
});
