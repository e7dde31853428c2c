// Whether a node, and which pool of it, can keep a replica of a volume; else why not, in words for a person.
// One node by itself: what replicas of the same volume mean for each other is in place.ts.
import { formatSize } from '../../base/sizes.js';
import { takesReplicas } from '../model/node.js';
import type { PlacementWishes } from '../model/volume.js';
import { labelsMatch } from '../model/words.js';
import type { Candidate, CandidatePool } from './candidates.js';

export interface PlacementPolicy {
  /** Sizes of volumes in a pool, as a part of its capacity, in percent. Thick ones alone stay within 100. */
  readonly overcommitPercentMax: number;
  /** A pool with less than this free gets no new replica, in percent of its capacity. */
  readonly freePercentMin: number;
}

export const policyDefault: PlacementPolicy = { overcommitPercentMax: 200, freePercentMin: 5 };

/** What one replica takes. */
export interface ReplicaNeeds {
  readonly sizeBytes: bigint;
  /** Guaranteed to the volume, in I/Os per second: each replica has to be able to do all of them. */
  readonly minIops: number;
  readonly wishes: PlacementWishes;
}

/** The pool that would be least full, or the reason why there is none. */
export function poolFor(
  candidate: Candidate,
  needs: ReplicaNeeds,
  policy: PlacementPolicy,
): CandidatePool | string {
  const { node, lost, pools, apartGroups } = candidate;
  const { pool: wanted, nodeLabels = {}, zones, apartGroup } = needs.wishes;
  if (!takesReplicas(node)) return `it is ${node.state}`;
  if (lost) return 'it does not answer';
  if (!labelsMatch(node.labels, nodeLabels)) {
    const missing = Object.entries(nodeLabels).find(
      ([key, value]) => !labelsMatch(node.labels, { [key]: value }),
    );
    return `it has no label ${missing?.[0]}=${missing?.[1]}`;
  }
  if (zones !== undefined && !zones.includes(node.zone ?? '')) {
    const where = node.zone === undefined ? 'it has no zone' : `it is in zone '${node.zone}'`;
    return `${where}, and only ${zones.join(', ')} are asked for`;
  }
  if (apartGroup !== undefined && apartGroups.has(apartGroup)) {
    return `it has a replica of another volume of the group '${apartGroup}'`;
  }
  const named = wanted === undefined ? pools : pools.filter(({ name }) => name === wanted);
  if (named.length === 0) return wanted === undefined ? 'it has no pool' : `it has no pool '${wanted}'`;
  const refusals = named.map((pool) => refusalOf(pool, needs, policy));
  const fitting = named.filter((_pool, index) => refusals[index] === undefined);
  const [first, ...rest] = fitting;
  if (first === undefined) return refusals.flatMap((reason) => reason ?? []).join(', ');
  return rest.reduce((best, pool) => {
    const fullness = compareFullness(pool, best, needs.sizeBytes);
    return fullness < 0 || (fullness === 0 && pool.name < best.name) ? pool : best;
  }, first);
}

/** Below 0: `one` would be less full than `other`, with what is promised to others. */
export function compareFullness(one: CandidatePool, other: CandidatePool, sizeBytes: bigint): number {
  const left = (one.committedBytes + sizeBytes) * other.capacityBytes;
  const right = (other.committedBytes + sizeBytes) * one.capacityBytes;
  return left < right ? -1 : left > right ? 1 : 0;
}

function refusalOf(
  pool: CandidatePool,
  { sizeBytes, minIops, wishes }: ReplicaNeeds,
  { overcommitPercentMax, freePercentMin }: PlacementPolicy,
): string | undefined {
  const { name, capacityBytes, freeBytes, committedBytes, committedThickBytes, committedIops, iopsBudget } =
    pool;
  const refuse = (reason: string) => `pool '${name}' ${reason}`;
  if (pool.error !== undefined) return refuse(`cannot be used: ${pool.error}`);
  const mostBytes = (capacityBytes * BigInt(overcommitPercentMax)) / 100n;
  if (committedBytes + sizeBytes > mostBytes) {
    return refuse(
      `has ${formatSize(committedBytes)} of at most ${formatSize(mostBytes)} promised, ` +
        `and ${formatSize(sizeBytes)} are asked for`,
    );
  }
  const needBytes = wishes.thick ? sizeBytes : 0n;
  if (wishes.thick && committedThickBytes + sizeBytes > capacityBytes) {
    return refuse(
      `has ${formatSize(committedThickBytes)} of ${formatSize(capacityBytes)} kept for thick volumes`,
    );
  }
  if ((freeBytes - needBytes) * 100n < capacityBytes * BigInt(freePercentMin)) {
    return refuse(`has ${formatSize(freeBytes)} of ${formatSize(capacityBytes)} free`);
  }
  if (minIops === 0) return undefined;
  if (iopsBudget === undefined) return refuse('has no budget of IOPS to guarantee from');
  if (committedIops + minIops > iopsBudget) {
    return refuse(`has ${committedIops} of ${iopsBudget} IOPS guaranteed already`);
  }
  return undefined;
}

/** Why a replica that is in the pool cannot have so much more; undefined: it can. */
export function growthRefusal(
  pool: CandidatePool,
  moreBytes: bigint,
  wishes: PlacementWishes,
  policy: PlacementPolicy = policyDefault,
): string | undefined {
  return refusalOf(pool, { sizeBytes: moreBytes, minIops: 0, wishes }, policy);
}

/** What the size of one more volume without a guarantee may be: by the same rules. */
export function roomFor(
  pool: CandidatePool,
  { overcommitPercentMax, freePercentMin }: PlacementPolicy = policyDefault,
): { readonly thinBytes: bigint; readonly thickBytes: bigint } {
  const { error, capacityBytes, freeBytes, committedBytes, committedThickBytes } = pool;
  const promisedBytes = (capacityBytes * BigInt(overcommitPercentMax)) / 100n - committedBytes;
  // What is to stay free, rounded up.
  const keptBytes = (capacityBytes * BigInt(freePercentMin) + 99n) / 100n;
  const unusedBytes = freeBytes - keptBytes;
  if (error !== undefined || promisedBytes <= 0n || unusedBytes < 0n)
    return { thinBytes: 0n, thickBytes: 0n };
  const thickBytes = least(promisedBytes, unusedBytes, capacityBytes - committedThickBytes);
  return { thinBytes: promisedBytes, thickBytes: thickBytes < 0n ? 0n : thickBytes };
}

function least(...values: readonly bigint[]): bigint {
  return values.reduce((a, b) => (a < b ? a : b));
}
