// What the store says of the cluster, kept as it changes: nodes, volumes, and who is up. Whoever wants to
// know is told when all of it was read, and then soon after each change. A record that cannot be read is as
// if it had not changed, and goes to the log: one damaged record takes no volume off a node.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { factsPrefix, nodesPrefix, volumesPrefix } from '../cluster/model/keys.js';
import type { NodeRecord } from '../cluster/model/node.js';
import { decodeNode } from '../cluster/model/node-record.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { decodeVolume } from '../cluster/model/volume-record.js';
import type { Store, Versioned } from '../store/types.js';
import { RecordWatch } from './record-watch.js';
import type { ClusterRecords } from './wanted.js';

export interface ClusterViewOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly onChange: (records: ClusterRecords) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const clusterPrefix = 'cluster/';
/** What changes together is told together. */
export const gatherMs = 10;

export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #watch: RecordWatch;
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #volumes = new Map<string, VolumeRecord>();
  readonly #up = new Set<string>();
  #listed = false;
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
        this.#changed();
      },
    });
  }

  start(): void {
    this.#watch.start();
  }

  async close(): Promise<void> {
    this.#forget?.();
    await this.#watch.close();
  }

  #put({ key, value }: Versioned): void {
    try {
      if (key.startsWith(nodesPrefix)) {
        const node = decodeNode(key, value);
        this.#nodes.set(node.id, node);
      } else if (key.startsWith(volumesPrefix)) {
        const volume = decodeVolume(key, value);
        this.#volumes.set(volume.name, volume);
      } else if (key.startsWith(factsPrefix)) {
        const node = key.slice(factsPrefix.length);
        if (this.#up.has(node)) return; // what it says of itself is for others
        this.#up.add(node);
      } else {
        return;
      }
    } catch (err) {
      this.#options.log.error({ room: 'agent', err }, `${key} in the store cannot be read`);
      return;
    }
    this.#changed();
  }

  #delete(key: string): void {
    if (key.startsWith(nodesPrefix)) this.#nodes.delete(key.slice(nodesPrefix.length));
    if (key.startsWith(volumesPrefix)) this.#volumes.delete(key.slice(volumesPrefix.length));
    if (key.startsWith(factsPrefix)) this.#up.delete(key.slice(factsPrefix.length));
    this.#changed();
  }

  #changed(): void {
    if (!this.#listed || this.#forget !== undefined) return;
    this.#forget = this.#options.clock.after(gatherMs, () => {
      this.#forget = undefined;
      const [nodes, volumes, up] = [new Map(this.#nodes), [...this.#volumes.values()], new Set(this.#up)];
      this.#options.onChange({ nodes, volumes, up });
    });
  }
}
