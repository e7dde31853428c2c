// Which node is to be the head of a volume. The one that is stays, as long as it can: moving it costs hosts a
// pause. Else the node with the fewest heads of those with a replica in sync; one that is cordoned only where
// there is no other.
import type { NodeRecord } from '../model/node.js';
import { takesHeads, takesNewHeads } from '../model/node.js';
import type { VolumeRecord } from '../model/volume.js';

export interface HeadChoice {
  /** UUIDs of replicas that have everything that was acknowledged, by the mirror record. */
  readonly inSync: ReadonlySet<string>;
  /** UUID of the node that is head now; absent: none is. */
  readonly current?: string;
  /** By UUID; nodes that are not in it do not exist. */
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  /** UUIDs of nodes that answer. */
  readonly present: ReadonlySet<string>;
  /** By UUID of a node: of how many volumes it is to be head. */
  readonly headsCount: () => ReadonlyMap<string, number>;
}

/** UUID of the node; undefined: none can be, and whoever is head stays it. */
export function chooseHead({ replicas }: VolumeRecord, choice: HeadChoice): string | undefined {
  const { inSync, current, nodes, present, headsCount } = choice;
  const able = replicas.flatMap(({ uuid, node }) => {
    const record = nodes.get(node);
    const fits = inSync.has(uuid) && present.has(node) && record !== undefined && takesHeads(record);
    return fits ? [node] : [];
  });
  if (current !== undefined && able.includes(current)) return current;
  const open = able.filter((node) => {
    const record = nodes.get(node);
    return record !== undefined && takesNewHeads(record);
  });
  const heads = headsCount();
  const count = (node: string) => heads.get(node) ?? 0;
  // The first of those with the fewest, in the order of the record: who takes over first by itself.
  return (open.length > 0 ? open : able).reduce<string | undefined>(
    (best, node) => (best === undefined || count(node) < count(best) ? node : best),
    undefined,
  );
}
