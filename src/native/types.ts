// The public types of the native engine: what the command line, the agent and tests code against.
// The classes are in engine.ts, controller.ts and namespace.ts; index.ts exports everything.
// Sizes that may pass 2^53 are bigint and end in ...Bytes; logical block addresses are bigint named `lba`.

import type { AnaState } from '../base/ana.js';
import type { NvmeStatus } from '../base/errors.js';
import type { IoKind, LatencyHistogram, StatusType } from '../base/io-latency.js';
import type { IoPolicy } from '../base/io-policy.js';
import type { MirrorOptions } from './mirror-types.js';

export type { AnaState } from '../base/ana.js';
export type { IoKind, LatencyHistogram, StatusType } from '../base/io-latency.js';
export type { IoPolicy } from '../base/io-policy.js';

/**
 * One line of the data plane's log. Lines are of the whole process: every engine's `onLog` gets all of them.
 */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The room that wrote it: "reactor", "target", "transport/tcp", ... */
  readonly room: string;
  readonly text: string;
}

export interface EngineOptions {
  /** How many reactors (threads) serve, 1..64. Default: the length of `cpus`, else 1. */
  readonly reactors?: number;
  /** One CPU number per reactor to pin it to. Absent: not pinned. */
  readonly cpus?: readonly number[];
  /** How long an idle reactor spins before it sleeps: 0..1,000,000 microseconds, or Infinity for always. */
  readonly spinUs?: number;
  /** Gets the log lines. Absent: warnings and errors go to stderr. */
  readonly onLog?: (entry: LogEntry) => void;
  /** In-capsule data size of I/O queues: a multiple of 16, 0..131,072. Default 8,192. */
  readonly inCapsuleBytes?: number;
  /**
   * CNTLIDs of this process: of several that serve one subsystem each has a range of its own. Within
   * 1..65,519, one for each reactor at least. Default: all.
   */
  readonly controllerIds?: { readonly first: number; readonly last: number };
  /**
   * What the maps of each pool may take in memory, where data is and its checksums: 16 MiB to 1 TiB.
   * Default: a thousandth of the data that is allocated, at least 64 MiB.
   */
  readonly poolMapBytes?: bigint;
}

export type VolumeKind = 'memory' | 'null' | 'file' | 'pool' | 'mirror';

export interface VolumeOptions {
  readonly name: string;
  readonly kind: VolumeKind;
  /** `file` only: a regular file or a block device. */
  readonly path?: string;
  /** `pool` only: an open pool, whose volume `name` is served. It has its own size and UUID. */
  readonly pool?: string;
  /** `pool` only: the data key of an encrypted volume, 64 bytes for AES-256-XTS. Not kept by the caller. */
  readonly key?: Uint8Array;
  /**
   * A multiple of the block size. `file`: creates a missing file of that size; an existing one must match.
   */
  readonly sizeBytes?: bigint;
  /** Default 4096. */
  readonly blockSizeBytes?: 512 | 4096;
  readonly nqn: string;
  /** Default: the next free one of that NQN, from 1. */
  readonly nsid?: number;
  /** Text form. It must change when the content is not what it was: a new one each time for `memory`. */
  readonly uuid: string;
  /**
   * `file` only: writes are durable after Flush instead of when done, and a volatile write cache is
   * advertised.
   */
  readonly volatileWriteCache?: boolean;
  readonly readOnly?: boolean;
  /** How good the way to it over this process is, of several that serve it. Default: optimized. */
  readonly anaState?: AnaState;
  /**
   * Host NQNs that may connect; absent: any. It belongs to the NQN: a volume that joins an NQN leaves it out,
   * or names the same hosts.
   */
  readonly hosts?: readonly string[];
  /** What it may use and what it is promised. Default: no limit, and no promise. */
  readonly qos?: QosLimits;
  /** `mirror` only, whose size and block size are the record's. */
  readonly mirror?: MirrorOptions;
}

/**
 * What a volume may use. Rates are whole numbers of a second, up to 10^15; 0 or absent: no limit. An I/O
 * counts as one for each 16 KiB begun. docs/operations/qos.md says more.
 */
