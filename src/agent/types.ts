// What an agent is to make true on its node: plain data, made of the records of the cluster.
import type { HostPort } from '../base/address.js';
import type { MirrorEngine, MirrorRecord } from '../native/mirror-types.js';
import type { PoolEngine } from '../native/pool-types.js';
import type { AnaState, VolumeInfo, VolumeOptions } from '../native/types.js';
import type { ReplicaPlace } from './takeover.js';

/** Of the engine, what an agent needs for the cluster's volumes. */
export interface AgentEngine extends MirrorEngine {
  addVolume(options: VolumeOptions): Promise<VolumeInfo>;
  removeVolume(name: string): Promise<void>;
  setAnaState(volume: string, state: AnaState): Promise<void>;
  poolVolumes: PoolEngine['poolVolumes'];
  createPoolVolume: PoolEngine['createPoolVolume'];
}

/** A replica of a volume, and where heads of other nodes reach it. */
export interface WantedReplica extends ReplicaPlace {
  readonly address: HostPort;
  /** Its node answers. */
  readonly up: boolean;
}

/** A volume of which this node keeps a replica. */
export interface WantedVolume {
  /** Of the cluster, and of its mirror record. */
  readonly name: string;
  readonly uuid: string;
  readonly nqn: string;
  /** A multiple of 4,096. */
  readonly sizeBytes: bigint;
  /** The pool of this node that holds the data. */
  readonly pool: string;
  /** All of the volume, with the one of this node. */
  readonly replicas: readonly WantedReplica[];
  /** UUID of the node that is to be head; absent: the controller has not said. */
  readonly head?: string;
  /** NQNs; absent: any host. */
  readonly hosts?: readonly string[];
}

/** What is so on this node, of one volume. */
export interface VolumeFacts {
  readonly name: string;
  /** standby, or what the head here is doing; `absent`: it could not be served yet. */
  readonly state: string;
  readonly record?: MirrorRecord;
  /** Why it is not as it should be. */
  readonly error?: string;
}
