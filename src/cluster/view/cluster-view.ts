// What the store says of the cluster, kept as it changes: nodes, what they say of themselves, volumes.
// Whoever wants to know is told when all of it was read, and then soon after each change. A record that
// cannot be read is as if it had not changed, and goes to the log: one damaged record takes no volume off a
// node.
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { RecordWatch } from '../../store/record-watch.js';
import type { Store, Versioned } from '../../store/types.js';
import { decodeFacts, type NodeFacts } from '../model/facts.js';
import { factsPrefix, nodesPrefix, volumesPrefix } from '../model/keys.js';
import type { NodeRecord } from '../model/node.js';
import { decodeNode } from '../model/node-record.js';
import type { VolumeRecord } from '../model/volume.js';
import { decodeVolume } from '../model/volume-record.js';

/** A record as it was when it was read. */
export interface Stored<T> {
  readonly record: T;
  /** Of the store, for a compare-and-swap. */
  readonly revision: bigint;
}

export interface ClusterViewOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  /** `isNews`: a node, a volume, or which nodes are up; false: only what nodes say of themselves. */
  readonly onChange: (view: ClusterView, isNews: boolean) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const clusterPrefix = 'cluster/';
/** What changes together is told together. */
export const gatherMs = 10;

export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #watch: RecordWatch;
  readonly #nodes = new Map<string, Stored<NodeRecord>>();
  readonly #volumes = new Map<string, Stored<VolumeRecord>>();
  readonly #facts = new Map<string, NodeFacts>();
  #listed = false;
  #isNews = false;
  #forget: (() => void) | undefined;

  constructor(options: ClusterViewOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.#watch = new RecordWatch({
      ...{ store, clock, log, prefix: clusterPrefix },
      onPut: (put) => this.#put(put),
      onDelete: (key) => this.#delete(key),
      onListed: () => {
        this.#listed = true;
        this.#changed(true);
      },
    });
  }

  /** By UUID. */
  get nodes(): ReadonlyMap<string, Stored<NodeRecord>> {
    return this.#nodes;
  }

  /** By name. */
  get volumes(): ReadonlyMap<string, Stored<VolumeRecord>> {
    return this.#volumes;
  }

  /** Of the nodes that are up, by UUID. */
  get facts(): ReadonlyMap<string, NodeFacts> {
    return this.#facts;
  }

  start(): void {
    this.#watch.start();
  }

  async close(): Promise<void> {
    this.#forget?.();
    await this.#watch.close();
  }

  #put({ key, value, revision }: Versioned): void {
    try {
      if (key.startsWith(nodesPrefix)) {
        const record = decodeNode(key, value);
        this.#nodes.set(record.id, { record, revision });
      } else if (key.startsWith(volumesPrefix)) {
        const record = decodeVolume(key, value);
        this.#volumes.set(record.name, { record, revision });
      } else if (key.startsWith(factsPrefix)) {
        this.#putFacts(key, value);
        return;
      } else {
        return;
      }
    } catch (err) {
      this.#unreadable(key, err);
      return;
    }
    this.#changed(true);
  }

  #putFacts(key: string, value: Uint8Array): void {
    const node = key.slice(factsPrefix.length);
    const wasUp = this.#facts.has(node);
    this.#facts.set(node, decodeFacts(key, value));
    this.#changed(!wasUp);
  }

  #delete(key: string): void {
    if (key.startsWith(nodesPrefix)) this.#nodes.delete(key.slice(nodesPrefix.length));
    else if (key.startsWith(volumesPrefix)) this.#volumes.delete(key.slice(volumesPrefix.length));
    else if (key.startsWith(factsPrefix)) this.#facts.delete(key.slice(factsPrefix.length));
    else return;
    this.#changed(true);
  }

  #unreadable(key: string, err: unknown): void {
    this.#options.log.error({ room: 'cluster', err }, `${key} in the store cannot be read`);
  }

  #changed(isNews: boolean): void {
    this.#isNews ||= isNews;
    if (!this.#listed || this.#forget !== undefined) return;
    this.#forget = this.#options.clock.after(gatherMs, () => {
      this.#forget = undefined;
      const news = this.#isNews;
      this.#isNews = false;
      this.#options.onChange(this, news);
    });
  }
}
