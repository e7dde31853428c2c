// Where the replicas of a node go when it is evacuated, or lost for good. Each of them moves once, and no
// other: nothing is rebalanced on the way. Large volumes first, as they find a place last.
import type { NodeFacts } from '../model/facts.js';
import type { NodeRecord } from '../model/node.js';
import { type PlacedReplica, promisedBytes, type VolumeRecord } from '../model/volume.js';
import { candidatesOf, withReplica } from './candidates.js';
import { type PlacementPolicy, policyDefault } from './fit.js';
import { type NodeRefusal, type Place, place } from './place.js';

export interface Move {
  readonly volume: string;
  /** On the node that is left. */
  readonly replica: PlacedReplica;
  readonly to: Place;
}

export interface Evacuation {
  readonly moves: readonly Move[];
  /** What has no place elsewhere, and why. */
  readonly stuck: readonly { readonly volume: string; readonly refusals: readonly NodeRefusal[] }[];
}

/** `node`: UUID. Volumes that are being deleted go anyway. */
export function evacuation(
  node: string,
  nodes: readonly NodeRecord[],
  facts: ReadonlyMap<string, NodeFacts>,
  volumes: readonly VolumeRecord[],
  policy: PlacementPolicy = policyDefault,
): Evacuation {
  const exclude = new Map([[node, 'it is left']]);
  // As they will be when the moves before have been made; until a replica has been copied there are both.
  let candidates = candidatesOf(nodes, facts, volumes);
  const moves: Move[] = [];
  const stuck: { volume: string; refusals: readonly NodeRefusal[] }[] = [];
  for (const volume of volumes.filter(({ state }) => state !== 'deleting').sort(largestFirst)) {
    const replica = volume.replicas.find((one) => one.node === node);
    if (replica === undefined) continue;
    const keep = volume.replicas.filter((one) => one !== replica);
    const request = {
      name: volume.name,
      sizeBytes: promisedBytes(volume),
      minIops: volume.qos?.minIops ?? 0,
      wishes: { ...volume.wishes, replicas: keep.length + 1 },
      keep: keep.map((one) => one.node),
      exclude,
    };
    const { chosen, refusals } = place(request, candidates, policy);
    const [to] = chosen;
    if (to === undefined) {
      stuck.push({ volume: volume.name, refusals });
      continue;
    }
    moves.push({ volume: volume.name, replica, to });
    candidates = withReplica(candidates, volume, to);
  }
  return { moves, stuck };
}

function largestFirst(one: VolumeRecord, other: VolumeRecord): number {
  const [first, second] = [promisedBytes(one), promisedBytes(other)];
  if (first !== second) return first > second ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}
