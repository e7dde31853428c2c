// What an agent is to make true on its node: plain data, made of the records of the cluster.
import type { HostPort } from '../base/address.js';
import type { QosWords } from '../base/qos.js';
import type { VolumeRecord, VolumeState } from '../cluster/model/volume.js';
import type { MirrorEngine } from '../native/mirror-types.js';
import type { PoolEngine } from '../native/pool-types.js';
import type { AnaState, ConnectedHost, QosLimits, VolumeInfo, VolumeOptions } from '../native/types.js';
import type { ReplicaPlace } from './takeover.js';

/** Of the engine, what an agent needs for the cluster's volumes. */
export interface AgentEngine extends MirrorEngine {
  addVolume(options: VolumeOptions): Promise<VolumeInfo>;
  removeVolume(name: string): Promise<void>;
  setAnaState(volume: string, state: AnaState): Promise<void>;
  setHosts(nqn: string, hosts: readonly string[] | undefined): Promise<void>;
  setQos(name: string, limits: QosLimits): Promise<void>;
  /** Of the volumes of an NQN: the hosts that have a controller here. Fails where none is served. */
  connectedHosts(nqn: string): Promise<readonly ConnectedHost[]>;
  poolVolumes: PoolEngine['poolVolumes'];
  createPoolVolume: PoolEngine['createPoolVolume'];
  deletePoolVolume: PoolEngine['deletePoolVolume'];
  clonePoolVolume: PoolEngine['clonePoolVolume'];
  createPoolSnapshots: PoolEngine['createPoolSnapshots'];
  poolSnapshots: PoolEngine['poolSnapshots'];
  deletePoolSnapshot: PoolEngine['deletePoolSnapshot'];
}

/** A replica of a volume, and where heads of other nodes reach it. */
export interface WantedReplica extends ReplicaPlace {
  readonly address: HostPort;
  /** Who its node is to members of other nodes. */
  readonly hostNqn: string;
  /** Its node answers. */
  readonly up: boolean;
}

/** A volume of which this node keeps a replica, or is to give one up. */
export interface WantedVolume {
  /** That this was made of; to be noted beside the replica. */
  readonly record?: VolumeRecord;
  /** Of the record that this was made of. */
  readonly revision: bigint;
  /** Of the cluster, and of its mirror record. */
  readonly name: string;
  readonly uuid: string;
  readonly nqn: string;
  /** A multiple of 4,096; what it is to have: its head makes it so large, and new replicas begin with it. */
  readonly sizeBytes: bigint;
  readonly thick: boolean;
  /** creating: nobody is its head yet. deleting: it goes with its data. */
  readonly state: VolumeState;
  /** The pool of this node that holds the data. */
  readonly pool: string;
  /** UUID of the snapshot that it began as; absent: it began empty. */
  readonly originSnapshot?: string;
  /**
   * UUID of the replica, in the same pool, of whose snapshot the one of this node is made. Absent: of none.
   */
  readonly originReplica?: string;
  /** All of the volume, with the one of this node, and those that are to leave. */
  readonly replicas: readonly WantedReplica[];
  /** UUIDs of the replicas that are to be members. */
  readonly members: readonly string[];
  /** UUID of the node that is to be head; absent: the controller has not said. */
  readonly head?: string;
  /** NQNs; absent: any host. */
  readonly hosts?: readonly string[];
  readonly qos?: QosWords;
}
