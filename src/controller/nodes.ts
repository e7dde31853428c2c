// The nodes of a cluster, as they are asked for: looked at, cordoned, drained, evacuated, taken out. A
// request writes what is wanted; the leading controller and the agents make it so.
import { NodeNotFoundError, NodeStateError } from '../base/cluster-errors.js';
import { StoreUnavailableError } from '../base/control-errors.js';
import type { NodeAction } from '../base/node-actions.js';
import { nodeKey, volumesPrefix } from '../cluster/model/keys.js';
import {
  cordonNode,
  decommissionNode,
  drainNode,
  evacuateNode,
  labelNode,
  type NodeRecord,
  type NodeUse,
  uncordonNode,
} from '../cluster/model/node.js';
import { decodeNode, encodeNode } from '../cluster/model/node-record.js';
import { leavingOf } from '../cluster/model/volume.js';
import { decodeVolume } from '../cluster/model/volume-record.js';
import type { Labels } from '../cluster/model/words.js';
import type { Store } from '../store/types.js';
import type { ClusterSnapshot, ClusterState } from './cluster-state.js';
import type { Events } from './events.js';
import { failIfRefused } from './refused-store.js';
import type { ClusterNodeView } from './types.js';
import { nodeView } from './views.js';

export interface NodesOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'commit'>;
  readonly state: ClusterState;
  readonly events: Events;
}

const attemptsMax = 8;

export class Nodes {
  readonly #options: NodesOptions;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** Fails while the store has not been read yet: STORE_UNAVAILABLE. */
  snapshot(): ClusterSnapshot {
    const { snapshot } = this.#options.state;
    if (snapshot === undefined) throw new StoreUnavailableError('read the cluster', 'it was not read yet');
    return snapshot;
  }

  list(): readonly ClusterNodeView[] {
    const snapshot = this.snapshot();
    return [...snapshot.nodes.values()]
      .map(({ record }) => nodeView(record, snapshot))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  get(name: string): ClusterNodeView {
    return nodeView(this.find(name), this.snapshot());
  }

  /** By name or UUID; of a name that is twice the one that is not decommissioned. */
  find(name: string): NodeRecord {
    const all = [...this.snapshot().nodes.values()].map(({ record }) => record);
    const named = all.filter((node) => node.name === name || node.id === name.toLowerCase());
    const found = named.find(({ state }) => state !== 'decommissioned') ?? named[0];
    if (found === undefined) throw new NodeNotFoundError(name);
    return found;
  }

  async act(name: string, action: NodeAction): Promise<ClusterNodeView> {
    const { events } = this.#options;
    const node = await this.#change(name, async (record) => {
      if (action !== 'decommission') return changes[action](record);
      return decommissionNode(record, await this.#useOf(record));
    });
    const text = `it is ${node.state}`;
    events.tell({ level: 'info', subject: 'node', name: node.name, reason: 'NodeChanged', text });
    return nodeView(node, this.snapshot());
  }

  async label(name: string, labels: Labels, zone: string | undefined): Promise<ClusterNodeView> {
    return nodeView(await this.#change(name, (record) => labelNode(record, labels, zone)), this.snapshot());
  }

  /**
   * As the store has it after the record of the node was read: nothing comes to a node that is evacuating. Of
   * one that is away nobody waits for data to be deleted.
   */
  async #useOf(node: NodeRecord): Promise<NodeUse> {
    const { entries } = await this.#options.store.list(volumesPrefix);
    const volumes = entries.map(({ key, value }) => decodeVolume(key, value));
    const isUp = this.snapshot().facts.has(node.id);
    const kept = volumes.flatMap((volume) => {
      if (isUp) return [...volume.replicas, ...leavingOf(volume)];
      return volume.state === 'deleting' ? [] : volume.replicas;
    });
    return {
      replicasCount: kept.filter((replica) => replica.node === node.id).length,
      headsCount: volumes.filter(({ head }) => head === node.id).length,
    };
  }

  async #change(
    name: string,
    change: (node: NodeRecord) => NodeRecord | Promise<NodeRecord>,
  ): Promise<NodeRecord> {
    const { store } = this.#options;
    failIfRefused(this.snapshot());
    const key = nodeKey(this.find(name).id);
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const found = await store.get(key);
      if (found === undefined) throw new NodeNotFoundError(name);
      const node = decodeNode(key, found.value);
      const next = await change(node);
      if (next === node) return node;
      const compare = [{ key, revision: found.revision }];
      const { ok } = await store.commit(compare, [{ type: 'put', key, value: encodeNode(next) }]);
      if (ok) return next;
    }
    throw new NodeStateError(name, 'is being changed by others all the time; try again');
  }
}

const changes = {
  cordon: cordonNode,
  uncordon: uncordonNode,
  drain: drainNode,
  evacuate: evacuateNode,
} as const;
