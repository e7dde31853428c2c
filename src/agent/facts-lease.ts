// What a node says is so, in the store under its lease: as long as it is there the node counts as up. Written
// when it has changed, and again under a new lease when the old one ended, as after an outage of the store.
// Each volume has a record of its own; only what differs from what was written last is written.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import {
  encodeFacts,
  encodeVolumeFacts,
  type NodeFacts,
  type NodeVolumeFacts,
} from '../cluster/model/facts.js';
import { factsKey, volumeFactsKey, volumeFactsPrefixOf } from '../cluster/model/keys.js';
import { batchesOf } from '../store/batches.js';
import type { Lease, Store, Write } from '../store/types.js';

export interface FactsLeaseOptions {
  readonly store: Pick<Store, 'lease' | 'commit' | 'list'>;
  /** UUID */
  readonly node: string;
  readonly read: () => Promise<NodeFacts>;
  /** By name; of those of these names that are here, or of all that are. */
  readonly readVolumes: (names?: Iterable<string>) => Promise<ReadonlyMap<string, NodeVolumeFacts>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** After which a node that says nothing counts as lost. */
export const factsTtlMs = 6_000;
/** It is renewed so many times in its time. */
const renewalsCount = 4;
/** Between one look at all that is so and the next. */
export const factsPeriodMs = 1_000;
/** What changes together is written together. */
export const factsGatherMs = 50;

export class FactsLease {
  readonly #options: FactsLeaseOptions;
  #lease: Lease | undefined;
  /** By key, under this lease. */
  readonly #written = new Map<string, Uint8Array>();
  #working: Promise<void> = Promise.resolve();
  #forget = () => {};
  #forgetRenewal = () => {};
  #warned = false;
  /** Between two writes; not before the first. */
  #isIdle = false;
  /** Names of volumes of which something may have changed that others wait for. */
  readonly #poked = new Set<string>();
  /** When all is looked at, not only those, by the steady clock. */
  #allAtMs = 0;
  #closed = false;

  constructor(options: FactsLeaseOptions) {
    this.#options = options;
  }

  /** Resolves when the node counts as up, or that was tried. */
  start(): Promise<void> {
    this.#renewLater();
    return this.#turn();
  }

  /** The node counts as gone when it resolves, or a little later when the store is away. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    this.#forgetRenewal();
    await this.#working;
    await this.#lease?.revoke().catch(() => undefined);
  }

  /** Something may have changed of a volume that others wait for: they are told sooner. */
  changed(volume: string): void {
    this.#poked.add(volume);
    if (this.#poked.size === 1 && this.#isIdle) this.#wait();
  }

  #turn(): Promise<void> {
    this.#isIdle = false;
    this.#working = this.#write().then(() => {
      this.#isIdle = true;
      this.#wait();
    });
    return this.#working;
  }

  #wait(): void {
    this.#forget();
    if (this.#closed) return;
    const allInMs = Math.max(0, this.#allAtMs - this.#options.clock.steadyMs());
    const ms = this.#poked.size > 0 ? Math.min(factsGatherMs, allInMs) : allInMs;
    this.#forget = this.#options.clock.after(ms, () => void this.#turn());
  }

  /** Never fails. */
  async #write(): Promise<void> {
    const { clock, log } = this.#options;
    const poked = [...this.#poked];
    this.#poked.clear();
    let isAll = clock.steadyMs() >= this.#allAtMs;
    try {
      isAll = (await this.#hold()) || isAll;
      if (isAll) await this.#writeAll();
      else await this.#commit(this.#differing(await this.#volumesOf(poked)));
      this.#warned = false;
    } catch (err) {
      // What was poked is looked at with all, at the next look.
      if (!this.#warned) log.warn({ room: 'agent', err }, 'the store does not take what is so on this node');
      this.#warned = true;
    }
    if (isAll) this.#allAtMs = clock.steadyMs() + factsPeriodMs;
  }

  /** That of the node last: what is there then is what it says of its volumes in this run of it. */
  async #writeAll(): Promise<void> {
    const { node, read, readVolumes } = this.#options;
    const [facts, volumes] = await Promise.all([read(), readVolumes()]);
    const here = [...volumes].map(
      ([name, one]) => [volumeFactsKey(node, name), encodeVolumeFacts(one)] as const,
    );
    const all = new Map([...here, [factsKey(node), encodeFacts(facts)] as const]);
    const gone = [...this.#written.keys()].filter((key) => !all.has(key));
    await this.#commit([...gone.map((key) => [key, undefined] as const), ...this.#differing(all)]);
  }

  /** By key; undefined: it is not here any more. */
  async #volumesOf(names: readonly string[]): Promise<Map<string, Uint8Array | undefined>> {
    const { node, readVolumes } = this.#options;
    const said = await readVolumes(names);
    return new Map(
      names.map((name) => {
        const facts = said.get(name);
        return [volumeFactsKey(node, name), facts && encodeVolumeFacts(facts)] as const;
      }),
    );
  }

  #differing(
    records: ReadonlyMap<string, Uint8Array | undefined>,
  ): readonly (readonly [string, Uint8Array | undefined])[] {
    return [...records].filter(([key, value]) => {
      const written = this.#written.get(key);
      if (value === undefined || written === undefined) return value !== written;
      return Buffer.compare(written, value) !== 0;
    });
  }

  /** In their order. */
  async #commit(records: readonly (readonly [string, Uint8Array | undefined])[]): Promise<void> {
    const lease = this.#lease?.id ?? '';
    const writes = records.map(
      ([key, value]): Write =>
        value === undefined ? { type: 'delete', key } : { type: 'put', key, value, lease },
    );
    for (const some of batchesOf(writes)) {
      await this.#options.store.commit([], some);
      for (const one of some) {
        if (one.type === 'delete') this.#written.delete(one.key);
        else this.#written.set(one.key, one.value);
      }
    }
  }

  /** Beside the writes: of a node with many volumes one may take long, and it is up all the same. */
  #renewLater(): void {
    this.#forgetRenewal = this.#options.clock.after(factsTtlMs / renewalsCount, () => {
      const renewed = this.#lease?.renew().catch(() => undefined); // the next write finds out
      void Promise.resolve(renewed).then(() => {
        if (!this.#closed) this.#renewLater();
      });
    });
  }

  /** True: under a new lease, all has to be written. */
  async #hold(): Promise<boolean> {
    const lease = this.#lease;
    if (lease !== undefined && !lease.ended.aborted) return false;
    const { store, node } = this.#options;
    this.#written.clear(); // it went with the lease
    this.#lease = undefined;
    const next = await store.lease(factsTtlMs);
    // Of a run of this node that was killed a moment ago, whose lease has not ended yet: what is not here any
    // more is taken back, the rest written anew.
    const { entries } = await store.list(volumeFactsPrefixOf(node));
    for (const { key } of entries) this.#written.set(key, new Uint8Array());
    this.#lease = next;
    return true;
  }
}
