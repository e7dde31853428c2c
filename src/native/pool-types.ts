// The public types of pools and what is in them. Engine has a member for each verb (engine-pools.ts);
// `kind: 'pool'` of VolumeOptions serves a volume. Sizes are bigint and end in ...Bytes; times are seconds
// since 1970.

export interface PoolDeviceOptions {
  /** A regular file or a block device. */
  readonly path: string;
  /** Makes a missing file of this size (sparse). Absent: the file or disk must exist, all of it is used. */
  readonly sizeBytes?: bigint;
}

/** How much of a pool's room may be promised. What is there already stays, whatever is set. */
export interface PoolPolicy {
  /**
   * The sizes of all volumes together are at most this part of the capacity in percent, 0 to 1,000,000:
   * creating, cloning and growing beyond are refused (NO_SPACE). 0, the default: without bound.
   */
  readonly overcommitPercent?: number;
  /**
   * While less than this part of the pool is free, 0 to 90 percent, no volume, clone or snapshot is made and
   * no volume grows (NO_SPACE): the rest is for writes to what is there. Default 0.
   */
  readonly reservePercent?: number;
}

export interface PoolCreateOptions extends PoolPolicy {
  /** 1 to 64 bytes. */
  readonly name: string;
  /** 1 to 60. The first carries the metadata. */
  readonly devices: readonly PoolDeviceOptions[];
  /** CRC32C of every block, verified on read. Default true. */
  readonly checksums?: boolean;
  /** 262,144, 524,288 or 1,048,576, the default. */
  readonly extentBytes?: number;
  /**
   * Metadata is set aside for so much of all devices, those that are added later included. Default: for the
   * devices given. The metadata of a pool does not grow.
   */
  readonly growsToBytes?: bigint;
  /** Overwrites a pool that is on the devices. Default: refused. */
  readonly force?: boolean;
}

export interface PoolDeviceInfo {
  readonly uuid: string;
  /** As it was opened; the pool itself knows only the UUID. */
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly extentsCount: bigint;
}

export interface PoolScrub {
  readonly running: boolean;
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
  /** Blocks of 4 KiB whose checksum was wrong, or that could not be read. */
  readonly errors: bigint;
}

export interface PoolInfo {
  readonly name: string;
  readonly uuid: string;
  readonly devices: readonly PoolDeviceInfo[];
  readonly checksums: boolean;
  readonly extentBytes: number;
  /** Room for data, of it taken and free; the rest of the devices is metadata. */
  readonly capacityBytes: bigint;
  readonly usedBytes: bigint;
  readonly freeBytes: bigint;
  /** Room of the devices that cannot be used, because metadata was set aside for less. */
  readonly withoutMetadataBytes: bigint;
  readonly metadataBytes: bigint;
  readonly metadataUsedBytes: bigint;
  /** The sum of the sizes of its volumes. */
  readonly provisionedBytes: bigint;
  /** See PoolPolicy. */
  readonly overcommitPercent: number;
  readonly reservePercent: number;
  readonly volumesCount: number;
  /** Volumes, snapshots, and deleted ones whose room is not free yet. */
  readonly layersCount: number;
  /** Work on deleted volumes and snapshots goes on. */
  readonly working: boolean;
  /** Nothing is changed any more until the pool is opened again: a disk failed. */
  readonly broken: boolean;
  readonly scrub: PoolScrub;
}

export interface PoolVolumeOptions {
  readonly name: string;
  readonly uuid: string;
  /** A multiple of 4,096. A clone: absent takes that of the snapshot, smaller is refused. */
  readonly sizeBytes?: bigint;
  /** All its room is taken now. Default: thin. */
  readonly thick?: boolean;
  /**
   * An encrypted volume: its data key, wrapped by a key that the pool does not have; up to 1,024 bytes, kept
   * as they are. A clone takes that of its origin.
   */
  readonly wrappedKey?: Uint8Array;
}

