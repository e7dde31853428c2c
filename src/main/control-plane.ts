// The control plane of a daemon: store, tokens, pools, REST API. Started before the data plane, so that what
// is locked or taken is found before anything is served; what pools need is loaded before that where there
// are some, fastify and the routes after it, by serveApi().
import { hostname } from 'node:os';
import { ApiDoors, formatHttp } from '../api/doors.js';
import { adminTokenHash } from '../auth/admin-token.js';
import { Authenticator } from '../auth/authenticator.js';
import { formatHost, type HostPort } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { AddressInUseError } from '../base/errors.js';
import type { ReplicaSpec } from '../base/replica-spec.js';
import type { EnsuredSettings } from '../base/settings.js';
import { makeStateDirectory, type StatePaths, statePaths } from '../base/state-directory.js';
import type {
  ClusterNodePort,
  ControlOptions,
  ControlPort,
  DataPlanePort,
  EnginePort,
  JoinClusterOptions,
  OpenedMirrors,
  OpenedPools,
  OtherVolume,
  ServedVolume,
  WantedMirrors,
} from '../cli/engine-port.js';
import type { KeyProvider } from '../keys/types.js';
import type { MirrorService } from '../mirrors/mirror-service.js';
import type { PoolService } from '../pools/pool-service.js';
import { qosPrefix } from '../pools/qos-keys.js';
import { poolsPrefix } from '../pools/records.js';
import type { ReplicaData } from '../pools/replica-volumes.js';
import type { VolumeView } from '../pools/types.js';
import { type DaemonStore, openDaemonStore } from '../store/daemon-store.js';
import type { Store } from '../store/types.js';
import { MetricsDoor } from './metrics-door.js';
import { metricsSource } from './metrics-source.js';
import { mirrorsSource } from './mirrors-source.js';

interface Options extends ControlOptions {
  readonly version: string;
}

export class ControlPlane implements ControlPort {
  readonly #options: Options;
  readonly #paths: StatePaths;
  readonly #doors: ApiDoors;
  readonly #metricsDoor: MetricsDoor;
  readonly #bound: HostPort | undefined;
  readonly #opened: DaemonStore;
  readonly #store: Store;
  readonly #adminHash: Uint8Array;
  #makePools: (() => Promise<PoolService>) | undefined;
  #pools: PoolService | undefined;
  #mirrors: MirrorService | undefined;

  private constructor(
    options: Options,
    paths: StatePaths,
    doors: ApiDoors,
    metricsDoor: MetricsDoor,
    bound: HostPort | undefined,
    opened: DaemonStore,
    adminHash: Uint8Array,
  ) {
    this.#options = options;
    this.#paths = paths;
    this.#doors = doors;
    this.#metricsDoor = metricsDoor;
    this.#bound = bound;
    this.#opened = opened;
    this.#store = opened.store;
    this.#adminHash = adminHash;
  }

  static async start(options: Options): Promise<ControlPlane> {
    const paths = statePaths(options.stateDirectory);
    const doors = new ApiDoors();
    let opened: DaemonStore | undefined;
    let metricsDoor: MetricsDoor | undefined;
    try {
      const bound = await openTcp(doors, options); // changes nothing, so it is the first to be refused
      metricsDoor = await MetricsDoor.open(options.metricsListen);
      await makeStateDirectory(paths.directory);
      opened = await openDaemonStore(paths.store, options.storeSource, options.log);
      const adminHash = await adminTokenHash(paths.apiToken);
      await doors.openSocket(paths.apiSocket);
      return new ControlPlane(options, paths, doors, metricsDoor, bound, opened, adminHash);
    } catch (error) {
      await doors.close();
      await metricsDoor?.close();
      await opened?.close();
      throw error;
    }
  }

