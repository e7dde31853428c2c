// What commands need of the native engine and of the rest of the program. src/main hands in the real one; a
// command's test hands in a fake. Types come from src/native as types only: no command can load the addon.
import type { AttachDriver, Attacher } from '../attach/types.js';
import type { HostPort } from '../base/address.js';
import type { ClusterSource, ControllerSettings } from '../base/cluster-settings.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import type { MirrorSpec } from '../base/mirror-spec.js';
import type { ReplicaSpec } from '../base/replica-spec.js';
import type { ApiListen, EnsuredSettings, KeySource } from '../base/settings.js';
import type { StoreSource } from '../base/store-source.js';
import type { VolumeIdentity } from '../base/volume-identities.js';
import type { Endpoint } from '../client/endpoint.js';
import type { HistoryVerdict } from '../native/history.js';
import type { MirrorEngine, ReplicaInfo } from '../native/mirror-types.js';
import type { PoolEngine } from '../native/pool-types.js';
import type {
  AnaState,
  ConnectedHost,
  ConnectOptions,
  ControllerInfo,
  DiscoverOptions,
  DiscoveryEntry,
  EngineOptions,
  ListenAddress,
  ListenOptions,
  NamespaceInfo,
  PathInfo,
  PerfOptions,
  PerfProgress,
  PerfResult,
  QosBudget,
  QosLimits,
  StatsByVolume,
  StatsOptions,
  VolumeInfo,
  VolumeOptions,
  VolumeStats,
} from '../native/types.js';
import type { CsiSettings } from './csi-settings.js';

export interface EnginePort extends PoolEngine, MirrorEngine {
  addVolume(options: VolumeOptions): Promise<VolumeInfo>;
  removeVolume(name: string): Promise<void>;
  setHosts(nqn: string, hosts: readonly string[] | undefined): Promise<void>;
  hosts(nqn: string): Promise<readonly string[]>;
  connectedHosts(nqn: string): Promise<readonly ConnectedHost[]>;
  setAnaState(volume: string, state: AnaState): Promise<void>;
  setQos(name: string, limits: QosLimits): Promise<void>;
  setQosBudget(budget: QosBudget): Promise<void>;
  listen(options: ListenOptions): Promise<ListenAddress>;
  statsByVolume(options?: StatsOptions): StatsByVolume;
  volumeStats(name: string, options?: StatsOptions): VolumeStats | undefined;
  discover(options: DiscoverOptions): Promise<readonly DiscoveryEntry[]>;
  connect(options: ConnectOptions): Promise<ControllerPort>;
  /** Drains: commands in flight are answered, then connections and devices are closed. */
  close(): Promise<void>;
}

export interface ControllerPort {
  readonly info: ControllerInfo;
  readonly namespaces: readonly NamespacePort[];
  paths(): Promise<readonly PathInfo[]>;
  perf(options: PerfOptions, onProgress?: (progress: PerfProgress) => void): Promise<PerfResult>;
  close(): Promise<void>;
}

export interface NamespacePort {
  readonly info: NamespaceInfo;
  read(lba: bigint, blocksCount: number): Promise<Buffer>;
  write(lba: bigint, data: Buffer): Promise<void>;
}

export interface ControlOptions {
  readonly stateDirectory: string;
  readonly apiListen: ApiListen;
  /** Absent: none. */
  readonly metricsListen?: HostPort;
  readonly keySource: KeySource;
  readonly storeSource: StoreSource;
  readonly log: Log;
}

/** What the REST API tells of the data plane. */
export interface DataPlanePort {
  volumes(): readonly VolumeInfo[];
  listeners(): readonly HostPort[];
  counters(options?: StatsOptions): StatsByVolume;
  volumeCounters(name: string): VolumeStats | undefined;
  setAnaState(volume: string, state: AnaState): Promise<void>;
}

/** A volume beside pools, and the file it is in. */
export interface OtherVolume {
  readonly name: string;
  readonly path?: string;
  /** Guaranteed to it. */
  readonly minIops?: number;
}

/** What was found in the pools that this daemon knows. */
export interface OpenedPools {
  /** Those that are served. */
  readonly volumes: readonly ServedVolume[];
  /** What is not served and why, a line each. */
  readonly problems: readonly string[];
}

export type ServedVolume = Pick<
  VolumeInfo,
  'name' | 'nqn' | 'nsid' | 'sizeBytes' | 'blockSizeBytes' | 'durable'
>;

/** Replicas and mirrored volumes that are to be served. */
export interface WantedMirrors {
  /** Also those that are made for a mirror. */
  readonly replicas: readonly ReplicaSpec[];
  readonly mirrors: readonly { readonly spec: MirrorSpec; readonly identity: VolumeIdentity }[];
  /** Who this daemon is to members of other daemons. */
  readonly host: HostIdentity;
}

export interface OpenedMirrors {
  readonly replicas: readonly ReplicaInfo[];
  readonly volumes: readonly VolumeInfo[];
  /** What is not served and why, a line each. */
  readonly problems: readonly string[];
}

