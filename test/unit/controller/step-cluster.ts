// A volume and a cluster for the tests of its next step, by a few words each. Nodes and replicas have
// numbers: replica N is on node N, and both are there and in sync unless said otherwise.
import type { NodeState } from '../../../src/cluster/model/node.js';
import { createVolume, type VolumeRecord, volumeReady, wantHead } from '../../../src/cluster/model/volume.js';
import { type Candidate, candidatesOf } from '../../../src/cluster/placement/candidates.js';
import type { StepFacts } from '../../../src/controller/volume-step.js';
import type { NamedSnapshot } from '../../../src/mirrors/snapshot-records.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { good, id, nodeOf, poolOf } from '../cluster/placement-cluster.js';

export const replicaOf = (number: number) => id(100 + number);
export const nowMs = 1_000_000;
export const replaceAfterMs = 60_000;

export const made = createVolume(
  {
    ...{ name: 'db', uuid: id(9), nqn: 'nqn.2026-11.dev.ballast:volume:db', sizeBytes: 1n << 24n },
    blockSizeBytes: 4096,
    wishes: { replicas: 3, minInSync: 2, thick: false, spread: 'prefer-zone' },
  },
  [1, 2, 3].map((number) => ({ uuid: replicaOf(number), node: id(number), pool: 'p' })),
  new Date(0),
);
/** Node 1 is wanted as head, and is. */
export const volume = wantHead(volumeReady(made), id(1));

export const mirror: MirrorRecord = {
  ...{ revision: 7n, epoch: 3n, head: id(1), headStopped: false, minInSync: 2 },
  members: [1, 2, 3].map((number) => ({ uuid: replicaOf(number), inSync: true, sealedEpoch: 3n })),
  ...{ blockSizeBytes: 4096, blocksCount: 4096n },
};

/** Of replicas by number; a minus: it is not in sync. */
export function membersOf(...numbers: readonly number[]): Pick<MirrorRecord, 'members'> {
  return {
    members: numbers.map((number) => ({
      ...{ uuid: replicaOf(Math.abs(number)), inSync: number > 0, sealedEpoch: 3n },
    })),
  };
}

export interface Situation {
  /** How many there are. Default 4. */
  readonly nodes?: number;
  /** Of those that are not active. */
  readonly states?: Readonly<Record<number, NodeState>>;
  /** Since when by number of the node, in milliseconds before now. */
  readonly awayMs?: Readonly<Record<number, number>>;
  /** What nodes say of a replica here: state, and the replica where it is another one. */
  readonly said?: Readonly<
    Record<number, { readonly state: string; readonly replica?: string; readonly error?: string }>
  >;
  readonly mirror?: Partial<MirrorRecord> | 'lost';
  readonly snapshots?: readonly NamedSnapshot[];
  readonly volumes?: readonly VolumeRecord[];
  readonly headsCount?: Readonly<Record<number, number>>;
}

export function factsOf(situation: Situation = {}): StepFacts {
  const { nodes: count = 4, states = {}, awayMs = {}, said = {}, volumes = [volume] } = situation;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const records = numbers.map((number) => nodeOf(number, { ...good, state: states[number] ?? 'active' }));
  const up = numbers.filter((number) => awayMs[number] === undefined);
  const started = '2026-11-22T10:00:00.000Z';
  const facts = new Map(
    up.map((number) => [id(number), { version: '1', started, pools: [poolOf('p', 100)] }] as const),
  );
  const candidates = (): readonly Candidate[] => candidatesOf(records, facts, volumes);
  let uuids = 200;
  return {
    nodes: new Map(records.map((record) => [record.id, record])),
    present: new Set(up.map(id)),
    lostSinceMs: new Map(Object.entries(awayMs).map(([number, ms]) => [id(Number(number)), nowMs - ms])),
    saidOf: (node) => {
      const number = numbers.find((one) => id(one) === node) ?? 0;
      const found = awayMs[number] === undefined ? said[number] : undefined;
      return found && { replica: replicaOf(number), ...found };
    },
    snapshotsOf: () => situation.snapshots ?? [],
    mirrorOf: () => (situation.mirror === 'lost' ? undefined : { ...mirror, ...situation.mirror }),
    candidates,
    headsCount: () =>
      new Map(Object.entries(situation.headsCount ?? {}).map(([one, heads]) => [id(Number(one)), heads])),
    newUuid: () => {
      uuids += 1;
      return id(uuids);
    },
    ...{ nowMs, replaceAfterMs },
  };
}
