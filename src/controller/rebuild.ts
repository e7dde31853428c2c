// Makes the records of a cluster anew from what is on the disks of its nodes, where the store was lost or
// is an old copy; and then takes that store for the cluster's. A plan first, which changes nothing; it is
// carried out only by what is found then. Of a store that nobody refuses: volumes whose mirror record, or
// whose records, are missing.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { StoreRestoredError } from '../base/cluster-errors.js';
import { StoreUnavailableError } from '../base/control-errors.js';
import { decodeLineage, encodeLineage, withReplaced } from '../cluster/lineage/lineage-record.js';
import {
  inquiryKey,
  lineageKey,
  nodeKey,
  refusalKey,
  reportsPrefix,
  volumeKey,
} from '../cluster/model/keys.js';
import type { NodeRecord } from '../cluster/model/node.js';
import { encodeNode } from '../cluster/model/node-record.js';
import { decodeNodeReport, decodeReplicaReport, type ReplicaReport } from '../cluster/model/report.js';
import { decodeVolume, encodeVolume } from '../cluster/model/volume-record.js';
import { decodeMirror, encodeMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import { batchesOf } from '../store/batches.js';
import type { Store, Write } from '../store/types.js';
import type { ClusterSnapshot } from './cluster-state.js';
import type { Events } from './events.js';
import type { Nodes } from './nodes.js';
import { decideVolume, type FoundReplica, type VolumeDecision, withoutUnknown } from './rebuild-plan.js';

export interface RebuildOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'commit'>;
  readonly nodes: Pick<Nodes, 'snapshot'>;
  readonly events: Events;
  readonly clock: Clock;
}

export interface RebuildPlan {
  /** Who refuses the store, and why; empty: nobody does. */
  readonly refusals: readonly { readonly name: string; readonly kind: string; readonly reason: string }[];
  /** Names of nodes that have said what they have. */
  readonly reported: readonly string[];
  /** Known nodes that have not, by name or UUID: without them nothing is done unless they are named. */
  readonly silent: readonly string[];
  readonly rebuilt: readonly {
    readonly name: string;
    readonly uuid: string;
    readonly epoch: bigint;
    /** By name of the node. */
    readonly inSync: readonly string[];
    readonly stale: readonly string[];
  }[];
  /** Left without a mirror record, so that nobody serves them. */
  readonly refused: readonly { readonly name?: string; readonly uuid: string; readonly reason: string }[];
  /** Of the store, and not on any disk: their records go. */
  readonly gone: readonly string[];
  /** True: it was carried out. */
  readonly done: boolean;
}

export interface RebuildRequest {
  /** Absent: only the plan. */
  readonly execute?: boolean;
  /** Names or UUIDs of nodes that are not waited for. */
  readonly without?: readonly string[];
}

interface Found {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly replicas: readonly FoundReplica[];
}

const pollMs = 250;
const reportMsMax = 15_000;

export class Rebuild {
  readonly #options: RebuildOptions;

  constructor(options: RebuildOptions) {
    this.#options = options;
  }

  /**
   * Fails with STORE_RESTORED where it is to be carried out and known nodes are silent, and with
   * STORE_UNAVAILABLE where the store changed meanwhile: nothing is taken for the cluster's then.
   */
  async run({ execute = false, without = [] }: RebuildRequest): Promise<RebuildPlan> {
    const { store, nodes } = this.#options;
    await store.commit([], [{ type: 'put', key: inquiryKey, value: Buffer.from('1') }]);
    try {
      const found = await this.#found(without);
      const snapshot = nodes.snapshot();
      const decisions = decide(found, snapshot);
      const plan = planOf(found, snapshot, decisions, without);
      if (!execute) return plan;
      if (plan.silent.length > 0) {
        const who = plan.silent.map((name) => `'${name}'`).join(', ');
        throw new StoreRestoredError(
          `${who} did not say what they have; start them, or go on without them by naming each (--without)`,
        );
      }
      await this.#execute(found, snapshot, decisions, plan);
      return { ...plan, done: true };
    } finally {
      await store.commit([], [{ type: 'delete', key: inquiryKey }]);
    }
  }

