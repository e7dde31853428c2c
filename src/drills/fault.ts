// What a drill does to a cluster: something that is injected and healed again.
import type { ClusterVolume } from './cluster/api.js';
import type { DrillCluster } from './cluster/drill-cluster.js';
import type { Timeline } from './report/timeline.js';

export interface Fault {
  /** Resolves when it is there. What is done in turn, as restarts of all nodes, is done then. */
  inject(): Promise<void>;
  /** Resolves when everything that was taken away is there again; it may not be in sync yet. */
  heal(): Promise<void>;
}

/** Of a cluster, what faults use. */
export type FaultyCluster = Pick<
  DrillCluster,
  | 'api'
  | 'nodes'
  | 'pid'
  | 'kill'
  | 'stop'
  | 'signal'
  | 'startNode'
  | 'startController'
  | 'network'
  | 'disks'
  | 'storeProcess'
  | 'startStoreProcess'
>;

/** Where a fault happens. */
export interface Scene {
  readonly cluster: FaultyCluster;
  readonly volume: string;
  /** As it is before the fault: it is whole, and has a head. */
  readonly before: ClusterVolume & { readonly head: string };
  readonly timeline: Timeline;
  /** From 1. */
  readonly round: number;
  readonly signal: AbortSignal;
  /** Resolves when all replicas are in sync and all nodes are up. */
  whole(): Promise<void>;
}

export interface DrillDefinition {
  readonly name: string;
  /** What is done, and where it is not the real thing, what it is instead. */
  readonly what: string;
  /** What is promised of the longest gap; absent: nothing, the volume is away while the fault lasts. */
  readonly gapTargetMs?: number;
  /** Why this machine cannot have it; undefined: it can. */
  readonly unavailable?: () => Promise<string | undefined>;
  /** How long it lasts at least: nobody is told of it, so it takes a while until it is noticed. */
  readonly holdMsMin?: number;
  /** All connections go through links that can be cut. */
  readonly needsNetwork?: boolean;
  /** Disks of nodes are on file systems that can be frozen. */
  readonly needsFrozenDisks?: boolean;
  fault(scene: Scene): Fault;
}
