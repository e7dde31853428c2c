// The only importer of ballast.node, and the exact shape of what it exports: calls take checked arguments,
// and answer later through the function given to setDeliver. `op` is a number of ours that the answer
// carries.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import bindings from 'bindings';
import type { AnaState } from '../base/ana.js';
import type { IoPolicy } from '../base/io-policy.js';
import type { HistoryVerdict } from './history.js';
import type { MirrorInfo, MirrorRecord, ReplicaContent, ReplicaInfo } from './mirror-types.js';
import type {
  PoolCheckReport,
  PoolInfo,
  PoolRanges,
  PoolSnapshotInfo,
  PoolVolumeInfo,
} from './pool-types.js';
import type {
  AttachmentInfo,
  ControllerInfo,
  DiscoveryEntry,
  EngineFeatures,
  ListenAddress,
  LogEntry,
  NamespaceInfo,
  PathInfo,
  PerfResult,
  QosLimits,
  VolumeInfo,
  VolumeKind,
} from './types.js';

export interface NativeEngineOptions {
  readonly reactors: number;
  readonly cpus: readonly number[];
  /** 2^32 - 1: always. */
  readonly spinUs: number | undefined;
  readonly inCapsuleBytes: number | undefined;
  readonly controllerIds: { readonly first: number; readonly last: number } | undefined;
  readonly poolMapBytes: bigint | undefined;
}

export interface NativeVolume {
  readonly name: string;
  readonly kind: VolumeKind;
  readonly path: string;
  /** Empty: of none. */
  readonly pool: string;
  readonly key: Uint8Array | undefined;
  /** 0n: what the file or the pool's volume has. */
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  readonly nqn: string;
  /** 0: the next free one. */
  readonly nsid: number;
  readonly uuid: string;
  readonly volatileWriteCache: boolean;
  readonly readOnly: boolean;
  readonly anaState: AnaState;
  readonly hosts: readonly string[] | undefined;
  readonly qos: NativeQos;
  /** Of a volume of kind `mirror`, and only of one. */
  readonly mirror: NativeMirror | undefined;
}

export interface NativeReplica {
  readonly name: string;
  /** Empty: the data is a volume of a pool. */
  readonly path: string;
  readonly pool: string;
  readonly volume: string;
  /** 0n: what the file has. */
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  readonly uuid: string;
  /** All zeroes: of none yet. */
  readonly volumeUuid: string;
  readonly content: ReplicaContent;
  /** None: any host. */
  readonly hosts: readonly string[];
}

export interface NativeMirror {
  readonly isHead: boolean;
  readonly members: readonly {
    readonly uuid: string;
    /** Empty: it is at the address. */
    readonly replica: string;
    readonly host: string;
    readonly port: number;
  }[];
  readonly record: MirrorRecord;
  readonly node: string;
  readonly hostNqn: string;
  readonly hostId: string;
  readonly leaseMs: number;
  readonly latencyBudgetMs: number;
  readonly resyncBytesPerSecond: bigint;
  readonly failBelowMin: boolean;
}

/** 0: none, of all but the weight. */
export type NativeQos = Required<QosLimits>;

/** What engineStats() reads of a volume; the addon's own. */
export type NativeVolumeStats = { readonly __volumeStats: unique symbol };

export interface NativePoolDevice {
  readonly path: string;
  /** 0n: it is there, and all of it is used. */
  readonly sizeBytes: bigint;
  readonly uuid: string;
}

export interface NativePool {
  readonly name: string;
  readonly uuid: string;
  readonly devices: readonly NativePoolDevice[];
  readonly checksums: boolean;
  readonly extentBytes: number;
  /** 0n: the devices given. */
  readonly growsToBytes: bigint;
  readonly overcommitPercent: number;
  readonly reservePercent: number;
  readonly force: boolean;
  readonly now: bigint;
}

export interface NativePoolVolume {
  readonly name: string;
  readonly uuid: string;
  /** 0n: a clone, as large as its snapshot. */
  readonly sizeBytes: bigint;
  readonly thick: boolean;
  readonly wrappedKey: Uint8Array | undefined;
  readonly now: bigint;
}

