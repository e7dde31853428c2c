// All that the store says of a cluster, as it changes: nodes, what they say of themselves, volumes, and the
// mirror records, by which members and heads are known; and since when a node says nothing. One for each
// controller, whether it leads or not: what is asked of it is answered from here.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { NodeFacts } from '../cluster/model/facts.js';
import type { NodeRecord } from '../cluster/model/node.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { ClusterView, type Stored } from '../cluster/view/cluster-view.js';
import { decodeMirror, type StoredMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import { RecordWatch } from '../store/record-watch.js';
import type { Store, Versioned } from '../store/types.js';

/** Plain data, for what decides. */
export interface ClusterSnapshot {
  /** By UUID. */
  readonly nodes: ReadonlyMap<string, Stored<NodeRecord>>;
  /** By UUID, of those that are up. */
  readonly facts: ReadonlyMap<string, NodeFacts>;
  /** By name. */
  readonly volumes: ReadonlyMap<string, Stored<VolumeRecord>>;
  /** By name of the volume. */
  readonly mirrors: ReadonlyMap<string, StoredMirror>;
  /** By UUID, of nodes that are not up: since when, by the steady clock, as far as this controller knows. */
  readonly lostSinceMs: ReadonlyMap<string, number>;
}

export interface ClusterStateOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class ClusterState {
  readonly #options: ClusterStateOptions;
  readonly #view: ClusterView;
  readonly #mirrorsWatch: RecordWatch;
  readonly #mirrors = new Map<string, StoredMirror>();
  readonly #lostSinceMs = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #hasView = false;
  #hasMirrors = false;

  constructor(options: ClusterStateOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.#view = new ClusterView({
      ...{ store, clock, log },
      onChange: () => {
        this.#hasView = true;
        this.#noteLost();
        this.#changed();
      },
    });
    this.#mirrorsWatch = new RecordWatch({
      ...{ store, clock, log, prefix: mirrorsPrefix },
      onPut: (put) => this.#putMirror(put),
      onDelete: (key) => {
        this.#mirrors.delete(key.slice(mirrorsPrefix.length));
        this.#changed();
      },
      onListed: () => {
        this.#hasMirrors = true;
        this.#changed();
      },
    });
  }

  start(): void {
    this.#view.start();
    this.#mirrorsWatch.start();
  }

  /** Undefined: not all has been read yet. It changes as the store does: not to be kept over an await. */
  get snapshot(): ClusterSnapshot | undefined {
    if (!this.#hasView || !this.#hasMirrors) return undefined;
    const { nodes, facts, volumes } = this.#view;
    return { nodes, facts, volumes, mirrors: this.#mirrors, lostSinceMs: this.#lostSinceMs };
  }

  /** Calls back after changes, and when all has been read; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await Promise.all([this.#view.close(), this.#mirrorsWatch.close()]);
  }

  #putMirror({ key, value, revision }: Versioned): void {
    const name = key.slice(mirrorsPrefix.length);
    try {
      this.#mirrors.set(name, decodeMirror(name, value, revision));
    } catch (err) {
      this.#options.log.error({ room: 'controller', volume: name, err }, `${key} cannot be read`);
      return;
    }
    this.#changed();
  }

  #noteLost(): void {
    const { nodes, facts } = this.#view;
    const nowMs = this.#options.clock.steadyMs();
    for (const id of this.#lostSinceMs.keys()) {
      if (!nodes.has(id) || facts.has(id)) this.#lostSinceMs.delete(id);
    }
    for (const id of nodes.keys()) {
      if (!facts.has(id) && !this.#lostSinceMs.has(id)) this.#lostSinceMs.set(id, nowMs);
    }
  }

  #changed(): void {
    if (!this.#hasView || !this.#hasMirrors) return;
    for (const listener of this.#listeners) listener();
  }
}
