// A controller's part in who belongs to a cluster: its authority, its tokens, the address where nodes join
// and the one for nodes, which has the store too. On loopback, with TLS as beyond it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { HostPort } from '../../src/base/address.js';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { openMemoryStore } from '../../src/store/memory/memory-store.js';
import { storeHandlers, storeObservation } from '../../src/store/remote/handlers.js';
import type { StoreService } from '../../src/store/remote/messages.js';
import { storeService } from '../../src/store/remote/services.js';
import { Admission } from '../../src/trust/admission.js';
import { Authority } from '../../src/trust/authority.js';
import { ClusterDoors } from '../../src/trust/cluster-doors.js';
import { JoinTokens } from '../../src/trust/join-tokens.js';

export class ClusterTrust {
  readonly store = openMemoryStore();
  readonly lines: string[] = [];
  joinAddress: HostPort = { host: '127.0.0.1', port: 0 };
  nodeAddress: HostPort = { host: '127.0.0.1', port: 0 };
  #doors: ClusterDoors | undefined;

  private constructor(
    readonly directory: string,
    readonly authority: Authority,
    readonly clock: Clock,
  ) {}

  /** `joinHost`: where nodes join. */
  static async start(clock = systemClock, joinHost = '127.0.0.1'): Promise<ClusterTrust> {
    const directory = mkdtempSync(join(tmpdir(), 'ballast-trust-'));
    const authority = await Authority.open(join(directory, 'authority'), clock);
    const trust = new ClusterTrust(directory, authority, clock);
    await trust.#open(joinHost);
    return trust;
  }

  get doors(): ClusterDoors {
    if (this.#doors === undefined) throw new Error('not open');
    return this.#doors;
  }

  get tokens(): JoinTokens {
    return new JoinTokens(this.store, this.authority.keyHash, this.clock);
  }

  /** A state directory of a node. */
  node(name: string): string {
    return join(this.directory, name);
  }

  async close(): Promise<void> {
    await this.#doors?.close();
    rmSync(this.directory, { recursive: true });
  }

  async #open(joinHost: string): Promise<void> {
    const { authority, store, clock } = this;
    const log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
    this.#doors = await ClusterDoors.open({
      ...{ authority, log, clock },
      admission: new Admission(store, clock),
      listen: this.nodeAddress,
      joinListen: { host: joinHost, port: 0 },
      addServices: (server) => server.add<StoreService>(storeService(), storeHandlers(store)),
      observation: storeObservation,
    });
    this.nodeAddress = this.#doors.nodes;
    this.joinAddress = { ...this.joinAddress, port: this.#doors.join?.port ?? 0 };
  }
}
