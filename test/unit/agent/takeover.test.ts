import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  nextStep,
  type ReplicaPlace,
  sealMs,
  type TakeoverFacts,
  turnMs,
  unusedMs,
  wantedMs,
} from '../../../src/agent/takeover.js';
import { nobody } from '../../../src/mirrors/record.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';

const places: readonly ReplicaPlace[] = ['a', 'b', 'c'].map((name) => ({
  node: `node-${name}`,
  replica: name,
}));
const [a, b, c] = places as [ReplicaPlace, ReplicaPlace, ReplicaPlace];

function record(change: Partial<MirrorRecord> = {}, inSync = 'abc'): MirrorRecord {
  return {
    ...{ revision: 7n, epoch: 3n, head: a.node, headStopped: false, minInSync: 1 },
    members: places.map(({ replica }) => ({
      uuid: replica,
      inSync: inSync.includes(replica),
      sealedEpoch: 3n,
    })),
    ...{ blockSizeBytes: 4096, blocksCount: 256n },
    ...change,
  };
}

function facts(change: Partial<TakeoverFacts>): TakeoverFacts {
  const sinceMs = { recordSinceMs: 0, wantedSinceMs: 0 };
  return { here: b, places, record: record(), state: 'standby', ...sinceMs, nowMs: 10_000, ...change };
}

describe('a node with a replica in sync', () => {
  it('does nothing while a head uses its replica', () => {
    expect(nextStep(facts({}))).toEqual({ kind: 'none' });
  });

  it('takes over when the head is gone, the first in the order of the record first', () => {
    const others = places.filter(({ node }) => node !== a.node);
    const gone = { places: others, unusedSinceMs: 10_000 };
    expect(nextStep(facts({ ...gone, here: b }))).toEqual({ kind: 'wait', untilMs: 10_000 + unusedMs });
    expect(nextStep(facts({ ...gone, here: c }))).toEqual({
      kind: 'wait',
      untilMs: 10_000 + unusedMs + turnMs,
    });
    expect(nextStep(facts({ ...gone, nowMs: 10_000 + unusedMs }))).toEqual({ kind: 'promote' });
  });

  it('leaves one that has just claimed the volume the time to seal those that are silent', () => {
    const claimed = { record: record({ head: c.node }), unusedSinceMs: 0, recordSinceMs: 9_000, here: a };
    expect(nextStep(facts(claimed))).toEqual({ kind: 'wait', untilMs: 9_000 + sealMs });
    const sealTimeoutMs = 1_500; // of native/bdev/mirror/head_options.h
    expect(sealMs).toBeGreaterThan(sealTimeoutMs);
  });

  it('does not wait for the head that is gone, although that is wanted and still counts as up', () => {
    const gone = { unusedSinceMs: 10_000, wanted: a.node };
    expect(nextStep(facts({ ...gone, here: b }))).toEqual({ kind: 'wait', untilMs: 10_000 + unusedMs });
  });

  it('gives the node that is wanted the first turn, and the one that was head the last', () => {
    const gone = { unusedSinceMs: 10_000, wanted: c.node };
    expect(nextStep(facts({ ...gone, here: c }))).toEqual({ kind: 'wait', untilMs: 10_000 + unusedMs });
    expect(nextStep(facts({ ...gone, here: b }))).toEqual({
      kind: 'wait',
      untilMs: 10_000 + unusedMs + turnMs,
    });
  });

  it('goes on at once as head when it was head before its process ended', () => {
    expect(nextStep(facts({ here: a }))).toEqual({ kind: 'promote' });
  });

  it('waits for who is wanted when it was to move from here and could not end in order', () => {
    const moved = { here: a, wanted: b.node, unusedSinceMs: 10_000 };
    expect(nextStep(facts(moved))).toEqual({ kind: 'wait', untilMs: 10_000 + unusedMs + 2 * turnMs });
  });

  it('becomes the first head of a new volume when it is wanted, or when nobody is', () => {
    const fresh = record({ epoch: 0n, head: nobody, headStopped: true }, 'b');
    expect(nextStep(facts({ record: fresh, wanted: b.node }))).toEqual({ kind: 'promote' });
    expect(nextStep(facts({ record: fresh }))).toEqual({ kind: 'promote' });
  });
});

it('nobody takes over before it is known who is up', () => {
  for (const change of [{ headStopped: true }, { head: b.node }, {}]) {
    expect(nextStep(facts({ record: record(change), places: [], unusedSinceMs: 0 }))).toEqual({
      kind: 'none',
    });
  }
});

