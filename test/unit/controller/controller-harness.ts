// A controller over a store in memory, and nodes that only say what a test lets them say. Time is virtual.
import { pino } from 'pino';
import {
  encodeFacts,
  encodeVolumeFacts,
  type NodeVolumeFacts,
  type PoolFacts,
} from '../../../src/cluster/model/facts.js';
import { factsKey, leaderKey, nodeKey, volumeFactsKey, volumeKey } from '../../../src/cluster/model/keys.js';
import type { NodeRecord } from '../../../src/cluster/model/node.js';
import { decodeNode, encodeNode } from '../../../src/cluster/model/node-record.js';
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import { decodeVolume, encodeVolume } from '../../../src/cluster/model/volume-record.js';
import { ClusterState } from '../../../src/controller/cluster-state.js';
import { Events } from '../../../src/controller/events.js';
import { Nodes } from '../../../src/controller/nodes.js';
import { Reconciler } from '../../../src/controller/reconciler.js';
import { ClusterVolumes } from '../../../src/controller/volumes.js';
import { MirrorRecords } from '../../../src/mirrors/records.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { SimClock } from '../../sim/control-plane/sim-clock.js';
import { good, id, nodeOf, poolOf, type Spec } from '../cluster/placement-cluster.js';

export const replaceAfterMs = 60_000;

export class ControllerHarness {
  readonly clock = new SimClock();
  readonly memory = openMemoryStore(this.clock);
  /** Called before each commit of the controller; what it throws is its answer. */
  beforeCommit: () => Promise<void> = async () => {};
  readonly store: Store = {
    get: (key) => this.memory.get(key),
    list: (prefix) => this.memory.list(prefix),
    watch: (prefix, after, signal) => this.memory.watch(prefix, after, signal),
    lease: (ttlMs) => this.memory.lease(ttlMs),
    close: () => this.memory.close(),
    commit: async (compare, write) => {
      await this.beforeCommit();
      return this.memory.commit(compare, write);
    },
  };
  readonly mirrors = new MirrorRecords(this.memory);
  readonly log = pino({ level: 'silent' });
  readonly #shared = { store: this.store, clock: this.clock, log: this.log };
  readonly state = new ClusterState(this.#shared);
  readonly events = new Events(this.#shared);
  readonly nodes = new Nodes({ store: this.store, state: this.state, events: this.events });
  readonly volumes = new ClusterVolumes({
    ...this.#shared,
    ...{ state: this.state, nodes: this.nodes, replaceAfterMs },
  });
  readonly #term = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  /** All has been read when it resolves. */
  async start(): Promise<void> {
    this.state.start();
    await this.clock.run(100);
  }

  /** From now on; `revision` of the leader's key is that of its term. */
  async lead(): Promise<void> {
    const { revision } = await this.put(leaderKey, Buffer.from('this one'));
    const { state, events } = this;
    const reconciler = new Reconciler({ ...this.#shared, state, events, replaceAfterMs });
    this.#leading = reconciler.lead({ signal: this.#term.signal, guard: { key: leaderKey, revision } });
    await this.clock.run(0);
  }

  put(key: string, value: Uint8Array) {
    return this.memory.commit([], [{ type: 'put', key, value }]);
  }

  node(number: number, change: Partial<Spec> = {}) {
    return this.put(nodeKey(id(number)), encodeNode(nodeOf(number, { ...good, ...change })));
  }

  /** What the node says; it is up from then on. */
  async says(
    number: number,
    volumes: Readonly<Record<string, NodeVolumeFacts>> = {},
    pools: readonly PoolFacts[] = [poolOf('p', 100)],
  ) {
    const facts = { version: '1', started: '2026-11-22T10:00:00.000Z', pools };
    for (const [name, said] of Object.entries(volumes)) {
      await this.put(volumeFactsKey(id(number), name), encodeVolumeFacts(said));
    }
    return this.put(factsKey(id(number)), encodeFacts(facts));
  }

  /** What it said of its volumes goes a little later, as it may for who watches. */
  isLost(number: number) {
    return this.memory.commit([], [{ type: 'delete', key: factsKey(id(number)) }]);
  }

  async nodesUp(count: number): Promise<void> {
    for (let number = 1; number <= count; number += 1) {
      await this.node(number);
      await this.says(number);
    }
    await this.start();
  }

  /** Each of its nodes says that its replica is there. */
  async allThere(name: string): Promise<void> {
    const volume = await this.record(name);
    for (const { node, uuid } of volume?.replicas ?? []) {
      const number = Number(node.slice(-12));
      await this.says(number, { [name]: { replica: uuid, state: 'standby' } });
    }
  }

  /** Its head is where it is wanted, and says so. */
  async serves(name: string): Promise<void> {
    const { head = '', replicas = [] } = (await this.record(name)) ?? {};
    const replica = replicas.find(({ node }) => node === head)?.uuid ?? '';
    await this.changeMirror(name, { epoch: 1n, head, headStopped: false });
    await this.says(Number(head.slice(-12)), { [name]: { replica, state: 'serving' } });
  }

  async record(name: string): Promise<VolumeRecord | undefined> {
    const found = await this.memory.get(volumeKey(name));
    return found === undefined ? undefined : decodeVolume(found.key, found.value);
  }

  putVolume(volume: VolumeRecord) {
    return this.put(volumeKey(volume.name), encodeVolume(volume));
  }

  async nodeRecord(number: number): Promise<NodeRecord> {
    const key = nodeKey(id(number));
    return decodeNode(key, (await this.memory.get(key))?.value ?? new Uint8Array());
  }

  /** As a head does. */
  async changeMirror(name: string, change: Partial<MirrorRecord>): Promise<void> {
    const found = await this.mirrors.get(name);
    if (found === undefined) throw new Error(`no mirror record of ${name}`);
    await this.mirrors.swap(name, { ...found, record: { ...found.record, ...change } });
  }

  async told(): Promise<readonly string[]> {
    return (await this.events.list()).map(({ name, reason }) => `${name} ${reason}`);
  }

  /** Resolves when the leader has ended. */
  async endTerm(): Promise<void> {
    this.#term.abort();
    await this.#leading;
  }

  async close(): Promise<void> {
    await this.endTerm();
    await this.events.close();
    const closing = this.state.close();
    await this.clock.run(100);
    await closing;
    await this.memory.close();
  }
}

/** What became of it: the clock has to go on meanwhile. */
export async function settledIn<T>(
  { clock }: ControllerHarness,
  work: Promise<T>,
  ms = 11_000,
): Promise<PromiseSettledResult<T>> {
  const all = Promise.allSettled([work]);
  await clock.run(ms);
  const [result] = await all;
  return result;
}