  /** Waits for those that may still come. */
  async #found(without: readonly string[]): Promise<Found> {
    const { nodes, clock } = this.#options;
    const untilMs = clock.steadyMs() + reportMsMax;
    for (;;) {
      const found = await this.#read();
      const silent = silentOf(found, nodes.snapshot(), without);
      if ((silent.length === 0 && found.nodes.size > 0) || clock.steadyMs() >= untilMs) return found;
      await new Promise<void>((resolve) => void clock.after(pollMs, resolve));
    }
  }

  async #read(): Promise<Found> {
    const { entries } = await this.#options.store.list(reportsPrefix);
    const nodes = new Map<string, NodeRecord>();
    const counts = new Map<string, number>();
    const replicas: FoundReplica[] = [];
    for (const { key, value } of entries) {
      const [node = '', what] = key.slice(reportsPrefix.length).split('/');
      if (what === 'node') {
        const report = decodeNodeReport(key, value);
        nodes.set(node, report.node);
        counts.set(node, report.replicasCount);
      } else {
        replicas.push(foundOf(node, decodeReplicaReport(key, value)));
      }
    }
    for (const [node, count] of counts) {
      // Not all of it is written yet.
      if (replicas.filter((one) => one.node === node).length !== count) nodes.delete(node);
    }
    return { nodes, replicas: replicas.filter(({ node }) => nodes.has(node)) };
  }

  async #execute(
    found: Found,
    snapshot: ClusterSnapshot,
    decisions: readonly VolumeDecision[],
    plan: RebuildPlan,
  ): Promise<void> {
    const { store, events } = this.#options;
    const stored = await store.get(lineageKey);
    if (stored === undefined) throw new StoreUnavailableError('rebuild', 'no controller has opened it');
    const guard = { key: lineageKey, revision: stored.revision };
    const writes = writesOf(found, snapshot, decisions, plan.gone);
    for (const some of batchesOf(writes)) {
      const { ok } = await store.commit([guard], some);
      if (!ok) throw new StoreUnavailableError('rebuild', 'it was opened anew meanwhile; try again');
    }
    const refusals = [...snapshot.refusals.values()];
    if (refusals.length > 0) {
      // Last of all: from here on nodes take it for theirs.
      const before = { record: decodeLineage(stored.value), keyRevision: stored.revision };
      const others = refusals.flatMap(({ lineage = [] }) => lineage);
      const value = encodeLineage(withReplaced(before, others, randomUUID(), randomUUID()));
      const { ok } = await store.commit(
        [guard],
        [
          { type: 'put', key: lineageKey, value },
          ...refusals.map(({ id }): Write => ({ type: 'delete', key: refusalKey(id) })),
        ],
      );
      if (!ok) throw new StoreUnavailableError('rebuild', 'it was opened anew meanwhile; try again');
    }
    const { rebuilt, refused } = plan;
    const text = `records made anew from disks: ${rebuilt.length} volumes; left out: ${refused.length}`;
    events.tell({ level: 'warning', subject: 'cluster', name: '', reason: 'StoreRebuilt', text });
  }
}

function foundOf(node: string, report: ReplicaReport): FoundReplica {
  const { noted } = report;
  if (noted === undefined) return { ...report, node };
  const volume = decodeVolume(`note of ${report.uuid}`, noted.volume);
  return {
    ...report,
    node,
    known: { volume, mirror: decodeMirror(volume.name, noted.mirror, noted.revision) },
  };
}

/** Of each volume of which a replica was found, and whose records are to be made. */
function decide({ nodes, replicas }: Found, snapshot: ClusterSnapshot): readonly VolumeDecision[] {
  const groups = new Map<string, FoundReplica[]>();
  for (const one of replicas) {
    const uuid = one.known?.volume.uuid ?? one.volumeUuid;
    if (uuid !== undefined) groups.set(uuid, [...(groups.get(uuid) ?? []), one]);
  }
  const isNeeded = (decision: VolumeDecision) => {
    if (snapshot.refusals.size > 0) return true;
    const name = decision.kind === 'rebuild' ? decision.volume.name : decision.name;
    const there = name === undefined ? undefined : snapshot.volumes.get(name)?.record;
    const uuid = decision.kind === 'rebuild' ? decision.volume.uuid : decision.uuid;
    const isUnknown = [...snapshot.volumes.values()].every(({ record }) => record.uuid !== uuid);
    if (there === undefined) return isUnknown && decision.kind === 'rebuild';
    return there.uuid === uuid && !snapshot.mirrors.has(there.name);
  };
  const isKnown = (node: string) => nodes.has(node.toLowerCase()) || snapshot.nodes.has(node);
  const all = [...groups]
    .map(([uuid, found]) => withoutUnknown(decideVolume(uuid, found), isKnown))
    .filter(isNeeded);
  return all.map((decision) => {
    if (decision.kind !== 'rebuild') return decision;
    const { name, uuid } = decision.volume;
    const isTwice = all.some((other) => {
      return other.kind === 'rebuild' && other.volume.name === name && other.volume.uuid !== uuid;
    });
    if (!isTwice) return decision;
    return { kind: 'refuse', uuid, name, reason: 'there are two volumes of this name on the disks' };
  });
}

