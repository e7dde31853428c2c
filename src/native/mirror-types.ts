// Types of the engine's replicas and mirrored volumes (docs/replication.md). UUIDs are in their text form.
import type { LostHost } from './types.js';

/** complete: of when it was last in sync; partial: of two moments; nothing: anything may be missing. */
export type ReplicaContent = 'complete' | 'partial' | 'nothing';

export interface ReplicaOptions {
  readonly name: string;
  /** A file or a block device; its metadata is PATH.replica. Either this, or `pool` and `volume`. */
  readonly path?: string;
  /** An open pool, and its volume that holds the data; the metadata is a hidden volume of the pool. */
  readonly pool?: string;
  readonly volume?: string;
  /** Of a file; default: what it has. */
  readonly sizeBytes?: bigint;
  /** Default 4096. */
  readonly blockSizeBytes?: 512 | 4096;
  /** Of a replica that is to be made, as the next two; one that is there keeps what it has. */
  readonly uuid: string;
  /** Default: that of the first head that seals it. */
  readonly volumeUuid?: string;
  /** Default: nothing. */
  readonly content?: ReplicaContent;
  /** Host NQNs of heads that may connect; absent: any. */
  readonly hosts?: readonly string[];
}

/** A member that may miss what was written since. */
export interface AbsentReplica {
  readonly uuid: string;
  readonly sinceEpoch: bigint;
}

export interface ReplicaInfo {
  readonly name: string;
  readonly uuid: string;
  /** Absent: of none yet. */
  readonly volumeUuid?: string;
  readonly nqn: string;
  readonly sizeBytes: bigint;
  /** To which it can grow: its metadata has room for that. */
  readonly sizeMaxBytes: bigint;
  readonly blockSizeBytes: number;
  /** Of the heads that sealed it. */
  readonly maxEpoch: bigint;
  readonly content: ReplicaContent;
  /** Its metadata is damaged: it takes part again as a new one. */
  readonly unusable: boolean;
  readonly markedRegions: number;
  /** Whose missing writes it notes. */
  readonly absentMembers: number;
  /** The same, by UUID; since the epoch in which they were noted first. */
  readonly absent: readonly AbsentReplica[];
  /** A head uses it. */
  readonly sealed: boolean;
}

export interface MirrorRecordMember {
  /** `nobody`: the place is free, which the last one never is. */
  readonly uuid: string;
  /** It has everything that was acknowledged. */
  readonly inSync: boolean;
  /** The last epoch in which it was sealed as such; 0: never. */
  readonly sealedEpoch: bigint;
}

/** What the store says of a mirrored volume; changed by compare-and-swap alone. */
export interface MirrorRecord {
  /** Of the store; 0: never stored. */
  readonly revision: bigint;
  readonly epoch: bigint;
  /** UUID of the node; `nobody`: of none yet. */
  readonly head: string;
  /** It has ended properly: the next one need not wait until its lease is over. */
  readonly headStopped: boolean;
  /** By their places, which they keep. */
  readonly members: readonly MirrorRecordMember[];
  readonly minInSync: number;
  readonly blockSizeBytes: number;
  readonly blocksCount: bigint;
}

export interface MirrorMemberOptions {
  /** `nobody`: the place is free, and nothing else is given. */
  readonly uuid: string;
  /** A replica of this engine, by name; or where the one of another is reached, numeric. */
  readonly replica?: string;
  readonly address?: { readonly host: string; readonly port: number };
}

/** Of a volume of kind `mirror`. */
export interface MirrorOptions {
  /**
   * Only the volume is here: hosts may connect, their I/O ends as a path error until promoteMirror(). Default
   * false: its head is here, too.
   */
  readonly standby?: boolean;
  /** In the order of the record's. */
  readonly members: readonly MirrorMemberOptions[];
  readonly record: MirrorRecord;
  /** UUID of the head's node. */
  readonly node: string;
  readonly hostNqn: string;
  readonly hostId: string;
  /** How long a read may rely on what members last said. Default 1,000. */
  readonly leaseMs?: number;
  /** A member that takes longer is left out. Default 5,000. */
  readonly latencyBudgetMs?: number;
  /** Default 0: as fast as it goes, and beside I/O of hosts 32 MiB/s. */
  readonly resyncBytesPerSecond?: bigint;
  /** While too few members are in sync writes fail, instead of waiting. */
  readonly failBelowMin?: boolean;
}