export interface QosLimits {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bytesPerSecond?: number;
  readonly readBytesPerSecond?: number;
  readonly writeBytesPerSecond?: number;
  /** How long an idle volume saves up what it may use: 0..3,600,000. Default: 0, which is 10 ms. */
  readonly burstMs?: number;
  /** Promised while the engine's budget is used up. */
  readonly minIops?: number;
  /** Its part of what no promise takes, against others': 1..10,000. Default 100. */
  readonly weight?: number;
}

/** What all volumes of an engine can have together; without one, promises and weights mean nothing. */
export interface QosBudget {
  /** As the limits of volumes count. 0: not known. */
  readonly iops: number;
  /** I/Os in the devices at a time, 0..65,536. Default: 0, a millisecond of `iops`, at least 16. */
  readonly depth?: number;
}

/** Since the volume was added. */
export interface QosStats {
  /** I/Os that had to wait, and how long together. */
  readonly throttledIos: bigint;
  readonly throttledNs: bigint;
  /** Now. */
  readonly waitingIos: number;
  /** Seconds of waiting for the budget, and those in which it got its minimum all the same. */
  readonly guaranteeSeconds: number;
  readonly guaranteeKeptSeconds: number;
}

export interface QosNodeStats {
  /** In the devices, while there is a budget. */
  readonly inFlightUnits: number;
  /** For the budget, now. */
  readonly waitingVolumes: number;
  /** Promised to volumes, together. */
  readonly guaranteedIops: number;
  /** How often volumes were left waiting because the budget's rate was used up. */
  readonly rateWaits: bigint;
  /** The same because its depth was: the devices are slower than the budget says. */
  readonly depthWaits: bigint;
}

export interface VolumeInfo {
  readonly name: string;
  readonly kind: VolumeKind;
  readonly nqn: string;
  readonly nsid: number;
  readonly uuid: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  /** A write that was acknowledged survives the end of the process and a power failure. */
  readonly durable: boolean;
}

