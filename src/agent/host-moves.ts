// Asks for the head of a volume where its hosts reach this node and not the one that has it (host-paths.ts
// says when). Asked for as a person would: by the volume's record, whose head then ends in order, and this
// node goes on. The controller need not be there; it finds another wish than its own, and keeps to it.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { lostHostsPrefix, volumeKey } from '../cluster/model/keys.js';
import { decodeHostsOfHead, type HostsOfHead, type LostHostFacts } from '../cluster/model/lost-hosts.js';
import { wantHead } from '../cluster/model/volume.js';
import { decodeVolume, encodeVolume } from '../cluster/model/volume-record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import type { MirrorRecord } from '../native/mirror-types.js';
import type { ConnectedHost } from '../native/types.js';
import { RecordWatch } from '../store/record-watch.js';
import type { Store, Versioned } from '../store/types.js';
import { holdMs, hostToFollow } from './host-paths.js';
import { lateLookMs as lostHostsLateLookMs } from './lost-hosts.js';
import type { AgentEngine } from './types.js';

/** A volume that is standby here, with a replica in sync. */
export interface StandbyVolume {
  readonly uuid: string;
  readonly nqn: string;
  readonly record: MirrorRecord;
  /** Since when its epoch is the one of the record, as far as this node knows, by the steady clock. */
  readonly recordSinceMs: number;
}

export interface HostMovesOptions {
  readonly engine: Pick<AgentEngine, 'connectedHosts'>;
  readonly store: Pick<Store, 'list' | 'watch' | 'get' | 'commit'>;
  /** UUID of this one. */
  readonly node: string;
  /** By its name; undefined: it is none. */
  readonly standby: (volume: string) => StandbyVolume | undefined;
  /** This node may have heads, and knows of nothing against it. */
  readonly mayHaveHeads: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between two looks at who is heard here: soon after something was told, and later. */
export const lookMs = 100;
export const lateLookMs = 2_000;
const soonMs = 20_000;
/**
 * A host that was gone everywhere comes back to one node before the others. Longer than the head's node may
 * take to say that it is back there, too.
 */
export const backMs = lostHostsLateLookMs + 1_000;

interface Told {
  readonly node: string;
  readonly volume: string;
  readonly hosts: HostsOfHead;
  /** Since when a host is said to be lost, by its NQN. */
  readonly sinceMs: ReadonlyMap<string, number>;
  /** When it was looked for here last and not found, by its NQN. */
  readonly absentMs: Map<string, number>;
}

export class HostMoves {
  readonly #options: HostMovesOptions;
  readonly #watch: RecordWatch;
  /** By key. */
  readonly #told = new Map<string, Told>();
  /** By name of a volume: in which epoch its head was asked for. Again only in another one. */
  readonly #asked = new Map<string, bigint>();
  #newestMs = 0;
  #working: Promise<void> | undefined;
  #forget = () => {};
  #closed = false;