/** A compare-and-swap of the record that a head waits for: to be answered by answerStore(). */
export interface StoreRequest {
  readonly volume: string;
  readonly expectedRevision: bigint;
  readonly wanted: MirrorRecord;
}

/**
 * stored: `current` is what was asked for, with its revision. differs: it was another one, `current` is what
 * is there. unavailable: nobody knows whether it was done.
 */
export type StoreAnswer =
  | { readonly kind: 'stored' | 'differs'; readonly current: MirrorRecord }
  | { readonly kind: 'unavailable' };

export interface MirrorMemberInfo {
  readonly uuid: string;
  /** down, connecting, sealed, in_sync, joining, leaving */
  readonly state: string;
  /** Why it is down, where that is known. */
  readonly text?: string;
  readonly resyncDoneBytes: bigint;
  /** 0: nothing is being copied to it. */
  readonly resyncTotalBytes: bigint;
}

export interface MirrorDifference {
  /** Of the volume. */
  readonly offsetBytes: bigint;
  readonly sizeBytes: bigint;
  /** UUIDs of members that differ from most of them; empty: nobody can tell which are right. */
  readonly odd: readonly string[];
}

/** A comparison of all members in sync. What differs is told, and left as it is. */
export interface MirrorVerify {
  /** cancelled: or its head ended; failed: fewer than two members are left that can be compared. */
  readonly state: 'running' | 'done' | 'cancelled' | 'failed';
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
  readonly differentBytes: bigint;
  /** That some member could not read; written again there, where another one could. */
  readonly unreadableBytes: bigint;
  /** The first 64. */
  readonly differences: readonly MirrorDifference[];
  /** UUIDs of members that do not know how to be compared. */
  readonly unable: readonly string[];
}

/** The last snapshot that a head was asked for, of all members in sync and of one moment. */
export interface MirrorSnapshot {
  readonly uuid: string;
  /** waiting: for what an unclean end left to be made equal; draining, taking: writes of hosts are held. */
  readonly state: 'waiting' | 'draining' | 'taking' | 'done' | 'failed';
  /** Why it failed. */
  readonly trouble?: string;
  readonly sizeBytes: bigint;
  /** How long writes of hosts waited for it. */
  readonly heldMs: number;
  /** UUIDs of the replicas that have it, when it is done. */
  readonly members: readonly string[];
}

export interface MirrorSnapshotRemoval {
  readonly uuid: string;
  /** A member that can be reached has not answered. */
  readonly running: boolean;
  /** UUIDs of the replicas that have it no more. */
  readonly members: readonly string[];
}

/** The last snapshot that was carried from one member to another. */
export interface MirrorCarry {
  /** UUIDs: of the snapshot, of the replica that has it, and of the one that gets it. */
  readonly snapshot: string;
  readonly from: string;
  readonly to: string;
  readonly state: 'running' | 'done' | 'cancelled' | 'failed';
  /** Why it failed. */
  readonly trouble?: string;
  /** Of the snapshot, that were looked at. */
  readonly doneBytes: bigint;
  /** 0n: not known yet. */
  readonly totalBytes: bigint;
  readonly movedBytes: bigint;
}

/** standby: no head of the volume runs here. fenced: another one is head. */
export type HeadState =
  | 'standby'
  | 'claiming'
  | 'sealing'
  | 'agreeing'
  | 'waiting'
  | 'serving'
  | 'stopping'
  | 'fenced'
  | 'stopped';

export interface MirrorInfo {
  readonly volume: string;
  readonly state: HeadState;
  /** The most particular thing that it does. */
  readonly activity: string;
  /** Without a head: as it was known last. */
  readonly record: MirrorRecord;
  /** A member is being added or removed, or the volume becomes larger. */
  readonly changing: boolean;
  /** Why it did not become larger the last time. */
  readonly changeTrouble?: string;
  /** The last one of this head. */
  readonly verify?: MirrorVerify;
  readonly snapshot?: MirrorSnapshot;
  /** The last one that was to be deleted, also as it could not be completed. */
  readonly snapshotRemoval?: MirrorSnapshotRemoval;
  readonly carry?: MirrorCarry;
  readonly members: readonly MirrorMemberInfo[];
  /** That an unclean end left, and that are not equal yet. */
  readonly unreconciledRegions: number;
  /** That are being written, or were a moment ago. */
  readonly markedRegions: number;
  /** Of copies to members; 0n: as fast as it goes, and slower beside I/O of hosts. */
  readonly resyncBytesPerSecond: bigint;
}

