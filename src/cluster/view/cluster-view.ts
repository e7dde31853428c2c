// What the store says of the cluster, kept as it changes: nodes, what they say of themselves, volumes.
// Whoever wants to know is told when all of it was read, and then soon after each change. A record that
// cannot be read is as if it had not changed, and goes to the log: one damaged record takes no volume off a
// node.
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { RecordWatch } from '../../store/record-watch.js';
import type { Store, Versioned } from '../../store/types.js';
import { decodeFacts, type NodeFacts } from '../model/facts.js';
import { factsPrefix, inquiryKey, nodesPrefix, refusalsPrefix, volumesPrefix } from '../model/keys.js';
import type { NodeRecord } from '../model/node.js';
import { decodeNode } from '../model/node-record.js';
import { decodeRefusal, type Refusal } from '../model/refusal.js';
import type { VolumeRecord } from '../model/volume.js';
import { decodeVolume } from '../model/volume-record.js';

/** A record as it was when it was read. */
export interface Stored<T> {
  readonly record: T;
  /** Of the store, for a compare-and-swap. */
  readonly revision: bigint;
}

/** What may be something else than when it was told last. */
export interface ViewChange {
  /** A node, which nodes are up, or who refuses the store, whether somebody inquires. */
  readonly nodes: boolean;
  /** What nodes that stayed up say of themselves. */
  readonly facts: boolean;
  /** Names. */
  readonly volumes: ReadonlySet<string>;
}

export interface ClusterViewOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly onChange: (view: ClusterView, change: ViewChange) => void;
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
  readonly #refusals = new Map<string, Refusal>();
  #isInquired = false;
  #listed = false;
  #change = nothing();
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
        this.#change.nodes = true;
        this.#changed();
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

  /** By UUID of who refuses this store: while there is one nothing is decided by it. */
  get refusals(): ReadonlyMap<string, Refusal> {
    return this.#refusals;
  }

  /** Somebody wants to know what nodes have on their disks. */
  get isInquired(): boolean {
    return this.#isInquired;
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
        this.#change.nodes = true;
      } else if (key.startsWith(volumesPrefix)) {
        const record = decodeVolume(key, value);
        this.#volumes.set(record.name, { record, revision });
        this.#change.volumes.add(record.name);
      } else if (key.startsWith(refusalsPrefix)) {
        this.#refusals.set(key.slice(refusalsPrefix.length), decodeRefusal(key, value));
        this.#change.nodes = true;
      } else if (key === inquiryKey) {
        this.#isInquired = true;
        this.#change.nodes = true;
      } else if (key.startsWith(factsPrefix)) {
        this.#putFacts(key, value);
      } else {
        return;
      }
    } catch (err) {
      this.#unreadable(key, err);
      return;
    }
    this.#changed();
  }

  #putFacts(key: string, value: Uint8Array): void {
    const node = key.slice(factsPrefix.length);
    const facts = decodeFacts(key, value);
    if (this.#facts.has(node)) this.#change.facts = true;
    else this.#change.nodes = true;
    this.#facts.set(node, facts);
  }

  #delete(key: string): void {
    if (key.startsWith(volumesPrefix)) {
      const name = key.slice(volumesPrefix.length);
      this.#volumes.delete(name);
      this.#change.volumes.add(name);
    } else if (key.startsWith(nodesPrefix)) {
      this.#nodes.delete(key.slice(nodesPrefix.length));
      this.#change.nodes = true;
    } else if (key.startsWith(factsPrefix)) {
      this.#facts.delete(key.slice(factsPrefix.length));
      this.#change.nodes = true;
    } else if (key === inquiryKey) {
      this.#isInquired = false;
      this.#change.nodes = true;
    } else if (key.startsWith(refusalsPrefix)) {
      this.#refusals.delete(key.slice(refusalsPrefix.length));
      this.#change.nodes = true;
    } else {
      return;
    }
    this.#changed();
  }

  #unreadable(key: string, err: unknown): void {
    this.#options.log.error({ room: 'cluster', err }, `${key} in the store cannot be read`);
  }

  #changed(): void {
    if (!this.#listed || this.#forget !== undefined) return;
    this.#forget = this.#options.clock.after(gatherMs, () => {
      this.#forget = undefined;
      const change = this.#change;
      this.#change = nothing();
      this.#options.onChange(this, change);
    });
  }
}

function nothing(): { nodes: boolean; facts: boolean; volumes: Set<string> } {
  return { nodes: false, facts: false, volumes: new Set() };
}
