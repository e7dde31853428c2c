// What the records of a cluster want of one node: the volumes of which it keeps a replica, or is to give one
// up. Pure.

import { leavingOf } from '../cluster/model/volume.js';
import type { ClusterView } from '../cluster/view/cluster-view.js';
import type { WantedReplica, WantedVolume } from './types.js';

/** A replica on a node that has no record is left out: nobody knows where it is. */
export function wantedOf(
  node: string,
  { nodes, volumes, facts }: Pick<ClusterView, 'nodes' | 'volumes' | 'facts'>,
): readonly WantedVolume[] {
  return [...volumes.values()].flatMap(({ record: volume, revision }) => {
    const all = [...volume.replicas, ...leavingOf(volume)];
    const mine = all.find((replica) => replica.node === node);
    if (mine === undefined) return [];
    const replicas = all.flatMap((replica): readonly WantedReplica[] => {
      const of = nodes.get(replica.node)?.record;
      if (of === undefined) return [];
      const up = replica.node === node || facts.has(replica.node);
      const { addresses, hostNqn } = of;
      return [{ node: of.id, replica: replica.uuid, address: addresses.replication, hostNqn, up }];
    });
    const { name, uuid, nqn, sizeBytes, state, wishes, head, hosts, qos } = volume;
    return [
      {
        ...{ revision, name, uuid, nqn, sizeBytes, state, replicas, pool: mine.pool, thick: wishes.thick },
        members: volume.replicas.map((replica) => replica.uuid),
        ...(head !== undefined && { head }),
        ...(hosts !== undefined && { hosts }),
        ...(qos !== undefined && { qos }),
      },
    ];
  });
}
