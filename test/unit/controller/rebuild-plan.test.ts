// Whom the records of a lost store call in sync: against a model of how heads, members and notes come about.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideVolume,
  type FoundReplica,
  type VolumeDecision,
  withoutUnknown,
} from '../../../src/controller/rebuild-plan.js';
import { nobody } from '../../../src/mirrors/record.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { id } from '../cluster/placement-cluster.js';
import { volume as base, replicaOf } from './step-cluster.js';

interface Member {
  readonly number: number;
  written: number;
  maxEpoch: bigint;
  content: 'complete' | 'partial';
  readonly absent: Map<number, bigint>;
  noted: MirrorRecord;
}

/**
 * A volume by the rules of docs/replication.md, as far as notes go: leaving, rejoining, being replaced,
 * takeover, writing.
 */
class World {
  readonly members: readonly Member[];
  readonly inSync: Set<number>;
  /** Who is a member by the record. */
  readonly listed: Set<number>;
  acknowledged = 0;
  epoch = 1n;
  head = 1;
  revision = 1n;
  /**
   * In the set in the store, and the others have not noted yet that somebody left: nothing is
   * acknowledged.
   */
  #unnoted = new Set<number>();

  constructor(
    count: number,
    readonly minInSync: number,
  ) {
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    this.inSync = new Set(numbers);
    this.listed = new Set(numbers);
    const noted = this.#record(numbers);
    this.members = numbers.map((number) => {
      const empty = { written: 0, maxEpoch: 1n, content: 'complete' as const, absent: new Map() };
      return { ...empty, number, noted };
    });
  }

