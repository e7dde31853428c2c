import { describe, expect, it } from 'vitest';
import { createVolume, volumeReady, wantHead } from '../../../src/cluster/model/volume.js';
import { nextVolumeStep, type StepFacts } from '../../../src/controller/volume-step.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { good, id, nodeOf } from '../cluster/placement-cluster.js';

const replicaOf = (number: number) => `replica-${number}`;
const made = createVolume(
  {
    ...{ name: 'db', uuid: id(9), nqn: 'nqn.2026-11.dev.ballast:volume:db', sizeBytes: 1n << 24n },
    blockSizeBytes: 4096,
    wishes: { replicas: 3, minInSync: 2, thick: false, spread: 'prefer-zone' },
  },
  [1, 2, 3].map((number) => ({ uuid: replicaOf(number), node: id(number), pool: 'p' })),
  new Date(0),
);
/** Node 1 is wanted as head. */
const volume = wantHead(volumeReady(made), id(1));
const mirror: MirrorRecord = {
  ...{ revision: 7n, epoch: 3n, head: id(1), headStopped: false, minInSync: 2 },
  members: [1, 2, 3].map((number) => ({ uuid: replicaOf(number), inSync: true, sealedEpoch: 3n })),
  ...{ blockSizeBytes: 4096, blocksCount: 4096n },
};

function step(present: readonly number[], change: Partial<MirrorRecord> = {}) {
  const facts: StepFacts = {
    nodes: new Map([1, 2, 3].map((number) => [id(number), nodeOf(number, good)])),
    present: new Set(present.map(id)),
    lostSinceMs: new Map([1, 2, 3].filter((one) => !present.includes(one)).map((one) => [id(one), 0])),
    saidOf: () => undefined,
    mirrorOf: () => ({ ...mirror, ...change }),
    candidates: () => [],
    headsCount: new Map(),
    newUuid: () => id(8),
    ...{ nowMs: 1_000, replaceAfterMs: 60_000 },
  };
  return nextVolumeStep(volume, facts);
}

describe('the head of a volume', () => {
  it('stays where it is wanted', () => {
    expect(step([1, 2, 3])).toMatchObject({ kind: 'none' });
  });

  it('is left to its replicas when its node does not answer: it may only not have come back yet', () => {
    expect(step([2, 3]).kind).toBe('wait');
    expect(step([3]).kind).toBe('wait');
  });

  it('is wanted where it is when another node took over', () => {
    const taken = step([2, 3], { head: id(2), epoch: 4n });
    expect(taken).toMatchObject({ kind: 'change', reason: 'HeadTookOver', to: { head: id(2) } });
  });

  it('is wanted elsewhere when it has ended in order and its node does not answer', () => {
    const ended = step([2, 3], { headStopped: true });
    expect(ended).toMatchObject({ kind: 'change', reason: 'HeadMoves', to: { head: id(2) } });
  });
});
