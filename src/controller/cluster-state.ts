// All that the store says of a cluster, as it changes: nodes, what they say of themselves, volumes, and the
// mirror records, by which members and heads are known; and since when a node says nothing. One for each
// controller, whether it leads or not: what is asked of it is answered from here. What belongs together is
// read by several watches, so one of two records may be seen a little before the other.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { decodeVolumeFacts, type NodeFacts, type NodeVolumeFacts } from '../cluster/model/facts.js';
import { volumeFactsPrefix } from '../cluster/model/keys.js';
import type { NodeRecord } from '../cluster/model/node.js';
import type { Refusal } from '../cluster/model/refusal.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { ClusterView, type Stored } from '../cluster/view/cluster-view.js';
import { decodeMirror, type StoredMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import { decodeSnapshot, type NamedSnapshot, placeOf, snapshotsPrefix } from '../mirrors/snapshot-records.js';
import { RecordWatch } from '../store/record-watch.js';
import type { Store, Versioned } from '../store/types.js';

/** Plain data, for what decides. */
export interface ClusterSnapshot {
  /** By UUID. */
  readonly nodes: ReadonlyMap<string, Stored<NodeRecord>>;
  /** By UUID, of those that are up. */
  readonly facts: ReadonlyMap<string, NodeFacts>;
  /** By UUID of the node, and name of the volume; see saidOf. */
  readonly volumeFacts: ReadonlyMap<string, ReadonlyMap<string, NodeVolumeFacts>>;
  /** By name. */
  readonly volumes: ReadonlyMap<string, Stored<VolumeRecord>>;
  /** By name of the volume. */
  readonly mirrors: ReadonlyMap<string, StoredMirror>;
  /** By name of the volume, and their own. */
  readonly snapshots: ReadonlyMap<string, ReadonlyMap<string, NamedSnapshot>>;
  /** By UUID, of nodes that are not up: since when, by the steady clock, as far as this controller knows. */
  readonly lostSinceMs: ReadonlyMap<string, number>;
  /** By UUID of who refuses this store; not empty: nothing is decided by it. */
  readonly refusals: ReadonlyMap<string, Refusal>;
}

/** What a node that is up says of a volume. */
export function saidOf(
  { facts, volumeFacts }: Pick<ClusterSnapshot, 'facts' | 'volumeFacts'>,
  node: string,
  volume: string,
): NodeVolumeFacts | undefined {
  return facts.has(node) ? volumeFacts.get(node)?.get(volume) : undefined;
}

/**
 * What may be something else now: all that is known of one volume; nodes, and so all volumes; or only what
 * nodes that are up say of themselves, as how much room they have.
 */
export type ClusterChange = { readonly volume: string } | 'nodes' | 'facts';

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
  readonly #snapshotsWatch: RecordWatch;
  readonly #snapshots = new Map<string, Map<string, NamedSnapshot>>();
  readonly #factsWatch: RecordWatch;
  readonly #volumeFacts = new Map<string, Map<string, NodeVolumeFacts>>();
  readonly #lostSinceMs = new Map<string, number>();
  readonly #listeners = new Set<(change: ClusterChange) => void>();
  #hasView = false;
  #hasMirrors = false;
  #hasSnapshots = false;
  #hasFacts = false;

  constructor(options: ClusterStateOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.#view = new ClusterView({
      ...{ store, clock, log },
      onChange: (_view, { nodes, facts, volumes }) => {
        this.#hasView = true;
        if (nodes) this.#noteLost();
        if (nodes) this.#changed('nodes');
        else if (facts) this.#changed('facts');
        for (const volume of nodes ? [] : volumes) this.#changed({ volume });
      },
    });
    this.#mirrorsWatch = new RecordWatch({
      ...{ store, clock, log, prefix: mirrorsPrefix },
      onPut: (put) => this.#putMirror(put),
      onDelete: (key) => {
        const volume = key.slice(mirrorsPrefix.length);
        this.#mirrors.delete(volume);
        this.#changed({ volume });
      },
      onListed: () => {
        this.#hasMirrors = true;
        this.#changed('nodes');
      },
    });
    this.#snapshotsWatch = new RecordWatch({
      ...{ store, clock, log, prefix: snapshotsPrefix },
      onPut: (put) => this.#putSnapshot(put),
      onDelete: (key) => this.#forgetSnapshot(key),
      onListed: () => {
        this.#hasSnapshots = true;
        this.#changed('nodes');
      },
    });
    this.#factsWatch = new RecordWatch({
      ...{ store, clock, log, prefix: volumeFactsPrefix },
      onPut: (put) => this.#putVolumeFacts(put),
      onDelete: (key) => {
        const { node, volume } = placeIn(key);
        this.#volumeFacts.get(node)?.delete(volume);
        this.#changed({ volume });
      },
      onListed: () => {
        this.#hasFacts = true;
        this.#changed('nodes');
      },
    });
  }

  start(): void {
    this.#view.start();
    this.#mirrorsWatch.start();
    this.#snapshotsWatch.start();
    this.#factsWatch.start();
  }

  /** Undefined: not all has been read yet. It changes as the store does: not to be kept over an await. */
  get snapshot(): ClusterSnapshot | undefined {
    if (!this.#hasAll) return undefined;
    const { nodes, facts, volumes, refusals } = this.#view;
    return {
      ...{ nodes, facts, volumes, refusals, mirrors: this.#mirrors, snapshots: this.#snapshots },
      ...{ volumeFacts: this.#volumeFacts, lostSinceMs: this.#lostSinceMs },
    };
  }

  get #hasAll(): boolean {
    return this.#hasView && this.#hasMirrors && this.#hasSnapshots && this.#hasFacts;
  }

  /** Calls back after changes, and when all has been read; returns what ends that. */
  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    const watches = [this.#mirrorsWatch, this.#snapshotsWatch, this.#factsWatch];
    await Promise.all([this.#view, ...watches].map((one) => one.close()));
  }

  #putMirror({ key, value, revision }: Versioned): void {
    const name = key.slice(mirrorsPrefix.length);
    try {
      this.#mirrors.set(name, decodeMirror(name, value, revision));
    } catch (err) {
      this.#options.log.error({ room: 'controller', volume: name, err }, `${key} cannot be read`);
      return;
    }
    this.#changed({ volume: name });
  }

  #putSnapshot(put: Versioned): void {
    const { volume, name } = placeOf(put.key);
    try {
      const known = this.#snapshots.get(volume) ?? new Map<string, NamedSnapshot>();
      this.#snapshots.set(volume, known.set(name, decodeSnapshot(put)));
    } catch (err) {
      this.#options.log.error({ room: 'controller', volume, err }, `${put.key} cannot be read`);
      return;
    }
    this.#changed({ volume });
  }

  #forgetSnapshot(key: string): void {
    const { volume, name } = placeOf(key);
    const known = this.#snapshots.get(volume);
    known?.delete(name);
    if (known?.size === 0) this.#snapshots.delete(volume);
    this.#changed({ volume });
  }

  #putVolumeFacts({ key, value }: Versioned): void {
    const { node, volume } = placeIn(key);
    try {
      const facts = decodeVolumeFacts(key, value);
      const known = this.#volumeFacts.get(node);
      if (known === undefined) this.#volumeFacts.set(node, new Map([[volume, facts]]));
      else known.set(volume, facts);
    } catch (err) {
      this.#options.log.error({ room: 'controller', volume, err }, `${key} cannot be read`);
      return;
    }
    this.#changed({ volume });
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

  #changed(change: ClusterChange): void {
    if (!this.#hasAll) return;
    for (const listener of this.#listeners) listener(change);
  }
}

/** Of the key of what a node says of a volume. */
function placeIn(key: string): { readonly node: string; readonly volume: string } {
  const [node = '', volume = ''] = key.slice(volumeFactsPrefix.length).split('/', 2);
  return { node, volume };
}
