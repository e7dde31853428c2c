// What the room works on and answers: the engine as it needs it, replicas and mirrored volumes as they are
// known to this daemon. Plain data goes out.
import type { HostIdentity } from '../base/identity.js';
import type { MirrorSpec } from '../base/mirror-spec.js';
import type { ReplicaSpec } from '../base/replica-spec.js';
import type { VolumeIdentity } from '../base/volume-identities.js';
import type { MirrorEngine, MirrorVerify, ReplicaInfo } from '../native/mirror-types.js';
import type { PoolVolumeInfo } from '../native/pool-types.js';
import type { VolumeInfo, VolumeOptions } from '../native/types.js';

export type { MirrorInfo, MirrorRecord, MirrorVerify, ReplicaInfo } from '../native/mirror-types.js';

/** Of the engine, what replicas and mirrored volumes need. */
export interface MirrorsEngine extends MirrorEngine {
  addVolume(options: VolumeOptions): Promise<VolumeInfo>;
  poolVolumes(pool: string): Promise<readonly PoolVolumeInfo[]>;
}

/** A mirror that is to be served, and what names its volume; `identity.uuid` where the spec has none. */
export interface WantedMirror {
  readonly spec: MirrorSpec;
  readonly identity: VolumeIdentity;
}

export interface Wanted {
  readonly replicas: readonly ReplicaSpec[];
  readonly mirrors: readonly WantedMirror[];
  /** Who this daemon is to members of other daemons. */
  readonly host: HostIdentity;
}

/** What came of it at the start. */
export interface OpenedMirrors {
  readonly replicas: readonly ReplicaInfo[];
  readonly volumes: readonly VolumeInfo[];
  /** What is not served and why, a line each. */
  readonly problems: readonly string[];
}

/** Where a member is, beside what the engine says of it. */
export interface MirrorMemberView {
  readonly uuid: string;
  /** "replica r1", or the address. */
  readonly place: string;
  readonly local: boolean;
  readonly inSync: boolean;
  readonly state: string;
  /** Why it is down. */
  readonly reason?: string;
  readonly resyncDoneBytes: bigint;
  readonly resyncTotalBytes: bigint;
}

/** A snapshot of all members that were in sync, of one moment. */
export interface MirrorSnapshotView {
  readonly name: string;
  readonly uuid: string;
  /**
   * degraded: a member does not have it yet, as it was away or is new. incomplete: it was not completed, and
   * members may have something of it. deleting: so may members that could not be reached.
   */
  readonly state: 'complete' | 'degraded' | 'incomplete' | 'deleting';
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly sizeBytes: bigint;
  /** UUIDs of the replicas that have it. */
  readonly members: readonly string[];
  /** How long writes of hosts waited for it; of one that was just taken. */
  readonly heldMs?: number;
  /** It is being carried to the replica of this UUID. `totalBytes` 0n: how much it is is not known yet. */
  readonly carry?: { readonly to: string; readonly doneBytes: bigint; readonly totalBytes: bigint };
  /** Why members that lack it, and are in sync, did not get it when it was last tried. */
  readonly troubles?: readonly string[];
}

export interface MirrorView {
  readonly name: string;
  /** Of the volume. */
  readonly uuid: string;
  readonly nqn: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  readonly state: string;
  readonly activity: string;
  readonly epoch: bigint;
  /** UUID of the node that is head; absent: none yet. */
  readonly head?: string;
  readonly minInSync: number;
  readonly members: readonly MirrorMemberView[];
  /** The last comparison of its members since the head began. */
  readonly verify?: MirrorVerify;
  /** The oldest first; absent: none. */
  readonly snapshots?: readonly MirrorSnapshotView[];
  readonly unreconciledRegions: number;
  readonly markedRegions: number;
  /** Of copies to members; absent: as fast as it goes, and slower beside I/O of hosts. */
  readonly resyncBytesPerSecond?: bigint;
}
