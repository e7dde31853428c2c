// What a controller is asked, and what it answers: plain data.
import type { HostPort } from '../base/address.js';
import type { QosWords } from '../base/qos.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import type { NodeRecord } from '../cluster/model/node.js';
import type { PlacementWishes, VolumeState } from '../cluster/model/volume.js';
import type { Labels } from '../cluster/model/words.js';

/** Of a volume that is to be made; what is absent has the default of the wishes. */
export interface VolumeWish extends Partial<PlacementWishes> {
  readonly name: string;
  /** A multiple of 4,096. Of a clone absent: as large as the snapshot. */
  readonly sizeBytes?: bigint;
  readonly blockSizeBytes?: 512 | 4096;
  /** It begins as a snapshot of a volume, by name or UUID. Absent: empty. */
  readonly source?: { readonly volume: string; readonly snapshot: string; readonly asVolume?: boolean };
  /** NQNs; absent: any host. */
  readonly hosts?: readonly string[];
  readonly qos?: QosWords;
}

/**
 * healthy: all replicas that are wished for are in sync, and it is served. degraded: it is served, by fewer.
 * unavailable: nobody can read or write it now. As its state says: creating, deleting.
 */
export type VolumeHealth = 'healthy' | 'degraded' | 'unavailable' | 'creating' | 'deleting';

export interface ClusterReplicaView {
  readonly uuid: string;
  /** By name; the UUID where it has no record. */
  readonly node: string;
  readonly pool: string;
  /** It has everything that was acknowledged. */
  readonly inSync: boolean;
  /** in-sync, stale (it misses writes), away (its node does not answer), absent, leaving, discarded. */
  readonly state: string;
  readonly error?: string;
  /** While something is copied to it. */
  readonly resync?: { readonly doneBytes: bigint; readonly totalBytes: bigint };
}

export interface ClusterVolumeView {
  readonly name: string;
  readonly uuid: string;
  readonly nqn: string;
  readonly sizeBytes: bigint;
  /** It is to become so large; absent: it has what is wanted. */
  readonly wantedSizeBytes?: bigint;
  readonly blockSizeBytes: number;
  readonly state: VolumeState;
  readonly health: VolumeHealth;
  /** Name of the node that is head; absent: none is. */
  readonly head?: string;
  readonly wantedHead?: string;
  readonly epoch: bigint;
  readonly wishes: PlacementWishes;
  /** Where hosts reach it: of all nodes with a replica, the wanted head first. */
  readonly addresses: readonly HostPort[];
  readonly replicas: readonly ClusterReplicaView[];
  readonly hosts?: readonly string[];
  /** The one host that it is granted to has it alone. */
  readonly exclusive?: true;
  readonly qos?: QosWords;
  /** UUID of the snapshot that it is a clone of, there still or not. */
  readonly originUuid?: string;
  /** UUID of the volume that it is a clone of, as it was at a moment. */
  readonly cloneOf?: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** What it waits for, for a person; absent: nothing. */
  readonly waitingFor?: string;
}

export interface ClusterSnapshotView {
  /** Of its volume. */
  readonly volume: string;
  readonly volumeUuid: string;
  readonly name: string;
  readonly uuid: string;
  /** Of the volume when it was taken; 0n: it is not taken yet. */
  readonly sizeBytes: bigint;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** degraded: a replica does not have it yet. taking: or somebody is to begin. */
  readonly state: 'taking' | 'complete' | 'degraded' | 'deleting';
  /** Names of the nodes that have it. */
  readonly nodes: readonly string[];
  /** What it waits for, for a person; absent: nothing. */
  readonly waitingFor?: string;
}

export interface ClusterNodeView extends NodeRecord {
  readonly up: boolean;
  /** Of the program; absent: it is not up, as the next two. */
  readonly version?: string;
  readonly started?: string;
  readonly pools: readonly PoolFacts[];
  readonly replicasCount: number;
  /** Of so many volumes it is to be head. */
  readonly headsCount: number;
}

/** All pools of one name. */
export interface ClusterPoolView {
  readonly name: string;
  readonly nodes: readonly ClusterPoolNodeView[];
}

export interface ClusterPoolNodeView {
  /** By name. */
  readonly node: string;
  readonly zone?: string;
  readonly labels: Labels;
  readonly up: boolean;
  readonly capacityBytes: bigint;
  readonly freeBytes: bigint;
  /** What the size of one more volume may be there, thin or thick; 0: it takes none now. */
  readonly thinBytes: bigint;
  readonly thickBytes: bigint;
  readonly error?: string;
}
