// Everything of this room put together: one for each daemon, made in src/main when the engine runs.
import type { Clock } from '../base/clock.js';
import { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import type { Store } from '../store/types.js';
import { type Ensured, ensure } from './ensure.js';
import { Hosts } from './hosts.js';
import { Opening } from './opening.js';
import { Pods } from './pods.js';
import { Pools } from './pools.js';
import { Qos } from './qos.js';
import { PoolRecords } from './records.js';
import { Registry } from './registry.js';
import { type ReplicaData, ReplicaVolumes } from './replica-volumes.js';
import { Rotation } from './rotation.js';
import { type Keys, Serving } from './serving.js';
import { Snapshots } from './snapshots.js';
import type { PoolsEngine } from './types.js';
import { VolumeSettingsStore } from './volume-settings.js';
import { Volumes } from './volumes.js';

/** A volume that is not of a pool: its name is taken, and its file is no device for a pool. */
export interface OtherVolume {
  readonly name: string;
  readonly path?: string;
  /** Guaranteed to it. */
  readonly minIops?: number;
}

export interface PoolServiceOptions {
  readonly engine: PoolsEngine;
  readonly store: Store;
  readonly keys: Keys;
  readonly log: Log;
  readonly others: readonly OtherVolume[];
  readonly replicas?: readonly ReplicaData[];
  readonly clock?: Clock;
}

export class PoolService {
  readonly pools: Pools;
  readonly volumes: Volumes;
  readonly snapshots: Snapshots;
  readonly hosts: Hosts;
  readonly pods: Pods;
  readonly rotation: Rotation;
  readonly qos: Qos;
  readonly #opening: Opening;

  constructor({ engine, store, keys, log, others, replicas = [], clock }: PoolServiceOptions) {
    const registry = new Registry();
    for (const { name } of others) registry.claimForOther(name);
    const records = new PoolRecords(store);
    const settings = new VolumeSettingsStore(store);
    const locks = new KeyedLock();
    const othersMinIops = others.reduce((sum, { minIops = 0 }) => sum + minIops, 0);
    this.qos = new Qos({ engine, store, registry, settings, locks, log, othersMinIops });
    const serving = new Serving(engine, keys, log, this.qos);
    const otherFiles = filesOf(others, replicas);
    this.#opening = new Opening({
      ...{ engine, registry, records, settings, serving, log, otherFiles },
      replicas: new ReplicaVolumes(replicas),
    });
    const shared = { engine, registry, serving, settings, locks, log, qos: this.qos };
    this.pools = new Pools({
      ...shared,
      records,
      opening: this.#opening,
      otherFiles,
      ...(clock !== undefined && { clock }),
    });
    this.volumes = new Volumes(shared);
    this.snapshots = new Snapshots(shared);
    this.hosts = new Hosts(shared);
    this.pods = new Pods(shared);
    this.rotation = new Rotation({ ...shared, store });
  }

  /**
   * Opens all known pools and serves their volumes; what fails is in what list() tells. Once, at the start.
   * Fails when a volume of a pool has the name of one that is not, or that is on a device of a pool: to
   * leave it out would be taken for its end by hosts.
   */
  async open(ensured: Ensured = {}): Promise<void> {
    await this.qos.load();
    await this.#opening.openAll();
    await this.qos.start();
    await ensure(this.pools, this.volumes, ensured);
  }
}

/** Path to whose it is. */
function filesOf(others: readonly OtherVolume[], replicas: readonly ReplicaData[]): Map<string, string> {
  return new Map([
    ...others.flatMap(({ name, path }) => (path === undefined ? [] : [[path, `volume '${name}'`] as const])),
    ...replicas.flatMap((one) => ('path' in one ? [[one.path, `replica '${one.replica}'`] as const] : [])),
  ]);
}