  write(): void {
    if (this.inSync.size < this.minInSync || this.#unnoted.size > 0) return;
    this.acknowledged += 1;
    for (const one of this.#set()) one.written = this.acknowledged;
  }

  /** Out of the set in the store first; the others note it when `note` is called. */
  leave(number: number): void {
    if (!this.inSync.has(number) || this.inSync.size === 1 || this.#unnoted.size > 0) return;
    this.inSync.delete(number);
    this.#unnoted.add(number);
    this.#stored();
    if (number === this.head) this.takeOver();
  }

  note(): void {
    for (const number of this.#unnoted) for (const one of this.#set()) one.absent.set(number, this.epoch);
    this.#unnoted.clear();
  }

  rejoin(number: number): void {
    const member = this.members[number - 1];
    if (member === undefined || this.inSync.has(number) || this.#unnoted.size > 0) return;
    if (!this.listed.has(number)) return;
    Object.assign(member, { written: this.acknowledged, content: 'complete', maxEpoch: this.epoch });
    member.absent.clear();
    for (const other of this.members) {
      if (!this.inSync.has(other.number) && other !== member && this.listed.has(other.number))
        member.absent.set(other.number, this.epoch);
    }
    this.inSync.add(number);
    this.#stored();
    for (const one of this.#set()) one.absent.delete(number);
  }

  /** One that is away is no member any more: nobody notes what it misses, and it does not know. */
  dismiss(number: number): void {
    if (this.inSync.has(number) || this.#unnoted.size > 0 || this.listed.size <= this.minInSync) return;
    if (!this.listed.delete(number)) return;
    this.#stored();
    for (const one of this.#set()) one.absent.delete(number);
  }

  beginCopy(number: number): void {
    const member = this.members[number - 1];
    if (member !== undefined && !this.inSync.has(number) && this.listed.has(number))
      member.content = 'partial';
  }

  takeOver(): void {
    const [head] = [...this.inSync];
    this.head = head ?? 1;
    this.epoch += 1n;
    this.#stored();
    for (const one of this.#set()) one.maxEpoch = this.epoch;
  }

  /** What is found when some are missing, and some have not seen the record lately. */
  found(missing: ReadonlySet<number>): readonly FoundReplica[] {
    return this.members.filter(({ number }) => !missing.has(number)).map((one) => this.#found(one));
  }

  #found({ number, maxEpoch, content, absent, noted }: Member): FoundReplica {
    return {
      ...{ uuid: replicaOf(number), node: id(number), pool: 'p', volumeUuid: base.uuid, maxEpoch, content },
      ...{ sizeBytes: base.sizeBytes, blockSizeBytes: 4096, unusable: false },
      absent: [...absent].map(([of, sinceEpoch]) => ({ uuid: replicaOf(of), sinceEpoch })),
      known: {
        volume: { ...base, replicas: noted.members.map((one) => placeOf(numberOf(one.uuid))) },
        mirror: { volumeUuid: base.uuid, record: noted },
      },
    };
  }

  #set(): readonly Member[] {
    return this.members.filter(({ number }) => this.inSync.has(number));
  }

  #stored(): void {
    this.revision += 1n;
    const record = this.#record([...this.listed]);
    for (const one of this.#set()) one.noted = record;
  }

  #record(numbers: readonly number[]): MirrorRecord {
    return {
      ...{ revision: this.revision, epoch: this.epoch, head: id(this.head), headStopped: false },
      members: numbers.map((number) => ({
        ...{ uuid: replicaOf(number), inSync: this.inSync.has(number), sealedEpoch: 0n },
      })),
      ...{ minInSync: this.minInSync, blockSizeBytes: 4096, blocksCount: base.sizeBytes / 4096n },
    };
  }
}

const numberOf = (replica: string) => [1, 2, 3, 4].find((number) => replicaOf(number) === replica) ?? 0;
const placeOf = (number: number) => ({ uuid: replicaOf(number), node: id(number), pool: 'p' });

function inSyncOf(decision: VolumeDecision): readonly number[] | undefined {
  if (decision.kind === 'refuse') return undefined;
  return decision.inSync.map(numberOf);
}

const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('write', 'write', 'note', 'note', 'takeOver'), number: fc.constant(0) }),
  fc.record({
    kind: fc.constantFrom('leave', 'leave', 'leave', 'rejoin', 'rejoin', 'beginCopy', 'dismiss'),
    number: fc.integer({ min: 1, max: 4 }),
  }),
);

function run(world: World, steps: readonly { readonly kind: string; readonly number: number }[]): void {
  for (const { kind, number } of steps) {
    if (kind === 'write') world.write();
    if (kind === 'note') world.note();
    if (kind === 'takeOver') world.takeOver();
    if (kind === 'leave') world.leave(number);
    if (kind === 'rejoin') world.rejoin(number);
    if (kind === 'beginCopy') world.beginCopy(number);
    if (kind === 'dismiss') world.dismiss(number);
  }
}

describe('the set of a volume whose record is lost', () => {
  it('has nobody who misses what was acknowledged, whoever is missing', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 4 })
          .chain((count) =>
            fc.tuple(
              fc.constant(count),
              fc.integer({ min: 1, max: count }),
              fc.array(step, { maxLength: 40 }),
              fc.uniqueArray(fc.integer({ min: 1, max: count }), { maxLength: count - 1 }),
            ),
          ),
        ([count, minInSync, steps, missing]) => {
          const world = new World(count, minInSync);
          run(world, steps);
          const found = world.found(new Set(missing));
          const decision = decideVolume(base.uuid, found);
          for (const number of inSyncOf(decision) ?? []) {
            expect(world.members[number - 1]?.written).toBe(world.acknowledged);
          }
          if (decision.kind === 'refuse') return;
          const { record } = decision.mirror;
          expect(record.epoch).toBeGreaterThan(
            found.reduce((most, { maxEpoch }) => (maxEpoch > most ? maxEpoch : most), 0n),
          );
          expect(record.headStopped).toBe(false);
          expect(record.head).not.toBe(nobody);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('has nobody whom one notes that is itself being copied to', () => {
    const world = new World(4, 3);
    world.leave(4);
    world.note();
    world.write();
    world.leave(2);
    world.note();
    world.beginCopy(2);
    expect(decideVolume(base.uuid, world.found(new Set([1, 3])))).toMatchObject({ kind: 'refuse' });
  });

  it('has nobody who was replaced while it was away', () => {
    const world = new World(3, 1);
    world.leave(3);
    world.note();
    world.dismiss(3);
    world.write();
    expect(inSyncOf(decideVolume(base.uuid, world.found(new Set())))).toEqual([1, 2]);
  });

  it('is found when all members are there and said what they know', () => {
    const world = new World(3, 2);
    world.write();
    world.leave(3);
    world.note();
    world.write();
    expect(inSyncOf(decideVolume(base.uuid, world.found(new Set())))).toEqual([1, 2]);
    expect(inSyncOf(decideVolume(base.uuid, world.found(new Set([1]))))).toEqual([2]);
  });

  it.each([
    [
      'as many are missing as may have acknowledged alone',
      (world: World) => world.found(new Set([1, 2])),
      'not found',
    ],
    [
      'nobody noted its name',
      (world: World) => world.found(new Set()).map(({ known: _, ...one }) => one),
      'its name',
    ],
    [
      'a disk was copied (D23)',
      (world: World) => [...world.found(new Set()), { ...world.found(new Set())[0]!, node: id(9) }],
      'on two nodes',
    ],
    [
      'the metadata of too many is damaged (D28)',
      (world: World) => world.found(new Set()).map((one, index) => ({ ...one, unusable: index < 2 })),
      'not found',
    ],
    ['two say of each other the same', (world: World) => mutual(world.found(new Set())), 'each say'],
  ])('is not guessed when %s', (_why, found, reason) => {
    const world = new World(3, 2);
    world.write();
    const decision = decideVolume(base.uuid, found(world));
    expect(decision).toMatchObject({ kind: 'refuse', reason: expect.stringContaining(reason) });
  });

  it('says where disks are now that were moved', () => {
    const world = new World(2, 2);
    const found = world
      .found(new Set())
      .map((one, index) => (index === 0 ? { ...one, node: id(7), pool: 'q' } : one));
    const decision = decideVolume(base.uuid, found);
    expect(decision).toMatchObject({ volume: { replicas: [{ node: id(7), pool: 'q' }, { node: id(2) }] } });
  });
});

function mutual(found: readonly FoundReplica[]): readonly FoundReplica[] {
  return found.map((one, index) => {
    const other = found[index === 0 ? 1 : 0];
    return index < 2 && other !== undefined
      ? { ...one, absent: [{ uuid: other.uuid, sinceEpoch: 1n }] }
      : one;
  });
}

describe('a replica of a node that is not known any more', () => {
  const decisionOf = (count: number, minInSync: number) =>
    decideVolume(base.uuid, new World(count, minInSync).found(new Set()));

  it('has no place, and others keep theirs', () => {
    const decision = withoutUnknown(decisionOf(3, 2), (node) => node !== id(2));
    expect(decision).toMatchObject({
      volume: { replicas: [{ node: id(1) }, { node: id(3) }] },
      mirror: { record: { members: [{ uuid: replicaOf(1) }, { uuid: nobody }, { uuid: replicaOf(3) }] } },
    });
    const last = withoutUnknown(decisionOf(3, 2), (node) => node !== id(3));
    expect(last).toMatchObject({
      mirror: { record: { members: [{ uuid: replicaOf(1) }, { uuid: replicaOf(2) }] } },
    });
  });

  it('keeps a volume from being made where too few would be left', () => {
    const decision = withoutUnknown(decisionOf(3, 3), (node) => node !== id(2));
    expect(decision).toMatchObject({ kind: 'refuse', reason: expect.stringContaining('fewer than 3') });
  });
});
