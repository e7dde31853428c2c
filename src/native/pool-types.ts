// The public types of pools and what is in them. Engine has a member for each verb (engine-pools.ts);
// `kind: 'pool'` of VolumeOptions serves a volume. Sizes are bigint and end in ...Bytes; times are seconds
// since 1970.

export interface PoolDeviceOptions {
  /** A regular file or a block device. */
  readonly path: string;
  /** Makes a missing file of this size (sparse). Absent: the file or disk must exist, all of it is used. */
  readonly sizeBytes?: bigint;
}

export interface PoolCreateOptions {
  /** 1 to 64 bytes. */
  readonly name: string;
  /** 1 to 60. The first carries the metadata. */
  readonly devices: readonly PoolDeviceOptions[];
  /** CRC32C of every block, verified on read. Default true. */
  readonly checksums?: boolean;
  /** 262,144, 524,288 or 1,048,576, the default. */
  readonly extentBytes?: number;
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
  readonly metadataBytes: bigint;
  readonly metadataUsedBytes: bigint;
  /** The sum of the sizes of its volumes. */
  readonly provisionedBytes: bigint;
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
  /** Walks all data and verifies it. `bytesPerSecond` 0: as fast as it goes. Progress is in poolInfo(). */
  startScrub(pool: string, bytesPerSecond: bigint): Promise<void>;
  stopScrub(pool: string): Promise<void>;

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
  /** IN_USE while it is served or has snapshots. `erase`: its data is overwritten with zeroes first. */
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