export interface ListenOptions {
  /** A numeric IPv4 or IPv6 address: the engine resolves no names. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /**
   * What the discovery log says instead of `host`. Default for 0.0.0.0 and :: is every address of the
   * machine.
   */
  readonly advertisedHost?: string;
  readonly advertisedPort?: number;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ReactorStats {
  readonly turns: number;
  readonly sleeps: number;
  readonly messages: number;
  /** Time not asleep, in nanoseconds. */
  readonly busyNs: bigint;
  readonly connections: number;
}

export interface VolumeStats {
  readonly name: string;
  readonly nqn: string;
  readonly nsid: number;
  readonly reads: bigint;
  readonly writes: bigint;
  readonly readBytes: bigint;
  readonly writeBytes: bigint;
  /** Commands that the device failed; what the target refuses (a wrong range, say) is not among them. */
  readonly errors: bigint;
  readonly qos: QosStats;
  /** Commands that have arrived and are not answered. */
  readonly inFlight: number;
  /**
   * Commands that were answered with an error, the device's or the target's, by Status Code Type; not what
   * was aborted, nor a Compare that found a difference.
   */
  readonly errorTypes: Readonly<Record<StatusType, bigint>>;
  /** Where it was asked for. */
  readonly latency?: Readonly<Record<IoKind, LatencyHistogram>>;
}

export interface StatsOptions {
  /** Default false. */
  readonly latency?: boolean;
}

/** Counters of NVMe/TCP, summed over the reactors. */
export interface TransportStats {
  readonly connections: number;
  readonly connectionsTotal: bigint;
  readonly bytesReceived: bigint;
  readonly bytesSent: bigint;
  /** Receive calls that gave bytes, send calls, and turns of a connection that had something to send. */
  readonly receives: bigint;
  readonly sends: bigint;
  readonly flushes: bigint;
  readonly dataDigestErrors: bigint;
  /** Fatal errors of peers by Fatal Error Status: index 1..6; 0 is anything else. */
  readonly pduErrors: readonly bigint[];
}

/** A host that has controllers of a subsystem here. */
export interface ConnectedHost {
  readonly nqn: string;
  /** The longest time-out of its controllers; 0: none of them has one. */
  readonly keepAliveMs: number;
  /** Since the last Keep Alive, or Connect, of any of them. */
  readonly silentMs: number;
  /** Its last I/O is still finishing. */
  readonly ending: boolean;
}

/** As it was when its controller ended. */
export type LostHost = Pick<ConnectedHost, 'nqn' | 'keepAliveMs' | 'silentMs'>;

export interface NodeStats {
  readonly reactors: readonly ReactorStats[];
  readonly transport: TransportStats;
  readonly qos: QosNodeStats;
  /** Controllers of hosts that are connected to us. */
  readonly controllers: number;
  /** Controllers that were ended because their host was silent for longer than it promised. */
  readonly keepAliveTimeouts: number;
  /** Log lines that were dropped because JavaScript did not take them in time. */
  readonly logLinesDropped: number;
}

export interface EngineStats extends NodeStats {
  readonly volumes: readonly VolumeStats[];
}

/** All of one moment; the numbers of a volume are taken out when they are asked for. */
export interface StatsByVolume extends NodeStats {
  /** Absent: it is not served. */
  volume(name: string): VolumeStats | undefined;
}

export interface EngineFeatures {
  /** Optional io_uring features in use, e.g. "defer-taskrun single-issuer". */
  readonly uring: string;
  /** What the addon was compiled against, and what it runs: they must be equal. */
  readonly openssl: { readonly header: string; readonly runtime: string };
  readonly isal: string;
}

export interface DiscoverOptions {
  /** A numeric IPv4 or IPv6 address. */
  readonly host: string;
  /** Default 4420. */
  readonly port?: number;
  /** Default: one made for this process. */
  readonly hostNqn?: string;
  readonly hostId?: string;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  /** Default 10,000. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConnectOptions extends DiscoverOptions {
  readonly nqn: string;
  /**
   * Other paths to the same subsystem, numeric as `host`, at most 15: each has a controller of its own. I/O
   * takes those that reach its namespace best, and another one when a path is lost.
   */
  readonly otherAddresses?: readonly { readonly host: string; readonly port: number }[];
  /** 1..128; the target may grant fewer. Default 1. */
  readonly ioQueues?: number;
  /** Commands in flight per I/O queue, 2..1024. Default 128. */
  readonly queueEntries?: number;
  /** 0: none. Default 5,000. */
  readonly keepAliveMs?: number;
  /** How long a lost controller, or path, tries to come back; Infinity: for ever. Default 600,000. */
  readonly ctrlLossTimeoutMs?: number;
  /**
   * How long I/O waits while no path can be used, then it fails, and so does at once what comes before one is
   * back. Default: as long as the controller is not dead.
   */
  readonly fastIoFailTimeoutMs?: number;
  /** From one try to come back to the next. Default: 100, doubling up to 10,000. */
  readonly reconnectDelayMs?: number;
  /** Which of the best paths I/O takes: one until it fails, each in turn, or the idlest. Default: numa. */
  readonly ioPolicy?: IoPolicy;
}

/** One way to a subsystem. */
export interface PathInfo {
  readonly host: string;
  readonly port: number;
  readonly state: ControllerState;
  /** 0: it has never been connected. */
  readonly controllerId: number;
  /** How namespaces are reached over it; none: all of them well. */
  readonly ana: readonly { readonly nsid: number; readonly state: AnaState }[];
}

export interface DiscoveryEntry {
  readonly subsystemNqn: string;
  readonly address: string;
  readonly port: number;
  /** "tcp", "rdma", ... */
  readonly transport: string;
  /** "ipv4", "ipv6", ... */
  readonly addressFamily: string;
  /** "nvme", "discovery", "current discovery". */
  readonly subsystemType: string;
  readonly portId: number;
  readonly controllerId: number;
}

/** A namespace as a block device of this machine. */
export interface AttachOptions {
  /** 1 .. 0xfffffffe */
  readonly nsid: number;
  /** UUID or NGUID that the namespace must have. */
  readonly uuid: string;
  /** Default: fuse. */
  readonly driver?: 'fuse' | 'ublk';
  /** fuse: an existing regular file, which the device's file is mounted on. */
  readonly path: string;
  readonly readOnly?: boolean;
}

export interface AttachmentInfo {
  /** "/dev/loop3", "/dev/ublkb0" */
  readonly device: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
}

export type ControllerState = 'connecting' | 'live' | 'reconnecting' | 'dead' | 'closed';

export interface ControllerInfo {
  readonly controllerId: number;
  readonly serialNumber: string;
  readonly modelNumber: string;
  readonly firmwareRevision: string;
  readonly subsystemNqn: string;
  /** "2.1.0", from the VS property. */
  readonly version: string;
  readonly transferBytesMax: number;
  readonly inCapsuleBytes: number;
  /** As granted. */
  readonly ioQueues: number;
  readonly queueEntries: number;
}

export interface NamespaceInfo {
  readonly nsid: number;
  readonly blockSizeBytes: number;
  readonly blocksCount: bigint;
  /** Text form; all zeroes when the target gives none. */
  readonly uuid: string;
  /** 32 hexadecimal digits. */
  readonly nguid: string;
  readonly supportsWriteZeroes: boolean;
  readonly supportsDeallocate: boolean;
  readonly supportsCompare: boolean;
}

export interface IoOptions {
  /** Rejects with ABORTED at once. The buffer stays the engine's until the command has really ended. */
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends IoOptions {
  /** On stable media when done, even with a volatile write cache. */
  readonly fua?: boolean;
}

/** An admin command as the caller builds it; the engine fills in CID and SGL. */
export interface AdminCommand {
  readonly opcode: number;
  readonly nsid?: number;
  readonly cdw10?: number;
  readonly cdw11?: number;
  readonly cdw12?: number;
  readonly cdw13?: number;
  readonly cdw14?: number;
  readonly cdw15?: number;
  /** Filled or sent, by the opcode's direction. At most 128 KiB. */
  readonly data?: Buffer;
}

export interface AdminCompletion {
  readonly dw0: number;
  readonly dw1: number;
}

export type PerfWorkload = 'randread' | 'randwrite' | 'randrw' | 'read' | 'write';

export interface PerfOptions {
  readonly rw: PerfWorkload;
  /** Default: the controller's first namespace. */
  readonly nsid?: number;
  /** Bytes of one I/O, a multiple of the block size. */
  readonly blockSizeBytes: number;
  /** Per I/O queue. */
  readonly queueDepth: number;
  /** `randrw`: percent of reads. Default 70. */
  readonly rwMixPercent?: number;
  readonly seconds: number;
  /** The first so many I/O queues. Default: all. */
  readonly queues?: number;
  /** Writes carry a pattern that reads check; needs a workload that writes. */
  readonly verify?: boolean;
  /** Same seed, same order of blocks. Default 1. */
  readonly seed?: number;
  /** Ends the run early: the result is of the time until then. */
  readonly signal?: AbortSignal;
}

export interface LatencyUs {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface PerfProgress {
  readonly elapsedSeconds: number;
  /** Over the last interval. */
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly errors: number;
}

export interface PerfResult {
  readonly seconds: number;
  readonly reads: number;
  readonly writes: number;
  readonly errors: number;
  /** The statuses that the errors had, the first sixteen kinds. */
  readonly errorCounts: readonly { readonly status: NvmeStatus; readonly count: number }[];
  /** Logical blocks that `verify` compared, and those that were not what was written: any is data loss. */
  readonly blocksChecked: number;
  readonly verifyErrors: number;
  /** For a human; empty when there is none. */
  readonly firstMismatch: string;
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly latencyUs: LatencyUs;
  readonly readLatencyUs: LatencyUs;
  readonly writeLatencyUs: LatencyUs;
  /** CPU seconds of this process per million I/Os. */
  readonly cpuSecondsPerMillion: number;
}

/** The parts of `tcp://host:port[/NQN]`. */
export interface TargetUri {
  readonly transport: 'tcp';
  readonly host: string;
  readonly port: number;
  /** Other ways to the same subsystem. */
  readonly others?: readonly { readonly host: string; readonly port: number }[];
  readonly nqn?: string;
}
