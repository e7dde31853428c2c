// What is measured, as the room gets it: the engine's counters at one moment, and what volumes and pools are.
// src/main hands it in; a test hands in its own.
import type { QosWords } from '../base/qos.js';
import type { MirrorView } from '../mirrors/types.js';
import type { StatsByVolume } from '../native/types.js';
import type { PoolView } from '../pools/types.js';
import type { PodUse } from '../pools/volume-settings.js';

export interface MeasuredVolume {
  readonly name: string;
  readonly uuid: string;
  /** "pool", "file", "memory", "null". */
  readonly kind: string;
  readonly pool?: string;
  readonly nqn: string;
  readonly nsid: number;
  readonly sizeBytes: bigint;
  /** Hosts can use it. */
  readonly serving: boolean;
  readonly pods: readonly PodUse[];
  /** What holds: its own values and its class's. Absent: nothing does. */
  readonly qos?: QosWords;
}

export interface MetricsSource {
  /** With the latency of every volume. */
  stats(): StatsByVolume;
  volumes(): readonly MeasuredVolume[];
  /** Bytes that volumes and their snapshots hold, by the volume's UUID; those that are counted. */
  allocations(): Promise<ReadonlyMap<string, bigint>>;
  pools(): Promise<readonly PoolView[]>;
  mirrors(): Promise<readonly MirrorView[]>;
  /** What guarantees are admitted against; 0: none. */
  qosBudgetIops(): number;
}
