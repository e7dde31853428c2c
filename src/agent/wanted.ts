// What the records of a cluster want of one node: the volumes of which it keeps a replica. Pure.
import type { NodeRecord } from '../cluster/model/node.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import type { WantedReplica, WantedVolume } from './types.js';

export interface ClusterRecords {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly volumes: readonly VolumeRecord[];
  /** UUIDs of the nodes that have facts, which end with their lease. */
  readonly up: ReadonlySet<string>;
}

/**
 * A replica on a node that has no record is left out: nobody knows where it is. Volumes that are being
 * deleted are nobody's any more.
 */
export function wantedOf(node: string, { nodes, volumes, up }: ClusterRecords): readonly WantedVolume[] {
  return volumes.flatMap((volume) => {
    const mine = volume.replicas.find((replica) => replica.node === node);
    if (mine === undefined || volume.state === 'deleting') return [];
    const replicas = volume.replicas.flatMap((replica): readonly WantedReplica[] => {
      const of = nodes.get(replica.node);
      if (of === undefined) return [];
      const is = replica.node === node || up.has(replica.node);
      return [{ node: replica.node, replica: replica.uuid, address: of.addresses.replication, up: is }];
    });
    const { name, uuid, nqn, sizeBytes, head, hosts } = volume;
    return [
      {
        ...{ name, uuid, nqn, sizeBytes, replicas, pool: mine.pool },
        ...(head !== undefined && { head }),
        ...(hosts !== undefined && { hosts }),
      },
    ];
  });
}
