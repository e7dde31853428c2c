// A controller's part in who belongs to a cluster: its authority, its tokens, the address where nodes join
// and the one for nodes, which has the store too. On loopback, with TLS as beyond it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { HostPort } from '../../src/base/address.js';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { RpcServer } from '../../src/rpc/server.js';
import { openMemoryStore } from '../../src/store/memory/memory-store.js';
import { storeHandlers, storeObservation } from '../../src/store/remote/handlers.js';
import type { StoreService } from '../../src/store/remote/messages.js';
import { storeService } from '../../src/store/remote/services.js';
import { Admission } from '../../src/trust/admission.js';
import { Authority } from '../../src/trust/authority.js';
import { joinHandlers, joinObservation, membershipHandlers, nodesOnly } from '../../src/trust/handlers.js';
import { JoinTokens } from '../../src/trust/join-tokens.js';
import type { JoinService, MembershipService } from '../../src/trust/messages.js';
import { joinService, membershipService } from '../../src/trust/services.js';

export class ClusterTrust {
  readonly store = openMemoryStore();
  readonly lines: string[] = [];
  readonly #servers: RpcServer[] = [];
  joinAddress: HostPort = { host: '127.0.0.1', port: 0 };
  nodeAddress: HostPort = { host: '127.0.0.1', port: 0 };

  private constructor(
    readonly directory: string,
    readonly authority: Authority,
    readonly clock: Clock,
  ) {}

  /** `names`: of the certificate of its servers. */
  static async start(names: readonly string[] = ['127.0.0.1'], clock = systemClock): Promise<ClusterTrust> {
    const directory = mkdtempSync(join(tmpdir(), 'ballast-trust-'));
    const authority = await Authority.open(join(directory, 'authority'), clock);
    const trust = new ClusterTrust(directory, authority, clock);
    await trust.#listen(names);
    return trust;
  }

  get tokens(): JoinTokens {
    return new JoinTokens(this.store, this.authority.keyHash, this.clock);
  }

  /** A state directory of a node. */
  node(name: string): string {
    return join(this.directory, name);
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.close();
    rmSync(this.directory, { recursive: true });
  }

  async #listen(names: readonly string[]): Promise<void> {
    const { authority, store, clock } = this;
    const identity = await authority.serverIdentity(names);
    const log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
    const admission = new Admission(store, clock);
    const nodes = new RpcServer({ log, ...storeObservation, check: nodesOnly(admission) });
    nodes.add<StoreService>(storeService(), storeHandlers(store));
    nodes.add<MembershipService>(membershipService(), membershipHandlers({ authority, admission }));
    const tls = { ...identity, clientAuthority: Buffer.from(authority.certificate) };
    this.nodeAddress = await nodes.listenTcp(this.nodeAddress, tls);
    const strangers = new RpcServer({ log, ...joinObservation });
    const controllers = () => [{ host: '', port: this.nodeAddress.port }];
    const options = { authority, admission, controllers, log, clock };
    strangers.add<JoinService>(joinService(), joinHandlers(options), { forStrangers: true });
    this.joinAddress = await strangers.listenForStrangers(this.joinAddress, identity);
    this.#servers.push(nodes, strangers);
  }
}
