// Where the nodes of a cluster come in: the address of the store, and that where they join. On loopback alone
// nothing is encrypted; where nodes can join, or come from elsewhere, the store is for nodes with a
// certificate. Constructed by src/main, which says what is served.
import { formatHost, type HostPort } from '../base/address.js';
import { type Clock, systemClock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { RpcServer, type RpcServerOptions } from '../rpc/server.js';
import { isLoopback, type ServerTls } from '../rpc/tcp-socket.js';
import type { Admission } from './admission.js';
import type { Authority } from './authority.js';
import { joinHandlers, joinObservation, membershipHandlers, nodesOnly } from './handlers.js';
import type { JoinService, MembershipService } from './messages.js';
import { serverNames } from './server-names.js';
import { joinService, membershipService } from './services.js';

export interface ClusterDoorsOptions {
  readonly authority: Authority;
  readonly admission: Admission;
  /** Numeric; of the store. */
  readonly listen: HostPort;
  /** Numeric. Absent: nodes cannot join. */
  readonly joinListen?: HostPort;
  /** Further names under which nodes reach this process. */
  readonly names?: readonly string[];
  /** Adds what nodes use. */
  readonly addServices: (server: RpcServer) => void;
  readonly observation: Omit<RpcServerOptions, 'log' | 'check'>;
  readonly log: Log;
  readonly clock?: Clock;
}

const renewalCheckMs = 86_400_000;

export class ClusterDoors {
  readonly #options: ClusterDoorsOptions;
  readonly #clock: Clock;
  readonly #servers: RpcServer[] = [];
  #forget: () => void = () => undefined;
  /** With the ports that were chosen where 0 was asked. */
  nodes: HostPort;
  join: HostPort | undefined;

  private constructor(options: ClusterDoorsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.nodes = options.listen;
  }

  static async open(options: ClusterDoorsOptions): Promise<ClusterDoors> {
    const doors = new ClusterDoors(options);
    try {
      await (doors.isEncrypted ? doors.#openEncrypted() : doors.#openPlain());
      return doors;
    } catch (error) {
      await doors.close();
      throw error;
    }
  }

  get isEncrypted(): boolean {
    const { listen, joinListen } = this.#options;
    return joinListen !== undefined || !isLoopback(listen.host);
  }

  /** For a person. */
  get places(): readonly string[] {
    const { nodes, join } = this;
    const how = this.isEncrypted ? ' (nodes with a certificate)' : '';
    return [`store for agents ${text(nodes)}${how}`, ...(join === undefined ? [] : [`join ${text(join)}`])];
  }

  async close(): Promise<void> {
    this.#forget();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  async #openPlain(): Promise<void> {
    const { log, observation, addServices, listen } = this.#options;
    const server = this.#add(new RpcServer({ log, ...observation }));
    addServices(server);
    this.nodes = await server.listenTcp(listen);
  }

  async #openEncrypted(): Promise<void> {
    const { authority, admission, log, observation, addServices, listen, joinListen } = this.#options;
    const tls = await this.#tls();
    const server = this.#add(new RpcServer({ log, ...observation, check: nodesOnly(admission) }));
    addServices(server);
    server.add<MembershipService>(membershipService(), membershipHandlers({ authority, admission }));
    this.nodes = await server.listenTcp(listen, tls);
    if (joinListen !== undefined) await this.#openJoin(joinListen, tls);
    this.#renewLater();
  }

  async #openJoin(joinListen: HostPort, tls: ServerTls): Promise<void> {
    const { authority, admission, log, listen } = this.#options;
    const server = this.#add(new RpcServer({ log, ...joinObservation }));
    // Who joins has reached this process by some name or address, which it goes on with if it can.
    const host = isAny(listen.host) || listen.host === joinListen.host ? '' : listen.host;
    const controllers = () => [{ host, port: this.nodes.port }];
    const handlers = joinHandlers({ authority, admission, controllers, log, clock: this.#clock });
    server.add<JoinService>(joinService(), handlers, { forStrangers: true });
    const { certificate, key } = tls;
    this.join = await server.listenForStrangers(joinListen, { certificate, key });
  }

  async #tls(): Promise<ServerTls> {
    const { authority, listen, joinListen, names } = this.#options;
    const hosts = [listen.host, ...(joinListen === undefined ? [] : [joinListen.host])];
    const identity = await authority.serverIdentity(serverNames(hosts, names));
    return { ...identity, clientAuthority: Buffer.from(authority.certificate) };
  }

  /** A process may run for longer than its certificate is valid. */
  #renewLater(): void {
    this.#forget = this.#clock.after(renewalCheckMs, () => {
      void this.renew().finally(() => this.#renewLater());
    });
  }

  /** Another certificate for connections that come from now on, if it is time for one. */
  async renew(): Promise<void> {
    try {
      const { clientAuthority, ...identity } = await this.#tls();
      const [nodes, join] = this.#servers;
      nodes?.useCertificate({ ...identity, clientAuthority });
      join?.useCertificate(identity);
    } catch (error) {
      this.#options.log.error({ room: 'trust', err: error }, "the controller's certificate was not renewed");
    }
  }

  #add(server: RpcServer): RpcServer {
    this.#servers.push(server);
    return server;
  }
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function text({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}