export interface NativePoolSnapshot {
  readonly volume: string;
  readonly name: string;
  readonly uuid: string;
}

export interface NativePoolRanges {
  readonly volume: string;
  /** Empty: the volume as it is. */
  readonly snapshot: string;
  /** Empty: what is allocated. */
  readonly since: string;
  readonly offsetBytes: bigint;
  readonly countMax: number;
}

export interface NativeListen {
  readonly host: string;
  readonly port: number;
  readonly advertisedHosts: readonly string[];
  /** 0: the bound one. */
  readonly advertisedPort: number;
}

export interface NativeConnect {
  readonly host: string;
  readonly port: number;
  /** Other ways to the same subsystem; otherPorts has as many. */
  readonly otherHosts: readonly string[];
  readonly otherPorts: readonly number[];
  readonly nqn: string;
  readonly hostNqn: string;
  readonly hostId: string;
  readonly ioQueues: number;
  readonly queueEntries: number;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly keepAliveMs: number;
  readonly connectTimeoutMs: number;
  /** Absent: for ever. */
  readonly ctrlLossTimeoutMs: number | undefined;
  /** Absent: it waits. */
  readonly fastIoFailTimeoutMs: number | undefined;
  /** Absent: one that grows. */
  readonly reconnectDelayMs: number | undefined;
  readonly ioPolicy: IoPolicy;
}

export interface NativePerf {
  readonly nsid: number;
  readonly rw: string;
  readonly blockSizeBytes: number;
  readonly queueDepth: number;
  readonly rwMixPercent: number;
  /** 0: all. */
  readonly queues: number;
  readonly milliseconds: number;
  readonly verify: boolean;
  readonly seed: number;
}

export type NativeAttached = AttachmentInfo & { readonly id: number };

export interface NativeAttachment {
  readonly nsid: number;
  readonly uuid: string;
  readonly driver: 'fuse' | 'ublk';
  readonly path: string;
  readonly readOnly: boolean;
}

export type NativeController = ControllerInfo & {
  readonly namespaces: readonly NamespaceInfo[];
  readonly identifyController: Buffer;
};
export type NativeDiscoveryEntry = Omit<DiscoveryEntry, 'port'> & { readonly port: string };
/** [status, count] pairs, to be decoded. */
export type NativePerfResult = Omit<PerfResult, 'errorCounts'> & {
  readonly errorCounts: readonly (readonly [number, number])[];
};

export type NativeEvent =
  | readonly ['op', op: number, code: string, text: string, value: unknown]
  | readonly ['log', level: LogEntry['level'], room: string, text: string]
  | readonly ['state', controller: number, state: string, text: string]
  | readonly ['namespaces', controller: number]
  | readonly ['store', engine: number, volume: string, expectedRevision: bigint, wanted: MirrorRecord]
  | readonly ['head', engine: number, volume: string, state: string]
  | readonly ['seal', engine: number, replica: string, sealed: boolean]
  | readonly ['lost', engine: number, nqn: string, hostNqn: string, keepAliveMs: number, silentMs: number]
  | readonly [
      'perf',
      op: number,
      elapsedSeconds: number,
      iops: number,
      bytesPerSecond: number,
      errors: number,
    ];

/** `iosCount` pairs of op and status are in the array that setDeliver answered. */
export type Deliver = (iosCount: number, events: readonly NativeEvent[] | undefined) => void;

export interface NativeBinding {
  setDeliver(deliver: Deliver): Float64Array;
  takeLog(): void;
  statusName(status: number): string;
  /** A text: what is wrong with the lines. */
  historyCheck(lines: Uint8Array): HistoryVerdict | string;
  features(): EngineFeatures;
  /** Tells the service manager, as sd_notify(3) does; false when there is none. */
  notifyServiceManager(state: string): boolean;

