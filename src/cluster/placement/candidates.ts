// What placement has to know of nodes, made of the records of a cluster. What is promised counts, not what is
// written: a volume that was created a moment ago takes nothing yet, and will.
import type { NodeFacts, PoolFacts } from '../model/facts.js';
import type { NodeRecord } from '../model/node.js';
import { promisedBytes, type VolumeRecord } from '../model/volume.js';

export interface Candidate {
  readonly node: NodeRecord;
  /** It has no facts: nobody knows whether it is there. */
  readonly lost: boolean;
  readonly pools: readonly CandidatePool[];
  readonly replicasCount: number;
  /** Of the volumes with a replica here. */
  readonly apartGroups: ReadonlySet<string>;
}

export interface CandidatePool extends PoolFacts {
  /** Sizes of all volumes with a replica in it. */
  readonly committedBytes: bigint;
  /** Of those for which full room is kept. */
  readonly committedThickBytes: bigint;
  /** Guaranteed to them, in I/Os per second. */
  readonly committedIops: number;
}

/** `facts`: by ID of the node. Replicas in pools that no node tells of count for nobody. */
export function candidatesOf(
  nodes: readonly NodeRecord[],
  facts: ReadonlyMap<string, NodeFacts>,
  volumes: readonly VolumeRecord[],
): readonly Candidate[] {
  const kept = new Map<string, { readonly volume: VolumeRecord; readonly pool: string }[]>();
  for (const volume of volumes) {
    for (const { node, pool } of volume.replicas) {
      const there = kept.get(node);
      if (there === undefined) kept.set(node, [{ volume, pool }]);
      else there.push({ volume, pool });
    }
  }
  return nodes.map((node) => {
    const here = kept.get(node.id) ?? [];
    const found = facts.get(node.id);
    return {
      node,
      lost: found === undefined,
      pools: (found?.pools ?? []).map((pool) =>
        committed(
          pool,
          here.flatMap((one) => (one.pool === pool.name ? [one.volume] : [])),
        ),
      ),
      replicasCount: here.length,
      apartGroups: new Set(here.flatMap(({ volume }) => volume.wishes.apartGroup ?? [])),
    };
  });
}

/** The same, with one replica more. */
export function withReplica(
  candidates: readonly Candidate[],
  volume: VolumeRecord,
  place: { readonly node: string; readonly pool: string },
): readonly Candidate[] {
  return candidates.map((candidate) => {
    if (candidate.node.id !== place.node) return candidate;
    const { apartGroup } = volume.wishes;
    return {
      ...candidate,
      pools: candidate.pools.map((pool) => (pool.name === place.pool ? added(pool, volume) : pool)),
      replicasCount: candidate.replicasCount + 1,
      apartGroups:
        apartGroup === undefined ? candidate.apartGroups : new Set([...candidate.apartGroups, apartGroup]),
    };
  });
}

function added(pool: CandidatePool, volume: VolumeRecord): CandidatePool {
  const { wishes, qos } = volume;
  const sizeBytes = promisedBytes(volume);
  return {
    ...pool,
    committedBytes: pool.committedBytes + sizeBytes,
    committedThickBytes: pool.committedThickBytes + (wishes.thick ? sizeBytes : 0n),
    committedIops: pool.committedIops + (qos?.minIops ?? 0),
  };
}

function committed(pool: PoolFacts, volumes: readonly VolumeRecord[]): CandidatePool {
  const empty = { ...pool, committedBytes: 0n, committedThickBytes: 0n, committedIops: 0 };
  return volumes.reduce<CandidatePool>(added, empty);
}
