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

/**
 * `facts`: by ID of the node. Replicas in pools that no node tells of count for nobody. Asked for with each
 * volume that is made: one pass over the volumes, and nothing is made anew for each of them.
 */
export function candidatesOf(
  nodes: readonly NodeRecord[],
  facts: ReadonlyMap<string, NodeFacts>,
  volumes: Iterable<VolumeRecord>,
): readonly Candidate[] {
  const candidates = nodes.map((node) => {
    const found = facts.get(node.id);
    return {
      ...{ node, lost: found === undefined, replicasCount: 0, apartGroups: new Set<string>() },
      pools: (found?.pools ?? []).map((pool) => ({
        ...{ ...pool, committedBytes: 0n, committedThickBytes: 0n, committedIops: 0 },
      })),
    };
  });
  const byNode = new Map(candidates.map((candidate) => [candidate.node.id, candidate]));
  for (const volume of volumes) {
    const { bytes, thickBytes, iops } = promisedTo(volume);
    for (const { node, pool } of volume.replicas) {
      const there = byNode.get(node);
      if (there === undefined) continue;
      there.replicasCount += 1;
      if (volume.wishes.apartGroup !== undefined) there.apartGroups.add(volume.wishes.apartGroup);
      const kept = there.pools.find(({ name }) => name === pool);
      if (kept === undefined) continue;
      kept.committedBytes += bytes;
      kept.committedThickBytes += thickBytes;
      kept.committedIops += iops;
    }
  }
  return candidates;
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
  const { bytes, thickBytes, iops } = promisedTo(volume);
  return {
    ...pool,
    committedBytes: pool.committedBytes + bytes,
    committedThickBytes: pool.committedThickBytes + thickBytes,
    committedIops: pool.committedIops + iops,
  };
}

/** To each of its replicas. */
function promisedTo(volume: VolumeRecord) {
  const bytes = promisedBytes(volume);
  return { bytes, thickBytes: volume.wishes.thick ? bytes : 0n, iops: volume.qos?.minIops ?? 0 };
}
