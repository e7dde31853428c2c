// What the routes need of the rest of the daemon, as interfaces: src/main hands in the engine and the token
// registry, a test hands in its own. Sizes and counters that may pass 2^53 are bigint.
import type { AnaState } from '../base/ana.js';
import type { IoKind, LatencyHistogram } from '../base/io-latency.js';
import type { QosWords } from '../base/qos.js';
import type { PodUse } from '../pools/volume-settings.js';

export interface VolumeFacts {
  readonly name: string;
  /** "memory", "null", "file", ... */
  readonly kind: string;
  readonly nqn: string;
  readonly nsid: number;
  readonly uuid: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  readonly durable: boolean;
  readonly qos?: QosWords;
}

export interface VolumeCounters {
  readonly name: string;
  readonly reads: bigint;
  readonly writes: bigint;
  readonly readBytes: bigint;
  readonly writeBytes: bigint;
  readonly errors: bigint;
  /** Since it is served. */
  readonly qos?: {
    readonly throttledIos: bigint;
    readonly throttledNs: bigint;
    readonly waitingIos: number;
    readonly guaranteeSeconds: number;
    readonly guaranteeKeptSeconds: number;
  };
}

/** With what only /v1/stats tells. */
export interface VolumeActivity extends VolumeCounters {
  readonly inFlight: number;
  readonly latency?: Readonly<Record<IoKind, LatencyHistogram>>;
}

/** A volume, whatever it is of, and the pods that use it. */
export interface VolumeSummary {
  readonly name: string;
  readonly uuid: string;
  readonly kind: string;
  readonly pool?: string;
  readonly serving: boolean;
  readonly pods: readonly PodUse[];
}

export interface StatsSource {
  /** With their latency, all of one moment. */
  stats(): { volume(name: string): VolumeActivity | undefined };
  volumes(): readonly VolumeSummary[];
}

export interface DataPlaneCounters {
  readonly reactors: readonly {
    readonly turns: number;
    readonly sleeps: number;
    readonly messages: number;
    readonly busyNs: bigint;
    readonly connections: number;
  }[];
  /** Absent: it is not served. */
  volume(name: string): VolumeCounters | undefined;
  readonly transport: {
    readonly connections: number;
    readonly connectionsTotal: bigint;
    readonly bytesReceived: bigint;
    readonly bytesSent: bigint;
  };
  /** Controllers of hosts that are connected to us. */
  readonly controllers: number;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
}

export interface DataPlane {
  volumes(): readonly VolumeFacts[];
  listeners(): readonly Listener[];
  counters(): DataPlaneCounters;
  /** Answers when no I/O is in flight that the state forbids. */
  setAnaState(volume: string, state: AnaState): Promise<void>;
  /** Of one volume, which costs much less where there are many. */
  volumeCounters(name: string): VolumeCounters | undefined;
}