describe('a replica that is not in sync', () => {
  it('is nothing to be head with, whatever has happened', () => {
    for (const change of [{ headStopped: true }, { head: b.node }, {}]) {
      const without = record(change, 'ac');
      expect(nextStep(facts({ record: without, unusedSinceMs: 0, wanted: b.node }))).toEqual({
        kind: 'none',
      });
    }
  });
});

describe('a head', () => {
  it('stays while it is wanted, or nobody else is', () => {
    expect(nextStep(facts({ here: a, state: 'serving' }))).toEqual({ kind: 'none' });
    expect(nextStep(facts({ here: a, state: 'serving', wanted: a.node }))).toEqual({ kind: 'none' });
  });

  it('moves to the node that is wanted when that could go on', () => {
    expect(nextStep(facts({ here: a, state: 'serving', wanted: c.node }))).toEqual({ kind: 'demote' });
  });

  it.each([
    ['its replica is not in sync', { record: record({}, 'ab') }],
    ['it is not up', { places: [a, b] }],
    ['it does not serve yet itself', { state: 'sealing' as const }],
    ['it is ending already', { state: 'stopping' as const }],
  ])('does not move there while %s', (_what, change) => {
    const step = nextStep(facts({ here: a, state: 'serving', wanted: c.node, ...change }));
    expect(step).toEqual({ kind: 'none' });
  });

  it('that was fenced makes way', () => {
    expect(nextStep(facts({ here: a, state: 'fenced' }))).toEqual({ kind: 'demote' });
  });
});

describe('a head that has ended in order', () => {
  const ended = record({ headStopped: true });
  it('is followed at once by the node that is wanted, although its replica was used a moment ago', () => {
    expect(nextStep(facts({ record: ended, wanted: b.node, recordSinceMs: 10_000 }))).toEqual({
      kind: 'promote',
    });
  });

  it('is followed by another one when the one that is wanted does nothing', () => {
    const waiting = facts({ record: ended, wanted: c.node, recordSinceMs: 10_000, here: b });
    expect(nextStep(waiting)).toEqual({ kind: 'wait', untilMs: 10_000 + wantedMs + 2 * turnMs });
  });

  it('of a volume that waited for its replicas leaves the one that is wanted its time from then on', () => {
    const known = { record: ended, wanted: c.node, recordSinceMs: 2_000, here: b };
    const told = nextStep(facts({ ...known, wantedSinceMs: 10_000 }));
    expect(told).toEqual({ kind: 'wait', untilMs: 10_000 + wantedMs + 2 * turnMs });
    expect(nextStep(facts({ ...known, wantedSinceMs: 10_000, here: c }))).toEqual({ kind: 'promote' });
  });

  it('is followed by the next in line when the one that is wanted is not up', () => {
    const without = facts({ record: ended, places: [b], wanted: c.node, recordSinceMs: 10_000 });
    expect(nextStep(without)).toEqual({ kind: 'promote' });
  });
});

// Whatever is true: with a node that is up and a replica in sync, some node has a next step within a bound;
// and two nodes never have theirs at the same moment.
describe('all nodes of a volume', () => {
  const subset = fc.subarray(places as ReplicaPlace[], { minLength: 1 });
  const world = fc.record({
    up: subset,
    inSync: subset,
    head: fc.constantFrom(nobody, ...places.map(({ node }) => node)),
    headStopped: fc.boolean(),
    wanted: fc.option(fc.constantFrom(...places.map(({ node }) => node)), { nil: undefined }),
  });

  it('leave no volume without a head', () => {
    fc.assert(
      fc.property(world, ({ up, inSync, head, headStopped, wanted }) => {
        const stopped = headStopped || head === nobody;
        const now = record({ head, headStopped: stopped }, inSync.map(({ replica }) => replica).join(''));
        const able = up.filter(({ replica }) => inSync.some((one) => one.replica === replica));
        const turns = able.flatMap((here) => {
          const step = nextStep({
            ...{ here, places: up, record: now, state: 'standby' as const },
            ...{ recordSinceMs: 1000, wantedSinceMs: 1000, nowMs: 1000 },
            ...(wanted !== undefined && { wanted }),
            unusedSinceMs: 1000,
          });
          if (step.kind === 'promote') return [1000];
          return step.kind === 'wait' ? [step.untilMs] : [];
        });
        expect(turns).toHaveLength(able.length);
        expect(new Set(turns).size).toBe(turns.length);
        for (const turn of turns) expect(turn).toBeLessThanOrEqual(1000 + wantedMs + unusedMs + 8 * turnMs);
      }),
      { numRuns: 2000 },
    );
  });
});