export interface PoolVolumeInfo {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: bigint;
  readonly thick: boolean;
  readonly createdAt: number;
  /** The snapshot it is a clone of; empty if none, or if that is gone. */
  readonly originUuid: string;
  /** Absent: not encrypted. Empty: encrypted, and the key was discarded. */
  readonly wrappedKey?: Uint8Array;
}

export interface PoolSnapshotInfo {
  readonly name: string;
  readonly uuid: string;
  /** Of the volume when it was taken. */
  readonly sizeBytes: bigint;
  readonly createdAt: number;
}

export interface PoolSnapshotOptions {
  /** Name of the volume. */
  readonly volume: string;
  readonly name: string;
  readonly uuid: string;
}

/** A run of bytes of a volume. */
export interface PoolRange {
  readonly offsetBytes: bigint;
  readonly lengthBytes: bigint;
}

export interface PoolRangesOptions {
  readonly pool: string;
  readonly volume: string;
  /** What it is looked at: a snapshot of the volume. Absent: the volume as it is now. */
  readonly snapshot?: string;
  /** An older snapshot of the same volume: what differs from it. Absent: what is allocated. */
  readonly since?: string;
  /** From here on. Default 0. */
  readonly offsetBytes?: bigint;
  /** 1 to 4,096. */
  readonly countMax: number;
}

export interface PoolRanges {
  readonly ranges: readonly PoolRange[];
  /** Where to go on; absent at the end. */
  readonly nextOffsetBytes?: bigint;
}

export interface PoolCheckOptions {
  /** Repairs what loses nothing. Default: not one byte is written, the devices are opened to be read. */
  readonly repair?: boolean;
  /**
   * With `repair` only: also gives up what is damaged beyond repair, a page of metadata or the end of the
   * journal, so that the rest can be used again. The findings say what that loses.
   */
  readonly discardDamaged?: boolean;
}

/** Of the metadata that one look reads; `totalBytes` 0: it has not begun. */
export interface PoolCheckProgress {
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
}

/**
 * `note`: what a crash leaves, the next opening sees to it. `warning`: nothing is lost, a copy or some room
 * is bad. `error`: the pool cannot be opened, or would answer with errors or wrong.
 */
export type PoolCheckSeverity = 'note' | 'warning' | 'error';

/** What helps: `safe` loses nothing; `discards` gives up what the finding names; `impossible`: nothing. */
export type PoolCheckRepair = 'not-needed' | 'safe' | 'discards' | 'impossible';

export interface PoolCheckFinding {
  readonly severity: PoolCheckSeverity;
  readonly repair: PoolCheckRepair;
  readonly repaired: boolean;
  /** A structure, volume or device, as people call it: "device 1 (UUID), superblock copy 2". */
  readonly where: string;
  readonly what: string;
}

/** How much was looked at, each a count. */
export interface PoolCheckCounters {
  readonly devices: number;
  /** Whole and of the newest generation; four for each device. */
  readonly superblockCopies: number;
  readonly treePages: bigint;
  readonly keys: bigint;
  /** Acknowledged since the last checkpoint: what an opening would replay. */
  readonly journalGroups: bigint;
  readonly journalRecords: bigint;
  readonly volumes: bigint;
  readonly layers: bigint;
  readonly slots: bigint;
  readonly extentsUsed: bigint;
  /** Marked used and of nobody. */
  readonly extentsLeaked: bigint;
  readonly pagesLeaked: bigint;
}

export interface PoolCheckReport {
  /** Empty, as the UUID: these devices are not those of one pool; the findings say why. */
  readonly name: string;
  readonly uuid: string;
  /** In the order in which they were found; at most 1,000. */
  readonly findings: readonly PoolCheckFinding[];
  readonly findingsLeftOut: bigint;
  readonly counters: PoolCheckCounters;
}