export interface MirrorListeners {
  /** To be answered by answerStore(). */
  readonly onStoreRequest: (request: StoreRequest) => void;
  /** The state of a head of this engine is another one. */
  readonly onHeadState?: (volume: string, state: HeadState) => void;
  /**
   * A head uses the replica, or none does any more: it left, its connection broke, or another one is about to
   * seal it.
   */
  readonly onSeal?: (replica: string, sealed: boolean) => void;
  /**
   * A controller has ended that its host had neither shut down nor reset: its connection broke, or no Keep
   * Alive came. Of a volume of any kind; the host may have other controllers here. `nqn`: of the volume.
   */
  readonly onHostLost?: (nqn: string, host: LostHost) => void;
}

/** What an engine does with replicas and mirrored volumes, beside addVolume() and removeVolume(). */
export interface MirrorEngine {
  /** Makes the replica, or opens the one that is there. */
  addReplica(options: ReplicaOptions): Promise<ReplicaInfo>;
  removeReplica(name: string): Promise<void>;
  replicaInfo(name: string): Promise<ReplicaInfo>;
  mirrorInfo(volume: string): Promise<MirrorInfo>;
  /** Begun when it resolves: done when the record says so, given up when `changing` ends without. */
  addMirrorMember(volume: string, member: MirrorMemberOptions): Promise<void>;
  removeMirrorMember(volume: string, uuid: string): Promise<void>;
  /** By the same rules: all members in sync become larger first, then the record says so. */
  growMirror(volume: string, sizeBytes: bigint): Promise<void>;
  /** Hosts see the size that the record has; which that is. */
  resizeMirror(volume: string): Promise<bigint>;
  /**
   * Begun when it resolves: MirrorInfo.snapshot says how far it is. A UUID is of one moment: asked for again,
   * it is the same snapshot. `createdAt`: seconds since 1970.
   */
  snapshotMirror(volume: string, uuid: string, name: string, createdAt: number): Promise<void>;
  /** At all members that can be reached: MirrorInfo.snapshotRemoval says which. */
  deleteMirrorSnapshot(volume: string, uuid: string): Promise<void>;
  /**
   * To a member in sync that lacks it, from one that has it: UUIDs of their replicas. Begun when it resolves:
   * MirrorInfo.carry says how far it is. MirrorConflictError: another one is carried, one of the two is not
   * in sync, or the head does not serve. `bases`: UUIDs of other snapshots of when the volume was as large:
   * of the newest of them that both have nothing need be moved.
   */
  carryMirrorSnapshot(
    volume: string,
    uuid: string,
    from: string,
    to: string,
    bases: readonly string[],
  ): Promise<void>;
  /**
   * UUIDs of the snapshots that a member in sync has, as it says itself now, the oldest first; undefined: it
   * cannot say, as it is no volume of a pool, or of an older version. MirrorConflictError: one is being
   * carried, or it is not in sync.
   */
  memberSnapshots(volume: string, replica: string): Promise<readonly string[] | undefined>;
  /** No error if none is carried. */
  cancelMirrorCarry(volume: string): Promise<void>;
  /**
   * Of copies to members, until the head of this engine ends; 0n: as fast as it goes, and slower beside I/O
   * of hosts. MirrorConflictError: no head of it runs here.
   */
  setMirrorResyncRate(volume: string, bytesPerSecond: bigint): Promise<void>;
  /** Begun when it resolves: MirrorInfo.verify says how far it is. */
  startMirrorVerify(volume: string): Promise<void>;
  /** Nothing happens where none is under way. */
  cancelMirrorVerify(volume: string): Promise<void>;
  /**
   * Makes this engine head of a volume that is served here, in place of a head of it that was fenced. Answers
   * when it has begun; onHeadState says when it serves. `mirror.standby` is not looked at.
   */
  promoteMirror(volume: string, mirror: MirrorOptions): Promise<void>;
  /**
   * Ends its head properly, or after a few seconds not so; hosts stay connected. Answers when nothing of the
   * head is under way any more. Nothing happens where none runs.
   */
  demoteMirror(volume: string): Promise<void>;
  /** Who is told, in place of who was before. Before the first replica and the first mirrored volume. */
  listenToMirrors(listeners: MirrorListeners): void;
  answerStore(volume: string, answer: StoreAnswer): void;
}
