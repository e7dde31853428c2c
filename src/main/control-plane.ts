// The control plane of a daemon: store, tokens, REST API. Started before the data plane, so that what is
// locked or taken is found before anything is served; fastify and the routes are loaded after, by
// serveApi().
import { ApiDoors, formatHttp } from '../api/doors.js';
import { adminTokenHash } from '../auth/admin-token.js';
import { Authenticator } from '../auth/authenticator.js';
import { formatHost, type HostPort } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { AddressInUseError } from '../base/errors.js';
import { makeStateDirectory, type StatePaths, statePaths } from '../base/state-directory.js';
import type { ControlOptions, ControlPort, DataPlanePort } from '../cli/engine-port.js';
import { openLevelStore } from '../store/level/level-store.js';
import type { Store } from '../store/types.js';

interface Options extends ControlOptions {
  readonly version: string;
}

export class ControlPlane implements ControlPort {
  readonly #options: Options;
  readonly #paths: StatePaths;
  readonly #doors: ApiDoors;
  readonly #bound: HostPort | undefined;
  readonly #store: Store;
  readonly #adminHash: Uint8Array;

  private constructor(
    options: Options,
    paths: StatePaths,
    doors: ApiDoors,
    bound: HostPort | undefined,
    store: Store,
    adminHash: Uint8Array,
  ) {
    this.#options = options;
    this.#paths = paths;
    this.#doors = doors;
    this.#bound = bound;
    this.#store = store;
    this.#adminHash = adminHash;
  }

  static async start(options: Options): Promise<ControlPlane> {
    const paths = statePaths(options.stateDirectory);
    const doors = new ApiDoors();
    let store: Store | undefined;
    try {
      const bound = await openTcp(doors, options); // changes nothing, so it is the first to be refused
      await makeStateDirectory(paths.directory);
      store = await openLevelStore(paths.store);
      const adminHash = await adminTokenHash(paths.apiToken);
      await doors.openSocket(paths.apiSocket);
      return new ControlPlane(options, paths, doors, bound, store, adminHash);
    } catch (error) {
      await doors.close();
      await store?.close();
      throw error;
    }
  }

  async serveApi(dataPlane: DataPlanePort): Promise<readonly string[]> {
    const { createApp } = await import('../api/app.js');
    const { healthRoutes, nodeRoutes, tokenRoutes, volumeRoutes } = await import('../api/routes/index.js');
    const { TokenRegistry } = await import('../auth/token-registry.js');
    const { log, version } = this.#options;
    const tokens = new TokenRegistry(this.#store);
    const app = await createApp({
      log,
      version,
      authenticator: new Authenticator({ adminHash: this.#adminHash, tokens, log }),
      isTrusted: (request) => this.#doors.isTrusted(request),
      modules: [
        healthRoutes(async () => void (await this.#store.get('health'))),
        // The steady clock begins with the process.
        nodeRoutes({ dataPlane, version, clock: systemClock, startedMs: 0 }),
        volumeRoutes(dataPlane),
        tokenRoutes(tokens),
      ],
    });
    this.#doors.serve((request, response) => app.routing(request, response));
    const places = this.#bound === undefined ? [] : [`${formatHttp(this.#bound)}/v1/`];
    return [...places, `unix:${this.#paths.apiSocket}`];
  }

  closeApi(): Promise<void> {
    return this.#doors.close();
  }

  async close(): Promise<void> {
    await this.#doors.close();
    await this.#store.close();
  }
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
