// What the records of a cluster want of one node: the volumes of which it keeps a replica, or is to give one
// up. What has not changed is the same object as before: nobody has to look at it again.
import { leavingOf, promisedBytes, type VolumeRecord } from '../cluster/model/volume.js';
import type { ClusterView, Stored } from '../cluster/view/cluster-view.js';
import type { WantedReplica, WantedVolume } from './types.js';

type Records = Pick<ClusterView, 'nodes' | 'volumes' | 'facts'>;

export class Wanted {
  readonly #node: string;
  /** Of the last look, by name; undefined: this node has no part in it. */
  #known = new Map<
    string,
    { readonly of: Stored<VolumeRecord>; readonly wanted: WantedVolume | undefined }
  >();
  /** Which nodes there were, and which of them were up. */
  #nodes = '';

  constructor(node: string) {
    this.#node = node;
  }

  /** Of the volumes of these names, while nodes are as they were; undefined: this node has no part in it. */
  ofSome(records: Records, names: Iterable<string>): ReadonlyMap<string, WantedVolume | undefined> {
    const some = new Map<string, WantedVolume | undefined>();
    for (const name of names) {
      const stored = records.volumes.get(name);
      const wanted = stored && wantedOf(this.#node, stored, records);
      if (stored === undefined) this.#known.delete(name);
      else this.#known.set(name, { of: stored, wanted });
      some.set(name, wanted);
    }
    return some;
  }

  /** All of them. */
  of(records: Records): readonly WantedVolume[] {
    const nodes = nodesIn(records);
    const known = nodes === this.#nodes ? this.#known : new Map<string, never>();
    this.#nodes = nodes;
    this.#known = new Map(
      [...records.volumes].map(([name, stored]) => {
        const before = known.get(name);
        // A record that is read anew is another object.
        if (before?.of === stored) return [name, before];
        return [name, { of: stored, wanted: wantedOf(this.#node, stored, records) }];
      }),
    );
    return [...this.#known.values()].flatMap(({ wanted = [] }) => wanted);
  }
}

function nodesIn({ nodes, facts }: Records): string {
  return [...nodes].map(([id, { revision }]) => `${id} ${revision} ${facts.has(id)}`).join();
}

/** A replica on a node that has no record is left out: nobody knows where it is. */
function wantedOf(
  node: string,
  { record: volume, revision }: Stored<VolumeRecord>,
  { nodes, facts }: Records,
): WantedVolume | undefined {
  const all = [...volume.replicas, ...leavingOf(volume)];
  const mine = all.find((replica) => replica.node === node);
  if (mine === undefined) return undefined;
  const replicas = all.flatMap((replica): readonly WantedReplica[] => {
    const of = nodes.get(replica.node)?.record;
    if (of === undefined) return [];
    const up = replica.node === node || facts.has(replica.node);
    const { addresses, hostNqn } = of;
    return [{ node: of.id, replica: replica.uuid, address: addresses.replication, hostNqn, up }];
  });
  const { name, uuid, nqn, state, wishes, head, hosts, qos, origin } = volume;
  const sizeBytes = promisedBytes(volume);
  return {
    record: volume,
    ...{ revision, name, uuid, nqn, sizeBytes, state, replicas, pool: mine.pool, thick: wishes.thick },
    members: volume.replicas.map((replica) => replica.uuid),
    ...(origin !== undefined && { originSnapshot: origin.snapshot }),
    ...(mine.origin !== undefined && { originReplica: mine.origin }),
    ...(head !== undefined && { head }),
    ...(hosts !== undefined && { hosts }),
    ...(qos !== undefined && { qos }),
  };
}
