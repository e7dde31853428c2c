// Hosts that this node does not hear any more, of the volumes that it serves: told to the others while the
// head is here, as one of them may hear them (host-moves.ts). Remembered of a standby too, which may become
// head. Nothing is asked and nothing is written while all hosts are there.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { lostHostsKey } from '../cluster/model/keys.js';
import { connectedHostsMax, encodeHostsOfHead, lostHostsMax } from '../cluster/model/lost-hosts.js';
import type { LostHost } from '../native/types.js';
import { batchesOf } from '../store/batches.js';
import type { Lease, Store, Write } from '../store/types.js';
import type { AgentEngine } from './types.js';

/** Of a volume here, what this needs. */
export interface VolumeWithHosts {
  readonly name: string;
  readonly nqn: string;
  /** Of the head here that serves; undefined: there is none. */
  readonly headEpoch: bigint | undefined;
}

export interface LostHostsOptions {
  readonly engine: Pick<AgentEngine, 'connectedHosts'>;
  readonly store: Pick<Store, 'lease' | 'commit'>;
  /** UUID of this one. */
  readonly node: string;
  /** By its NQN; undefined: it is not here. */
  readonly volumeOf: (nqn: string) => VolumeWithHosts | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between two looks at whether a host is back: at first, and later. */
export const lookMs = 200;
export const lateLookMs = 2_000;
const soonMs = 20_000;
/** After which a host that does not come back is forgotten. */
const keptMs = 10 * 60_000;
const leaseMs = 10_000;
const renewMs = 2_000;

interface Lost {
  readonly host: LostHost;
  readonly sinceMs: number;
}

export class LostHosts {
  readonly #options: LostHostsOptions;
  /** By NQN of the volume, then of the host. */
  readonly #lost = new Map<string, Map<string, Lost>>();
  /** By key, under the lease. */
  readonly #written = new Map<string, Uint8Array>();
  #lease: Lease | undefined;
  #renewedMs = 0;
  #newestMs = 0;
  #working: Promise<void> | undefined;
  #forget = () => {};
  #closed = false;

  constructor(options: LostHostsOptions) {
    this.#options = options;
  }

  /** From the engine, of whatever it serves. */
  add(nqn: string, host: LostHost): void {
    // One that promised nothing is not missed.
    if (host.keepAliveMs === 0 || this.#options.volumeOf(nqn) === undefined) return;
    const hosts = this.#lost.get(nqn) ?? new Map<string, Lost>();
    this.#lost.set(nqn, hosts);
    const sinceMs = this.#options.clock.steadyMs();
    hosts.delete(host.nqn); // in the order in which they were lost
    hosts.set(host.nqn, { host, sinceMs });
    for (const oldest of hosts.keys()) {
      if (hosts.size <= lostHostsMax) break;
      hosts.delete(oldest);
    }
    this.#newestMs = sinceMs;
    this.look();
  }

  /** Now, as where a head has come here. */
  look(): void {
    if (this.#closed || this.#working !== undefined) return;
    this.#forget();
    if (this.#lost.size === 0 && this.#written.size === 0) return;
    this.#working = this.#look().finally(() => {
      this.#working = undefined;
      const { clock } = this.#options;
      const isSoon = clock.steadyMs() - this.#newestMs < soonMs;
      if (!this.#closed) this.#forget = clock.after(isSoon ? lookMs : lateLookMs, () => this.look());
    });
  }

  /** What was told is taken back, or goes with its lease. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    await this.#working;
    await this.#lease?.revoke().catch(() => undefined);
  }

  /** Never fails. */
  async #look(): Promise<void> {
    try {
      const wanted = new Map<string, Uint8Array>();
      for (const nqn of [...this.#lost.keys()]) {
        const told = await this.#toTell(nqn);
        if (told !== undefined) wanted.set(...told);
      }
      await this.#write(wanted);
    } catch (err) {
      this.#options.log.debug({ room: 'agent', err }, 'lost hosts cannot be told of now; tried again');
    }
  }

  async #toTell(nqn: string): Promise<readonly [string, Uint8Array] | undefined> {
    const { engine, node, volumeOf, clock } = this.#options;
    const [volume, hosts] = [volumeOf(nqn), this.#lost.get(nqn)];
    const connected = volume && (await engine.connectedHosts(nqn).catch(() => undefined));
    if (volume === undefined || hosts === undefined) this.#lost.delete(nqn);
    if (volume === undefined || hosts === undefined || connected === undefined) return undefined;
    const there = connected.filter(({ ending }) => !ending).map((host) => host.nqn);
    const earliestMs = clock.steadyMs() - keptMs;
    for (const [host, { sinceMs }] of hosts) {
      if (there.includes(host) || sinceMs < earliestMs) hosts.delete(host);
    }
    if (hosts.size === 0) this.#lost.delete(nqn);
    const epoch = volume.headEpoch;
    if (hosts.size === 0 || epoch === undefined || there.length > connectedHostsMax) return undefined;
    const lost = [...hosts.values()].map(({ host }) => host);
    return [lostHostsKey(node, volume.name), encodeHostsOfHead({ epoch, lost, connected: there })];
  }

  async #write(wanted: ReadonlyMap<string, Uint8Array>): Promise<void> {
    if (wanted.size === 0 && this.#written.size === 0) return;
    const { store } = this.#options;
    const lease = await this.#hold();
    const gone = [...this.#written.keys()].filter((key) => !wanted.has(key));
    const differ = [...wanted].filter(([key, value]) => {
      const before = this.#written.get(key);
      return before === undefined || Buffer.compare(before, value) !== 0;
    });
    const writes = [
      ...gone.map((key): Write => ({ type: 'delete', key })),
      ...differ.map(([key, value]): Write => ({ type: 'put', key, value, lease: lease.id })),
    ];
    for (const some of batchesOf(writes)) {
      await store.commit([], some);
      for (const one of some) {
        if (one.type === 'delete') this.#written.delete(one.key);
        else this.#written.set(one.key, one.value);
      }
    }
    if (this.#written.size > 0) return;
    this.#lease = undefined;
    await lease.revoke();
  }

  async #hold(): Promise<Lease> {
    const { store, clock } = this.#options;
    let lease = this.#lease;
    if (lease === undefined || lease.ended.aborted) {
      this.#written.clear(); // it went with the lease
      lease = await store.lease(leaseMs);
      this.#lease = lease;
    } else if (clock.steadyMs() - this.#renewedMs >= renewMs) {
      await lease.renew();
    } else {
      return lease;
    }
    this.#renewedMs = clock.steadyMs();
    return lease;
  }
}