/** The control plane of a daemon: its store is open, its addresses are bound, and nobody is answered yet. */
export interface ControlPort {
  /**
   * Makes what is to be there, serves what is in the pools it knows. Once, before serveApi(), and before
   * hosts can come.
   */
  openPools(
    engine: EnginePort,
    others: readonly OtherVolume[],
    ensured: EnsuredSettings,
    replicas: readonly ReplicaSpec[],
  ): Promise<OpenedPools>;
  /** After pools, in which replicas may be, and before hosts can come. Once. */
  openMirrors(engine: EnginePort, wanted: WantedMirrors): Promise<OpenedMirrors>;
  /** Loads the REST server and lets requests in. Resolves with where it is reached, for a person. */
  serveApi(dataPlane: DataPlanePort): Promise<readonly string[]>;
  /**
   * Makes this daemon a node of a cluster: waits for its store, and writes down what the node says of itself.
   * Before the engine is started, whose controller IDs come from there.
   */
  joinCluster(options: JoinClusterOptions): Promise<ClusterNodePort>;
  /** Answers what has come, then takes nothing new. Idempotent. */
  closeApi(): Promise<void>;
  /** Closes the store too; last, for others use it until then. */
  close(): Promise<void>;
}

export interface JoinClusterOptions {
  readonly source: ClusterSource;
  readonly name: string;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where hosts, and heads of other nodes, reach it. */
  readonly reached: HostPort;
  /** Aborts: it is not wanted any more. */
  readonly signal: AbortSignal;
}

/** This daemon as a node of a cluster. */
export interface ClusterNodePort {
  /** The CNTLIDs that are its own. */
  readonly controllerIds: { readonly first: number; readonly last: number };
  /**
   * When pools are open. Resolves when what the cluster wants here was tried to be made so: hosts may come
   * from then on. Waits for the store as long as that is away.
   */
  start(engine: EnginePort): Promise<void>;
  /** When others reach this node: it counts as up from now on. */
  announce(): Promise<void>;
  /** Its heads end, and others go on with them; before the engine is closed. */
  stop(): Promise<void>;
  /** After the engine is closed. */
  close(): Promise<void>;
}

export interface ClusterControllerPort {
  /** Where it is reached, for a person. */
  readonly places: readonly string[];
  close(): Promise<void>;
}

/** What `ballast csi` starts. */
export interface CsiOptions extends CsiSettings {
  readonly daemon: Endpoint;
  readonly log: Log;
  /** Of a node. */
  readonly host?: HostIdentity;
}

export interface CsiPort {
  /** Where GET /metrics is answered: with the port that was chosen where 0 was asked. Absent: nowhere. */
  readonly metricsAddress?: HostPort;
  /** Takes nothing new, and resolves when what was under way is answered. */
  close(): Promise<void>;
}

/** What `ballast node join` asks for. */
export interface JoinWithTokenOptions {
  /** Where nodes join. */
  readonly address: HostPort;
  readonly token: string;
  readonly name: string;
  readonly stateDirectory: string;
}

export interface JoinedNode {
  readonly name: string;
  readonly nodeId: string;
  /** HOST:PORT of the cluster's store. */
  readonly controllers: readonly string[];
  /** ISO 8601: of the certificate. */
  readonly validTo: string;
}

/** Everything outside a command that it may touch. */
export interface CliContext {
  readonly version: string;
  /** This program as a command line, for what has to start it. */
  readonly program: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  startEngine(options: EngineOptions): Promise<EnginePort>;
  /** Locks the state directory; refuses one that another daemon has. */
  startControl(options: ControlOptions): Promise<ControlPort>;
  startController(settings: ControllerSettings, log: Log): Promise<ClusterControllerPort>;
  startCsi(options: CsiOptions): Promise<CsiPort>;
  /** The node has its certificate then; refuses a state directory that a daemon has. */
  joinWithToken(options: JoinWithTokenOptions): Promise<JoinedNode>;
  hostIdentity(stateDirectory: string): Promise<HostIdentity>;
  createAttacher(options: {
    readonly stateDirectory?: string;
    readonly driver?: AttachDriver | 'auto';
  }): Promise<Attacher>;
  /** Serves a device that is to be attached, until it is gone. */
  serveAttachment(uuid: string, stateDirectory: string): Promise<void>;
  /** Judges a history of JSON lines; INVALID_ARGUMENT when it is none. */
  checkHistory(lines: Uint8Array): Promise<HistoryVerdict>;
  /** To the service manager, e.g. READY=1; does nothing where there is none. */
  notifyServiceManager(state: string): Promise<void>;
  /** Calls back at each SIGINT and SIGTERM; returns what ends that. */
  onStopSignal(callback: (name: string) => void): () => void;
  /** Between two looks at something that takes a while. */
  sleep(ms: number): Promise<void>;
  /** Ends the process at once. */
  exitNow(code: number): void;
}