/** What `Engine` can do with pools. Volumes and snapshots are named by name within their pool. */
export interface PoolEngine {
  createPool(options: PoolCreateOptions): Promise<PoolInfo>;
  /** In any order of devices; a missing one is named. */
  openPool(paths: readonly string[]): Promise<PoolInfo>;
  /** Its volumes are not served any more. `exported`: its devices are to be opened elsewhere. */
  closePool(pool: string, options?: { readonly exported?: boolean }): Promise<void>;
  /** Closes it and makes its devices those of no pool. Refused (IN_USE) while it has volumes. */
  destroyPool(pool: string): Promise<void>;
  addPoolDevice(pool: string, device: PoolDeviceOptions): Promise<PoolInfo>;
  poolInfo(pool: string): Promise<PoolInfo>;
  /** From now on; what is absent is 0. */
  setPoolPolicy(pool: string, policy: PoolPolicy): Promise<PoolInfo>;
  /** Walks all data and verifies it. `bytesPerSecond` 0: as fast as it goes. Progress is in poolInfo(). */
  startScrub(pool: string, bytesPerSecond: bigint): Promise<void>;
  stopScrub(pool: string): Promise<void>;
  /**
   * Looks at all metadata of a pool that nobody has open, by its devices in any order, and repairs it if
   * asked. Data is not read. Damage is in the report, not an error. POOL_DEVICE: a device cannot be opened,
   * or is in use (by this engine, too).
   */
  checkPool(paths: readonly string[], options?: PoolCheckOptions): Promise<PoolCheckReport>;
  /** How far the checkPool() under way has come, or the last one. A repair looks up to three times. */
  poolCheckProgress(): PoolCheckProgress;

  /**
   * Bytes that each volume and its snapshots hold, in whole extents, by UUID; of one volume or of all. A
   * clone holds what was written to it, not what it is a clone of. Empty where the pool does not count: a
   * program that did not has made it.
   */
  poolAllocations(pool: string, volume?: string): Promise<ReadonlyMap<string, bigint>>;
  /** Sorted by creation; all of them. */
  poolVolumes(pool: string): Promise<readonly PoolVolumeInfo[]>;
  createPoolVolume(pool: string, options: PoolVolumeOptions): Promise<PoolVolumeInfo>;
  clonePoolVolume(
    pool: string,
    source: { readonly volume: string; readonly snapshot: string },
    options: PoolVolumeOptions,
  ): Promise<PoolVolumeInfo>;
  /** Online; hosts are told. Smaller is refused (INVALID_ARGUMENT) when data would be lost. */
  resizePoolVolume(pool: string, volume: string, sizeBytes: bigint): Promise<PoolVolumeInfo>;
  /** The volume must not be served under its old name. */
  renamePoolVolume(pool: string, volume: string, name: string): Promise<PoolVolumeInfo>;
  /** Back to a snapshot of its own; the volume must not be served. Newer snapshots stay. */
  revertPoolVolume(pool: string, volume: string, snapshot: string): Promise<PoolVolumeInfo>;
  /**
   * IN_USE while it is served or has snapshots. Its room becomes free in the background; with `erase` zeroes
   * are written to it before that (a range of zeroes for a file, a zeroing command for a disk), also after a
   * restart. poolInfo().working says whether that goes on.
   */
  deletePoolVolume(pool: string, volume: string, options?: { readonly erase?: boolean }): Promise<void>;
  /** After the wrapping key was changed. Empty: what the volume holds cannot be read any more, by nobody. */
  setPoolVolumeKey(pool: string, volume: string, wrappedKey: Uint8Array): Promise<void>;

  poolSnapshots(pool: string, volume: string): Promise<readonly PoolSnapshotInfo[]>;
  /** All at one moment: between two I/Os. 1 to 128, each volume once. */
  createPoolSnapshots(
    pool: string,
    snapshots: readonly PoolSnapshotOptions[],
  ): Promise<readonly PoolSnapshotInfo[]>;
  deletePoolSnapshot(pool: string, volume: string, snapshot: string): Promise<void>;
  poolRanges(options: PoolRangesOptions): Promise<PoolRanges>;
}