  engineStart(op: number, options: NativeEngineOptions): number;
  engineClose(engine: number, op: number): void;
  engineAddVolume(engine: number, op: number, volume: NativeVolume): void;
  engineRemoveVolume(engine: number, op: number, name: string): void;
  engineSetHosts(engine: number, op: number, nqn: string, hosts: readonly string[] | undefined): void;
  engineSetAnaState(engine: number, op: number, volume: string, state: AnaState): void;
  engineDropHost(engine: number, op: number, volume: string, hostNqn: string): void;
  engineHosts(engine: number, op: number, nqn: string): void;
  engineListen(engine: number, op: number, options: NativeListen): void;
  engineSetQos(engine: number, op: number, name: string, limits: NativeQos): void;
  engineSetQosBudget(engine: number, op: number, iops: number, depth: number): void;
  engineStats(
    engine: number,
    volumes: readonly NativeVolumeStats[],
    withLatency: boolean,
  ): BigUint64Array | undefined;
  engineConnect(engine: number, op: number, options: NativeConnect): number;
  engineDiscover(engine: number, op: number, options: NativeConnect): void;

  poolCreate(engine: number, op: number, pool: NativePool): void;
  poolOpen(engine: number, op: number, paths: readonly string[]): void;
  poolClose(engine: number, op: number, pool: string, exported: boolean): void;
  poolDestroy(engine: number, op: number, pool: string): void;
  poolAddDevice(engine: number, op: number, pool: string, device: NativePoolDevice): void;
  poolInfo(engine: number, op: number, pool: string): void;
  poolSetPolicy(
    engine: number,
    op: number,
    pool: string,
    overcommitPercent: number,
    reservePercent: number,
  ): void;
  poolStartScrub(engine: number, op: number, pool: string, bytesPerSecond: bigint): void;
  poolStopScrub(engine: number, op: number, pool: string): void;
  poolCheck(
    engine: number,
    op: number,
    paths: readonly string[],
    repair: boolean,
    discardDamaged: boolean,
  ): void;
  /** Pages of the metadata tree that were read, and in all; undefined when the engine is closed. */
  poolCheckProgress(engine: number): BigUint64Array | undefined;
  poolVolumes(engine: number, op: number, pool: string): void;
  /** Of all volumes where the name is empty. */
  poolAllocations(engine: number, op: number, pool: string, volume: string): void;
  poolCreateVolume(engine: number, op: number, pool: string, volume: NativePoolVolume): void;
  poolCloneVolume(
    engine: number,
    op: number,
    pool: string,
    volume: string,
    snapshot: string,
    clone: NativePoolVolume,
  ): void;
  poolResizeVolume(engine: number, op: number, pool: string, volume: string, sizeBytes: bigint): void;
  poolRenameVolume(engine: number, op: number, pool: string, volume: string, name: string): void;
  poolRevertVolume(
    engine: number,
    op: number,
    pool: string,
    volume: string,
    snapshot: string,
    now: bigint,
  ): void;
  poolDeleteVolume(engine: number, op: number, pool: string, volume: string, erase: boolean): void;
  poolSetVolumeKey(engine: number, op: number, pool: string, volume: string, wrappedKey: Uint8Array): void;
  poolSnapshots(engine: number, op: number, pool: string, volume: string): void;
  poolCreateSnapshots(
    engine: number,
    op: number,
    pool: string,
    snapshots: readonly NativePoolSnapshot[],
    now: bigint,
  ): void;
  poolDeleteSnapshot(engine: number, op: number, pool: string, volume: string, snapshot: string): void;
  poolRanges(engine: number, op: number, pool: string, options: NativePoolRanges): void;

