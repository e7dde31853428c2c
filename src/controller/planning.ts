// One look at a whole cluster, and the next step of each of its volumes. Steps of one look take each other
// into account: a replica that gets a place is promised to it, a head that goes somewhere counts there.
import { nodeKey, volumeKey } from '../cluster/model/keys.js';
import type { NodeRecord } from '../cluster/model/node.js';
import type { PlacedReplica, VolumeRecord } from '../cluster/model/volume.js';
import { type Candidate, candidatesOf, withReplica } from '../cluster/placement/candidates.js';
import type { Stored } from '../cluster/view/cluster-view.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import type { Compare } from '../store/types.js';
import { type ClusterSnapshot, saidOf } from './cluster-state.js';
import { nextVolumeStep, type StepFacts, type VolumeStep } from './volume-step.js';

export interface PlanOptions {
  readonly newUuid: () => string;
  readonly nowMs: number;
  readonly replaceAfterMs: number;
  /** Volumes that are in the store by now, perhaps, and not in the snapshot: what they take is taken. */
  readonly unseen?: Iterable<VolumeRecord>;
}

export interface PlannedStep {
  readonly volume: Stored<VolumeRecord>;
  /** The records by which it was decided, as they were; 0: there was none. */
  readonly lookedAt: readonly Compare[];
  readonly step: VolumeStep;
}

export class Planning {
  readonly #snapshot: ClusterSnapshot;
  readonly #unseen: Iterable<VolumeRecord>;
  readonly #facts: StepFacts;
  /** Counted when a head has to be chosen, which most looks need not. */
  #headsCount: Map<string, number> | undefined;
  #candidates: readonly Candidate[] | undefined;

  constructor(snapshot: ClusterSnapshot, { unseen = [], ...options }: PlanOptions) {
    this.#snapshot = snapshot;
    this.#unseen = unseen;
    this.#facts = {
      ...options,
      nodes: nodesOf(snapshot),
      present: new Set(snapshot.facts.keys()),
      lostSinceMs: snapshot.lostSinceMs,
      saidOf: (node, volume) => saidOf(snapshot, node, volume),
      mirrorOf: (volume) => snapshot.mirrors.get(volume)?.record,
      snapshotsOf: (volume) => [...(snapshot.snapshots.get(volume)?.values() ?? [])],
      candidates: () => this.candidates(),
      headsCount: () => this.#counted(),
    };
  }

  /** Of the volumes of these names, or of all; none for those that are as they should be. */
  steps(names: Iterable<string> = this.#snapshot.volumes.keys()): readonly PlannedStep[] {
    return [...names].flatMap((name) => {
      const volume = this.#snapshot.volumes.get(name);
      if (volume === undefined) return [];
      const step = this.stepOf(volume.record);
      if (step.kind === 'none') return [];
      if (step.kind === 'change') this.#note(volume.record, step.to);
      return [{ volume, lookedAt: this.#lookedAt(volume, step), step }];
    });
  }

  stepOf(volume: VolumeRecord): VolumeStep {
    return nextVolumeStep(volume, this.#facts);
  }

  get saidOf(): StepFacts['saidOf'] {
    return this.#facts.saidOf;
  }

  candidates(): readonly Candidate[] {
    const { facts, volumes } = this.#snapshot;
    const records = allOf(volumes, this.#unseen);
    this.#candidates ??= candidatesOf([...this.#facts.nodes.values()], facts, records);
    return this.#candidates;
  }

  /**
   * A replica may go because others are in sync, not when they are not any more, nor as a head. One may come
   * to a node that takes replicas, not when it has been taken out meanwhile.
   */
  #lookedAt({ record, revision }: Stored<VolumeRecord>, step: VolumeStep): readonly Compare[] {
    const { mirrors, nodes } = this.#snapshot;
    const to = step.kind === 'change' ? addedBetween(record, step.to) : undefined;
    return [
      { key: volumeKey(record.name), revision },
      { key: mirrorsPrefix + record.name, revision: mirrors.get(record.name)?.record.revision ?? 0n },
      ...(to === undefined ? [] : [{ key: nodeKey(to.node), revision: nodes.get(to.node)?.revision ?? 0n }]),
    ];
  }

  #note(from: VolumeRecord, to: VolumeRecord): void {
    if (from.head !== to.head) {
      const counts = this.#counted();
      count(counts, from.head, -1);
      count(counts, to.head, 1);
    }
    const added = addedBetween(from, to);
    if (added !== undefined) this.#candidates = withReplica(this.candidates(), to, added);
  }

  #counted(): Map<string, number> {
    if (this.#headsCount === undefined) {
      this.#headsCount = new Map();
      for (const { record } of this.#snapshot.volumes.values()) count(this.#headsCount, record.head, 1);
    }
    return this.#headsCount;
  }
}

function count(heads: Map<string, number>, node: string | undefined, change: number): void {
  if (node !== undefined) heads.set(node, (heads.get(node) ?? 0) + change);
}

function addedBetween(from: VolumeRecord, to: VolumeRecord): PlacedReplica | undefined {
  return to.replicas.find(({ uuid }) => from.replicas.every((one) => one.uuid !== uuid));
}

function* allOf(
  volumes: ClusterSnapshot['volumes'],
  unseen: Iterable<VolumeRecord>,
): Generator<VolumeRecord> {
  for (const { record } of volumes.values()) yield record;
  for (const record of unseen) if (!volumes.has(record.name)) yield record;
}

function nodesOf({ nodes }: ClusterSnapshot): ReadonlyMap<string, NodeRecord> {
  return new Map([...nodes].map(([id, { record }]) => [id, record]));
}