  async openPools(
    engine: EnginePort,
    others: readonly OtherVolume[],
    ensured: EnsuredSettings,
    replicas: readonly ReplicaSpec[],
  ): Promise<OpenedPools> {
    this.#makePools = () => this.#newPools(engine, others, replicas.map(replicaData));
    const { entries } = await this.#store.list(poolsPrefix);
    const { entries: qos } = await this.#store.list(qosPrefix);
    const guarantees = others.filter(({ minIops = 0 }) => minIops > 0);
    const reasons = entries.length + qos.length + guarantees.length + Object.keys(ensured).length;
    if (reasons === 0) return { volumes: [], problems: [] };
    this.#pools = await this.#makePools();
    await this.#pools.open(ensured);
    const volumes = this.#pools.volumes.list();
    const closed = (await this.#pools.pools.list()).flatMap(({ name, state, error, problems }) => [
      ...(state === 'open' ? [] : [`pool ${name} is ${state}: ${error ?? ''}`]),
      ...problems.map((problem) => `pool ${name}: ${problem}`),
    ]);
    const stopped = volumes.filter(({ state }) => state !== 'serving');
    return {
      volumes: volumes.filter(({ state }) => state === 'serving').map(served),
      problems: [...closed, ...stopped.map(({ info, error = '' }) => `volume ${info.name}: ${error}`)],
    };
  }

  async openMirrors(engine: EnginePort, wanted: WantedMirrors): Promise<OpenedMirrors> {
    const { MirrorService } = await import('../mirrors/mirror-service.js');
    this.#mirrors = new MirrorService({ engine, store: this.#store, log: this.#options.log });
    return this.#mirrors.open(wanted);
  }

  async #newPools(
    engine: EnginePort,
    others: readonly OtherVolume[],
    replicas: readonly ReplicaData[],
  ): Promise<PoolService> {
    const { PoolService } = await import('../pools/pool-service.js');
    const { VolumeKeys } = await import('../keys/volume-keys.js');
    const { keySource, log } = this.#options;
    const keys = new VolumeKeys(await keyProvider(keySource, this.#paths.volumeKeys));
    return new PoolService({ engine, store: this.#store, keys, log, others, replicas });
  }

  async joinCluster(options: JoinClusterOptions): Promise<ClusterNodePort> {
    const { joinCluster } = await import('./agent.js');
    const { version, log } = this.#options;
    const pools = () => this.#pools;
    const { directory: stateDirectory } = this.#paths;
    return joinCluster({ local: this.#store, stateDirectory, version, pools, log }, options);
  }

  async serveApi(dataPlane: DataPlanePort): Promise<readonly string[]> {
    const { createApp } = await import('../api/app.js');
    const routes = await import('../api/routes/index.js');
    const { TokenRegistry } = await import('../auth/token-registry.js');
    const { Metrics } = await import('../metrics/metrics.js');
    const { log, version } = this.#options;
    const tokens = new TokenRegistry(this.#store);
    this.#pools ??= await this.#makePools?.();
    if (this.#pools === undefined) throw new Error('serveApi() before openPools()');
    const { pools, volumes, snapshots, hosts, pods, rotation, qos } = this.#pools;
    const volumesCount = () => dataPlane.volumes().length + volumes.list().length;
    const node = hostname();
    const mirrors = mirrorsSource(this.#mirrors);
    const source = metricsSource(dataPlane, this.#pools, mirrors);
    const metrics = new Metrics({ source, node, version });
    this.#metricsDoor.serve(metrics);
    const app = await createApp({
      log,
      version,
      authenticator: new Authenticator({ adminHash: this.#adminHash, tokens, log }),
      isTrusted: (request) => this.#doors.isTrusted(request),
      modules: [
        routes.healthRoutes(async () => void (await this.#store.get('health'))),
        // The steady clock begins with the process.
        routes.nodeRoutes({ dataPlane, volumesCount, version, clock: systemClock, startedMs: 0 }),
        routes.volumeRoutes(dataPlane, volumes, hosts),
        routes.hostRoutes(dataPlane, hosts),
        routes.anaRoutes(dataPlane, volumes),
        routes.podRoutes(pods),
        routes.snapshotRoutes(snapshots),
        routes.poolRoutes(pools),
        routes.mirrorRoutes(mirrors),
        routes.qosRoutes(qos),
        routes.keyRoutes(rotation),
        routes.tokenRoutes(tokens),
        routes.statsRoutes({ source, node, clock: systemClock }),
        routes.metricsRoutes(metrics),
      ],
    });
    this.#doors.serve((request, response) => app.routing(request, response));
    const places = this.#bound === undefined ? [] : [`${formatHttp(this.#bound)}/v1/`];
    const { address } = this.#metricsDoor;
    const metricsPlace = address === undefined ? [] : [`${formatHttp(address)}/metrics`];
    return [...places, `unix:${this.#paths.apiSocket}`, ...metricsPlace];
  }

  async closeApi(): Promise<void> {
    await Promise.all([this.#doors.close(), this.#metricsDoor.close(), this.#mirrors?.stopCarrying()]);
  }

  async close(): Promise<void> {
    await this.closeApi();
    await this.#mirrors?.close();
    await this.#opened.close();
  }
}

function replicaData({ name, device }: ReplicaSpec): ReplicaData {
  if (device.kind === 'file') return { replica: name, path: device.path };
  return { replica: name, pool: device.pool, volume: device.volume };
}

async function keyProvider(source: ControlOptions['keySource'], file: string): Promise<KeyProvider> {
  if (source !== undefined && 'command' in source) {
    const { KeyCommand } = await import('../keys/key-command.js');
    return new KeyCommand(source.command);
  }
  const { KeyFile } = await import('../keys/key-file.js');
  return new KeyFile(source?.file ?? file);
}

function served({ info, nqn }: VolumeView): ServedVolume {
  const { name, sizeBytes } = info;
  return { name, nqn, nsid: 1, sizeBytes, blockSizeBytes: 4096, durable: true };
}

async function openTcp(doors: ApiDoors, { apiListen, log }: Options): Promise<HostPort | undefined> {
  const { address, chosen } = apiListen;
  if (address === undefined) return undefined;
  if (!isLoopback(address.host)) {
    const where = formatHost(address.host);
    log.warn({ room: 'api' }, `the REST API on ${where} is not encrypted: tokens can be read on the way`);
  }
  try {
    return await doors.openTcp(address);
  } catch (error) {
    if (chosen || !(error instanceof AddressInUseError)) throw error;
    // A second daemon of this machine: its volumes are worth more than the default port of its API.
    log.warn({ room: 'api' }, `${error.message}; --api-listen chooses another, the Unix socket is there`);
    return undefined;
  }
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}