/** Known nodes that are not among those that have said what they have. */
function silentOf(
  { nodes, replicas }: Found,
  snapshot: ClusterSnapshot,
  without: readonly string[],
): readonly string[] {
  const names = new Map(
    [...snapshot.nodes.values(), ...[...nodes.values()].map((record) => ({ record }))].map(({ record }) => [
      record.id.toLowerCase(),
      record.name,
    ]),
  );
  const refusing = [...snapshot.refusals.values()].filter(({ kind }) => kind === 'node');
  for (const { id, name } of refusing) names.set(id.toLowerCase(), name);
  const known = new Set([
    ...[...snapshot.nodes.values()].flatMap(({ record }) =>
      record.state === 'decommissioned' ? [] : record.id,
    ),
    ...refusing.map(({ id }) => id),
    ...replicas.flatMap((one) => one.known?.volume.replicas.map(({ node }) => node) ?? []),
  ]);
  return [...known]
    .map((id) => id.toLowerCase())
    .filter((id) => !nodes.has(id))
    .flatMap((id) => {
      const name = names.get(id) ?? id;
      return without.includes(name) || without.includes(id) ? [] : [name];
    });
}

function planOf(
  found: Found,
  snapshot: ClusterSnapshot,
  decisions: readonly VolumeDecision[],
  without: readonly string[],
): RebuildPlan {
  const nameOf = (id: string) =>
    found.nodes.get(id.toLowerCase())?.name ?? snapshot.nodes.get(id)?.record.name ?? id;
  const named = new Set(
    decisions.flatMap((one) => (one.kind === 'rebuild' ? one.volume.name : (one.name ?? []))),
  );
  const isFound = (uuid: string) => found.replicas.some((one) => one.known?.volume.uuid === uuid);
  const lost = [...snapshot.volumes.values()].filter(
    ({ record }) => snapshot.refusals.size > 0 && !named.has(record.name) && !isFound(record.uuid),
  );
  // Where a node of it is not here nobody knows whether there is data of it.
  const isWhole = (nodes: readonly { readonly node: string }[]) =>
    nodes.every(({ node }) => found.nodes.has(node.toLowerCase()));
  return {
    refusals: [...snapshot.refusals.values()].map(({ name, kind, reason }) => ({ name, kind, reason })),
    reported: [...found.nodes.values()].map(({ name }) => name).sort(),
    silent: silentOf(found, snapshot, without),
    rebuilt: decisions.flatMap((one) => {
      if (one.kind !== 'rebuild') return [];
      const { volume, mirror, inSync } = one;
      const [is, not] = [true, false].map((wanted) =>
        volume.replicas
          .filter(({ uuid }) => inSync.includes(uuid) === wanted)
          .map(({ node }) => nameOf(node))
          .sort(),
      );
      const { name, uuid } = volume;
      return [{ name, uuid, epoch: mirror.record.epoch, inSync: is ?? [], stale: not ?? [] }];
    }),
    refused: [
      ...decisions.flatMap((one) => (one.kind === 'refuse' ? [one] : [])),
      ...lost.flatMap(({ record: { name, uuid, replicas } }) =>
        isWhole(replicas) ? [] : [{ name, uuid, reason: 'none of its replicas was found' }],
      ),
    ].map(({ uuid, name, reason }) => ({ uuid, reason, ...(name !== undefined && { name }) })),
    gone: lost.flatMap(({ record: { name, replicas } }) => (isWhole(replicas) ? name : [])),
    done: false,
  };
}

function writesOf(
  { nodes }: Found,
  snapshot: ClusterSnapshot,
  decisions: readonly VolumeDecision[],
  gone: readonly string[],
): readonly Write[] {
  const made = [...nodes.values()].flatMap((record): Write[] =>
    snapshot.nodes.has(record.id)
      ? []
      : [{ type: 'put', key: nodeKey(record.id), value: encodeNode(record) }],
  );
  const rebuilt = decisions.flatMap((one): Write[] => {
    if (one.kind !== 'rebuild') return [];
    const { volume, mirror } = one;
    return [
      { type: 'put', key: mirrorsPrefix + volume.name, value: encodeMirror(mirror) },
      { type: 'put', key: volumeKey(volume.name), value: encodeVolume(volume) },
    ];
  });
  const kept = new Set(decisions.flatMap((one) => (one.kind === 'rebuild' ? one.volume.name : [])));
  const isRefused = snapshot.refusals.size > 0;
  // What the store says of all others may be of another time: nobody serves them by it.
  const unserved = [...snapshot.mirrors.keys()].filter((name) => isRefused && !kept.has(name));
  return [
    ...made,
    ...rebuilt,
    ...unserved.map((name): Write => ({ type: 'delete', key: mirrorsPrefix + name })),
    ...gone.map((name): Write => ({ type: 'delete', key: volumeKey(name) })),
  ];
}