  replicaAdd(engine: number, op: number, replica: NativeReplica): void;
  replicaRemove(engine: number, op: number, name: string): void;
  replicaInfo(engine: number, op: number, name: string): void;
  mirrorInfo(engine: number, op: number, volume: string): void;
  mirrorPromote(engine: number, op: number, volume: string, mirror: NativeMirror): void;
  mirrorBeginDemotions(engine: number, op: number, volumes: readonly string[]): void;
  mirrorDemote(engine: number, op: number, volume: string): void;
  mirrorAddMember(engine: number, op: number, volume: string, member: NativeMirror['members'][number]): void;
  mirrorRemoveMember(engine: number, op: number, volume: string, uuid: string): void;
  mirrorGrow(engine: number, op: number, volume: string, sizeBytes: bigint): void;
  mirrorResize(engine: number, op: number, volume: string): void;
  mirrorSnapshot(
    engine: number,
    op: number,
    volume: string,
    uuid: string,
    name: string,
    createdAt: bigint,
  ): void;
  mirrorDeleteSnapshot(engine: number, op: number, volume: string, uuid: string): void;
  mirrorCarrySnapshot(
    engine: number,
    op: number,
    volume: string,
    uuid: string,
    from: string,
    to: string,
    bases: readonly string[],
  ): void;
  mirrorMemberSnapshots(engine: number, op: number, volume: string, replica: string): void;
  mirrorCancelCarry(engine: number, op: number, volume: string): void;
  mirrorSetResyncRate(engine: number, op: number, volume: string, bytesPerSecond: bigint): void;
  mirrorStartVerify(engine: number, op: number, volume: string): void;
  mirrorCancelVerify(engine: number, op: number, volume: string): void;
  /** To a 'store' event; without `current` where nobody knows. Nothing happens when the engine is gone. */
  mirrorAnswerStore(
    engine: number,
    volume: string,
    kind: 'stored' | 'differs' | 'unavailable',
    current: MirrorRecord | undefined,
  ): void;

  controllerClose(controller: number, op: number): void;
  /** opcode, nsid, cdw10 to cdw15. False: the controller is closed, and nothing will be delivered. */
  controllerIo(controller: number, op: number, dwords: Uint32Array, buffer: Uint8Array | undefined): boolean;
  controllerPaths(controller: number, op: number): void;
  controllerAdmin(controller: number, op: number, dwords: Uint32Array, buffer: Uint8Array | undefined): void;
  controllerPerf(controller: number, op: number, options: NativePerf): void;
  controllerStopPerf(controller: number, perfOp: number): void;

  attachmentStart(engine: number, op: number, controller: number, options: NativeAttachment): void;
  attachmentRefresh(engine: number, op: number, attachment: number): void;
  attachmentStop(engine: number, op: number, attachment: number): void;
  unmountPath(op: number, path: string, dead: boolean): void;
  loopRemove(op: number, device: string, file: string, evenIfUsed: boolean): void;
  ublkFeatures(op: number): void;
  ublkRemove(op: number, uuid: string): void;
  /** An exclusive lock of flock(2), without waiting: whether we have it. */
  lockDescriptor(descriptor: number): boolean;
}

/** What an operation's event carries when it succeeded. */
export interface NativeResults {
  snapshotUuids: readonly string[] | undefined;
  readonly volume: VolumeInfo & { readonly stats: NativeVolumeStats };
  readonly pool: PoolInfo;
  readonly poolCheck: PoolCheckReport;
  readonly poolVolume: PoolVolumeInfo;
  readonly poolVolumes: readonly PoolVolumeInfo[];
  readonly poolAllocations: readonly (readonly [string, bigint])[];
  readonly poolSnapshots: readonly PoolSnapshotInfo[];
  readonly poolRanges: PoolRanges;
  readonly replica: ReplicaInfo;
  readonly mirror: MirrorInfo;
  readonly sizeBytes: bigint;
  readonly address: ListenAddress;
  readonly controller: NativeController;
  readonly discovery: readonly NativeDiscoveryEntry[];
  readonly paths: readonly PathInfo[];
  readonly admin: readonly [status: number, dw0: number, dw1: number];
  readonly perf: NativePerfResult;
  readonly attachment: NativeAttached;
  readonly ublkFeatures: bigint;
}

// src/native when run from sources, dist/native when compiled: the folder with package.json is above both.
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function load(): NativeBinding {
  return bindings({
    bindings: 'ballast',
    module_root: packageRoot(),
    try: ['RelWithDebInfo', 'Release', 'Debug'].map((type) => [
      'module_root',
      'build',
      'addon',
      type,
      'bindings',
    ]),
  }) as NativeBinding;
}

export const binding: NativeBinding = load();
