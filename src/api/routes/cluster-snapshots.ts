// Snapshots of the volumes of a cluster, under the paths and in the words of a daemon with pools.
import type { RouteModule } from '../app-types.js';
import { type CommonSnapshots, commonSnapshotRoutes } from './snapshots.js';

export function clusterSnapshotRoutes(snapshots: CommonSnapshots): RouteModule {
  return commonSnapshotRoutes(snapshots, {
    ofVolume: 'The snapshots of a volume; not what is being taken or deleted',
    one: 'One snapshot, also while it is being taken or deleted',
    take: 'Takes a snapshot of all replicas in sync',
    takeSeveral: 'Takes a snapshot of one volume; of several is CLUSTER_UNSUPPORTED',
    delete: 'Deletes a snapshot; what is on nodes that are away goes when they are back',
    deleted: 'It is gone, or being deleted',
  });
}
