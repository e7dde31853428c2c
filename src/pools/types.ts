// What the room works on and answers: the engine as it needs it, pools and volumes as they are known to this
// daemon. Plain data goes out; nothing here can be changed by who gets it.
import type { PoolEngine, PoolInfo, PoolVolumeInfo } from '../native/pool-types.js';
import type { QosBudget, QosLimits, VolumeInfo, VolumeOptions } from '../native/types.js';
import type { VolumeSettings } from './volume-settings.js';

export type {
  PoolDeviceOptions,
  PoolInfo,
  PoolPolicy,
  PoolRange,
  PoolRanges,
  PoolSnapshotInfo,
} from '../native/pool-types.js';

/** Of the engine, what pools and their volumes need. */
export interface PoolsEngine extends PoolEngine {
  addVolume(options: VolumeOptions): Promise<VolumeInfo>;
  removeVolume(name: string): Promise<void>;
  setHosts(nqn: string, hosts: readonly string[] | undefined): Promise<void>;
  hosts(nqn: string): Promise<readonly string[]>;
  setQos(name: string, limits: QosLimits): Promise<void>;
  setQosBudget(budget: QosBudget): Promise<void>;
}

/**
 * open: its volumes are served. missing: a device is not there. broken: it cannot be opened, or a disk of it
 * failed. In the last two cases an error says more.
 */
export type PoolState = 'open' | 'missing' | 'broken';

export interface PoolView {
  readonly name: string;
  readonly uuid: string;
  readonly state: PoolState;
  readonly error?: string;
  /** What is wrong with single volumes of it. */
  readonly problems: readonly string[];
  /** As the daemon opens them. */
  readonly paths: readonly string[];
  /** While it is open. */
  readonly info?: PoolInfo;
}

/**
 * serving: hosts can use it. locked: its key cannot be had now. erased: its key was discarded, nobody can
 * read it. stopped: it should be served and is not. An error says more.
 */
export type VolumeState = 'serving' | 'locked' | 'erased' | 'stopped';

export interface VolumeView {
  readonly pool: string;
  readonly info: Omit<PoolVolumeInfo, 'wrappedKey'>;
  readonly nqn: string;
  readonly state: VolumeState;
  readonly error?: string;
  readonly encrypted: boolean;
  readonly settings: VolumeSettings;
  /** Of the key that wraps its key; absent where it was discarded. */
  readonly keyId?: string;
}

export interface Snapshot {
  readonly volume: string;
  readonly volumeUuid: string;
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: bigint;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/** For what interrupts hosts: does it also while hosts are connected. */
export interface Forceable {
  readonly force?: boolean;
}
