// Where the replicas of a volume go. Pure, and the same for the same nodes in whatever order they come: of
// the nodes that can keep one, first those in the zone with the fewest replicas of the volume, then in the
// zone that was asked for first, then the one whose pool would be least full. Replicas that are there stay: a
// call for a volume that has all it wants changes nothing.
//
// Each replica is chosen by itself, which finds as many places, in as many zones, as any other way would:
// what fits on one node does not depend on the others, but for the zone, and a node is used once.
import { NoPlacementError } from '../../base/cluster-errors.js';
import type { Candidate, CandidatePool } from './candidates.js';
import { compareFullness, type PlacementPolicy, policyDefault, poolFor, type ReplicaNeeds } from './fit.js';

export interface PlacementRequest extends ReplicaNeeds {
  /** For messages. */
  readonly name: string;
  /** UUIDs of the nodes where replicas are that stay. */
  readonly keep: readonly string[];
  /** UUIDs of nodes that are not to be used, and why. */
  readonly exclude?: ReadonlyMap<string, string>;
}

export interface Place {
  /** UUID. */
  readonly node: string;
  /** By name. */
  readonly pool: string;
}

export interface NodeRefusal {
  /** Name of the node. */
  readonly node: string;
  readonly reason: string;
}

export interface Placement {
  /** Beside those that stay. */
  readonly chosen: readonly Place[];
  /** How many replicas have no place. */
  readonly missing: number;
  /** Why not, of every node without a replica, in the order of their names; also when none is missing. */
  readonly refusals: readonly NodeRefusal[];
  /** What was wished and could not be. */
  readonly notes: readonly string[];
}

export function place(
  request: PlacementRequest,
  candidates: readonly Candidate[],
  policy: PlacementPolicy = policyDefault,
): Placement {
  const { wishes, keep } = request;
  const zones = new ZoneCount(candidates, keep);
  const refused = new Map<string, string>();
  let open: Fitting[] = [];
  for (const candidate of candidates) {
    if (keep.includes(candidate.node.id)) continue;
    const pool = request.exclude?.get(candidate.node.id) ?? poolFor(candidate, request, policy);
    if (typeof pool === 'string') refused.set(candidate.node.name, pool);
    else open.push({ candidate, pool });
  }
  const chosen: Place[] = [];
  let shared = 0;
  for (let wanted = wishes.replicas - keep.length; wanted > 0; wanted -= 1) {
    if (wishes.spread === 'zone') open = open.filter((one) => zones.allows(one.candidate, refused));
    const best = open.reduce<Fitting | undefined>(
      (found, one) => (found === undefined || compare(one, found, zones, request) < 0 ? one : found),
      undefined,
    );
    if (best === undefined) break;
    open = open.filter((one) => one !== best);
    if (zones.count(best.candidate) > 0) shared += 1;
    zones.add(best.candidate);
    chosen.push({ node: best.candidate.node.id, pool: best.pool.name });
  }
  const missing = Math.max(0, wishes.replicas - keep.length - chosen.length);
  return {
    chosen,
    missing,
    refusals: [...refused]
      .map(([node, reason]) => ({ node, reason }))
      .sort((one, other) => (one.node < other.node ? -1 : 1)),
    notes: shared === 0 ? [] : [`${shared} of ${chosen.length} replicas share a zone with another one`],
  };
}

/** All or nothing: fails with NO_PLACEMENT, which says of each node why. */
export function placeAll(
  request: PlacementRequest,
  candidates: readonly Candidate[],
  policy: PlacementPolicy = policyDefault,
): readonly Place[] {
  const { chosen, missing, refusals } = place(request, candidates, policy);
  if (missing > 0) throw new NoPlacementError(request.name, refusals, missing);
  return chosen;
}

interface Fitting {
  readonly candidate: Candidate;
  readonly pool: CandidatePool;
}

/** Below 0: `one` is the better place. Never 0 for two nodes. */
function compare(
  one: Fitting,
  other: Fitting,
  zones: ZoneCount,
  { sizeBytes, wishes }: ReplicaNeeds,
): number {
  const zone = zones.count(one.candidate) - zones.count(other.candidate);
  if (zone !== 0) return zone;
  const rank = rankOf(one, wishes) - rankOf(other, wishes);
  if (rank !== 0) return rank;
  const fullness = compareFullness(one.pool, other.pool, sizeBytes);
  if (fullness !== 0) return fullness;
  const replicas = one.candidate.replicasCount - other.candidate.replicasCount;
  if (replicas !== 0) return replicas;
  return one.candidate.node.id < other.candidate.node.id ? -1 : 1;
}

/** Of its zone, among those that were asked for. */
function rankOf({ candidate: { node } }: Fitting, { zones = [] }: ReplicaNeeds['wishes']): number {
  return node.zone === undefined ? zones.length : zones.indexOf(node.zone);
}

/** How many replicas of the volume are in each zone. A node without a zone is one by itself. */
class ZoneCount {
  readonly #counts = new Map<string, number>();

  constructor(candidates: readonly Candidate[], keep: readonly string[]) {
    for (const candidate of candidates) if (keep.includes(candidate.node.id)) this.add(candidate);
  }

  count({ node: { zone } }: Candidate): number {
    return zone === undefined ? 0 : (this.#counts.get(zone) ?? 0);
  }

  add({ node: { zone } }: Candidate): void {
    if (zone !== undefined) this.#counts.set(zone, (this.#counts.get(zone) ?? 0) + 1);
  }

  /** Where no two may share one. */
  allows(candidate: Candidate, refused: Map<string, string>): boolean {
    const { name, zone } = candidate.node;
    if (zone !== undefined && this.count(candidate) === 0) return true;
    refused.set(name, zone === undefined ? 'it has no zone' : `its zone '${zone}' has a replica already`);
    return false;
  }
}