  constructor(options: HostMovesOptions) {
    this.#options = options;
    const { store, clock, log } = options;
    this.#watch = new RecordWatch({
      ...{ store, clock, log, prefix: lostHostsPrefix },
      onPut: (put) => this.#put(put),
      onDelete: (key) => this.#delete(key),
    });
  }

  start(): void {
    this.#watch.start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    await this.#watch.close();
    await this.#working;
  }

  #put({ key, value }: Versioned): void {
    const [node = '', volume = ''] = key.slice(lostHostsPrefix.length).split('/', 2);
    if (node === this.#options.node.toLowerCase()) return;
    try {
      const hosts = decodeHostsOfHead(key, value);
      const nowMs = this.#options.clock.steadyMs();
      const before = this.#told.get(key);
      const sinceMs = hosts.lost.map((lost) => {
        const known = before?.hosts.lost.some((one) => isSame(one, lost)) === true;
        return [lost.nqn, (known ? before?.sinceMs.get(lost.nqn) : undefined) ?? nowMs] as const;
      });
      const absentMs = before?.absentMs ?? new Map();
      this.#told.set(key, { node, volume, hosts, sinceMs: new Map(sinceMs), absentMs });
      this.#newestMs = nowMs;
      this.#turn();
    } catch (err) {
      this.#told.delete(key);
      this.#options.log.warn({ room: 'agent', err }, `${key} in the store cannot be read`);
    }
  }

  #delete(key: string): void {
    const told = this.#told.get(key);
    this.#told.delete(key);
    if (told !== undefined) this.#asked.delete(told.volume);
  }

  #turn(): void {
    if (this.#closed || this.#working !== undefined) return;
    this.#forget();
    if (this.#told.size === 0) return;
    this.#working = this.#look().finally(() => {
      this.#working = undefined;
      const { clock } = this.#options;
      const isSoon = clock.steadyMs() - this.#newestMs < soonMs;
      if (!this.#closed) this.#forget = clock.after(isSoon ? lookMs : lateLookMs, () => this.#turn());
    });
  }

  /** Never fails. */
  async #look(): Promise<void> {
    for (const told of [...this.#told.values()]) {
      try {
        const standby = this.#standbyOf(told);
        if (standby === undefined) continue;
        const lost = await this.#hostToFollow(told, standby);
        if (lost !== undefined && !this.#closed) await this.#askForHead(told, standby, lost);
      } catch (err) {
        const text = `volume '${told.volume}': its head cannot be asked for now; tried again`;
        this.#options.log.debug({ room: 'agent', volume: told.volume, err }, text);
      }
    }
  }

  /** Undefined: nothing that was told is about what is here now, or it is too soon. */
  #standbyOf({ node, volume, hosts }: Told): StandbyVolume | undefined {
    const { standby, mayHaveHeads, clock } = this.#options;
    const here = standby(volume);
    if (here === undefined || this.#asked.get(volume) === hosts.epoch || !mayHaveHeads()) return undefined;
    const { epoch, head, headStopped } = here.record;
    if (epoch !== hosts.epoch || head.toLowerCase() !== node || headStopped) return undefined;
    return clock.steadyMs() >= here.recordSinceMs + holdMs ? here : undefined;
  }

  async #hostToFollow({ hosts: there, sinceMs, absentMs }: Told, { nqn }: StandbyVolume) {
    const { engine, clock } = this.#options;
    const here = await engine.connectedHosts(nqn);
    const nowMs = clock.steadyMs();
    for (const lost of there.lost) {
      const isHere = here.some((host) => host.nqn === lost.nqn && !host.ending);
      if (!isHere) absentMs.set(lost.nqn, nowMs);
    }
    const isBackJustNow = (host: ConnectedHost) =>
      nowMs < (absentMs.get(host.nqn) ?? Number.NEGATIVE_INFINITY) + backMs;
    const knownMs = (lost: LostHostFacts) => nowMs - (sinceMs.get(lost.nqn) ?? nowMs);
    return hostToFollow({ there, knownMs, here: here.filter((host) => !isBackJustNow(host)) });
  }

  async #askForHead(
    { volume: name, node: from, hosts: { epoch } }: Told,
    { uuid, record }: StandbyVolume,
    lost: LostHostFacts,
  ): Promise<void> {
    const { store, node, log } = this.#options;
    const key = volumeKey(name);
    const found = await store.get(key);
    if (found === undefined) return;
    const volume = decodeVolume(key, found.value);
    const isOrdered = volume.head !== undefined && volume.head.toLowerCase() !== from;
    if (volume.uuid !== uuid || volume.state !== 'ready' || isOrdered) return;
    const { ok } = await store.commit(
      [
        { key, revision: found.revision },
        { key: mirrorsPrefix + name, revision: record.revision },
      ],
      [{ type: 'put', key, value: encodeVolume(wantHead(volume, node)) }],
    );
    if (!ok) return; // decided anew by what there is then
    this.#asked.set(name, epoch);
    const why = `host ${lost.nqn} reaches this node and not its head`;
    log.info({ room: 'agent', volume: name }, `volume '${name}': ${why}, which is to come here`);
  }
}

function isSame(one: LostHostFacts, other: LostHostFacts): boolean {
  return one.nqn === other.nqn && one.silentMs === other.silentMs && one.keepAliveMs === other.keepAliveMs;
}
