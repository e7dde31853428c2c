// Nodes of a cluster with fake engines over one store in memory.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Agent } from '../../../src/agent/agent.js';
import { factsTtlMs } from '../../../src/agent/facts-lease.js';
import { nextHeadMsMax } from '../../../src/agent/node-volume.js';
import { sealMs } from '../../../src/agent/takeover.js';
import { GuardedStore } from '../../../src/cluster/lineage/guarded-store.js';
import { LineageWatch, recheckMs } from '../../../src/cluster/lineage/lineage-watch.js';
import { marksInStore } from '../../../src/cluster/lineage/marks.js';
import { decodeFacts, decodeVolumeFacts } from '../../../src/cluster/model/facts.js';
import {
  factsKey,
  nodeKey,
  refusalKey,
  volumeFactsKey,
  volumeFactsPrefixOf,
  volumeKey,
} from '../../../src/cluster/model/keys.js';
import { joinNode } from '../../../src/cluster/model/node.js';
import { encodeNode } from '../../../src/cluster/model/node-record.js';
import { decodeRefusal } from '../../../src/cluster/model/refusal.js';
import {
  createVolume,
  deleteVolume,
  type VolumeRecord,
  volumeReady,
  wantHead,
} from '../../../src/cluster/model/volume.js';
import { encodeVolume } from '../../../src/cluster/model/volume-record.js';
import { gatherMs } from '../../../src/cluster/view/cluster-view.js';
import { nobody } from '../../../src/mirrors/record.js';
import { MirrorRecords } from '../../../src/mirrors/records.js';
import type { Store } from '../../../src/store/types.js';
import { PoolHarness } from '../../support/pool-harness.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const nodeOf = (number: number) => uuid(`${number}`);
const replicaOf = (number: number) => uuid('abc'[number - 1] ?? '');
const now = new Date(0);
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

class ClusterNode {
  readonly pools = new PoolHarness();
  readonly lineage: LineageWatch;
  agent: Agent | undefined;
  /** What is so cannot be said before this. */
  held: Promise<void> | undefined;

  constructor(
    readonly number: number,
    readonly cluster: Cluster,
  ) {
    const { store, clock } = cluster;
    const who = { id: nodeOf(number), name: `n${number}`, kind: 'node' } as const;
    const marks = marksInStore(this.pools.store);
    this.lineage = new LineageWatch({ ...{ store, clock, who, marks }, log: this.pools.log });
  }

  async start(): Promise<void> {
    await this.pools.start();
    if (this.agent === undefined) await this.pools.pool('p');
    this.agent = new Agent({
      ...{
        engine: this.pools.engine,
        store: new GuardedStore(this.cluster.store, this.lineage),
        lineage: this.lineage,
        node: nodeOf(this.number),
        version: '1.2.3',
      },
      host: { hostNqn: `nqn.2026-11.dev.ballast:host:${this.number}`, hostId: nodeOf(this.number) },
      pools: async () => {
        await this.held;
        return [{ name: 'p', uuid: uuid('d'), capacityBytes: 100n, freeBytes: 50n }];
      },
      ...{ clock: this.cluster.clock, log: this.pools.log },
    });
    await this.lineage.start();
    const started = this.agent.start();
    await settled(); // the store has been read
    await this.cluster.pass(gatherMs);
    await started;
    await this.agent.announce();
  }

  get promoted(): number {
    return this.pools.engine.calls.filter((call) => call === 'promote db').length;
  }

  seal(sealed: boolean): void {
    this.pools.engine.mirrors.listeners?.onSeal?.(replicaOf(this.number), sealed);
  }
}

class Cluster {
  readonly #harness = new PoolHarness();
  readonly store: Store = this.#harness.store;
  readonly clock = this.#harness.clock;
  readonly nodes = [1, 2].map((number) => new ClusterNode(number, this));
  readonly records = new MirrorRecords(this.store);

  get first(): ClusterNode {
    return this.nodes[0] as ClusterNode;
  }

  get second(): ClusterNode {
    return this.nodes[1] as ClusterNode;
  }

  put(key: string, value: Uint8Array) {
    return this.store.commit([], [{ type: 'put', key, value }]);
  }

  async join(): Promise<void> {
    for (const { number } of this.nodes) {
      const address = { host: `127.0.0.${number}`, port: 4430 };
      const joining = {
        ...{ id: nodeOf(number), name: `n${number}`, addresses: { nvme: address, replication: address } },
        ...{ hostNqn: `nqn.2026-11.dev.ballast:host:${number}`, labels: {} },
      };
      await this.put(nodeKey(nodeOf(number)), encodeNode(joinNode(joining, [], now)));
    }
  }

  /** As the controller makes it: its record and its mirror record. */
  async volume(): Promise<VolumeRecord> {
    const wishes = { replicas: 2, minInSync: 1, thick: false, spread: 'prefer-zone' as const };
    const made = createVolume(
      {
        ...{ name: 'db', uuid: uuid('9'), nqn: `nqn.2026-11.dev.ballast:volume:${uuid('9')}`, wishes },
        ...{ sizeBytes: 1n << 24n, blockSizeBytes: 4096 },
      },
      [1, 2].map((number) => ({ uuid: replicaOf(number), node: nodeOf(number), pool: 'p' })),
      now,
    );
    const record = {
      ...{ revision: 0n, epoch: 0n, head: nobody, headStopped: true, minInSync: 1 },
      members: [1, 2].map((number) => ({ uuid: replicaOf(number), inSync: true, sealedEpoch: 0n })),
      ...{ blockSizeBytes: 4096, blocksCount: 4096n },
    };
    await this.records.swap('db', { volumeUuid: made.uuid, record });
    const volume = wantHead(volumeReady(made), nodeOf(1));
    await this.put(volumeKey('db'), encodeVolume(volume));
    return volume;
  }

  /** In steps, as the store and the nodes have to hear of each other. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.clock.advance(Math.min(100, ms - passed));
      await settled();
    }
  }

  async facts(number: number) {
    const found = await this.store.get(factsKey(nodeOf(number)));
    return found === undefined ? undefined : decodeFacts(found.key, found.value);
  }

  /** Of the volume. */
  async said(number: number) {
    const found = await this.store.get(volumeFactsKey(nodeOf(number), 'db'));
    return found === undefined ? undefined : decodeVolumeFacts(found.key, found.value);
  }

  async close(): Promise<void> {
    // Each waits for the other to take over, which the fakes do not.
    const stopping = this.nodes.map(({ agent }) => agent?.stop());
    await this.pass(nextHeadMsMax + 500);
    await Promise.all(stopping);
    for (const { agent, lineage, pools } of this.nodes) {
      await agent?.close();
      await lineage.close();
      await pools.close();
    }
    await this.#harness.close();
  }
}

let cluster: Cluster;
beforeEach(async () => {
  cluster = new Cluster();
  await cluster.join();
});
afterEach(() => cluster.close());

/** Node 1 serves, node 2 stands by. */
async function running(): Promise<VolumeRecord> {
  const volume = await cluster.volume();
  for (const node of cluster.nodes) await node.start();
  await cluster.pass(300);
  const engine = cluster.first.pools.engine;
  await engine.mirrors.ask('db', { epoch: 1n, head: nodeOf(1), headStopped: false });
  engine.mirrors.listeners?.onHeadState?.('db', 'serving');
  for (const node of cluster.nodes) node.seal(true);
  await cluster.pass(sealMs); // its head has sealed what it has
  return volume;
}

describe('a cluster of two nodes', () => {
  it('serves a volume where its head is wanted, and on the other as standby', async () => {
    await running();
    expect([cluster.first.promoted, cluster.second.promoted]).toEqual([1, 0]);
    // To hosts, only the one path is open.
    expect(cluster.first.pools.engine.anaStates.get('db')).toBe('optimized');
    expect(cluster.second.pools.engine.volumes[0]).toMatchObject({ anaState: 'inaccessible' });
    expect(cluster.second.pools.engine.anaStates.has('db')).toBe(false);
    for (const { pools } of cluster.nodes)
      expect(pools.engine.volumes).toMatchObject([{ name: 'db', kind: 'mirror' }]);
    expect(cluster.first.pools.engine.mirrors.head('db').options.members).toEqual([
      { uuid: replicaOf(1), replica: replicaOf(1) },
      { uuid: replicaOf(2), address: { host: '127.0.0.2', port: 4430 } },
    ]);
    expect(await cluster.facts(1)).toMatchObject({ version: '1.2.3' });
    expect(await cluster.said(1)).toMatchObject({ state: 'serving' });
    expect(await cluster.facts(2)).toMatchObject({ pools: [{ freeBytes: 50n }] });
    expect(await cluster.said(2)).toMatchObject({ state: 'standby' });
  });

  it('has a new head soon after the old one is gone, without anybody deciding', async () => {
    await running();
    const stopping = cluster.first.agent?.stop(); // as when it is killed: its facts go, its head lets go
    cluster.second.seal(false);
    await cluster.pass(200);
    expect(cluster.second.promoted).toBe(1);
    expect(cluster.second.pools.engine.mirrors.head('db').options.node).toBe(nodeOf(2));
    await cluster.pass(nextHeadMsMax + 500);
    await stopping;
  });

  it('moves the head when another node is wanted', async () => {
    const volume = await running();
    await cluster.put(volumeKey('db'), encodeVolume(wantHead(volume, nodeOf(2))));
    await cluster.pass(300);
    expect(cluster.first.pools.engine.calls).toContain('demote db');
    const { record, volumeUuid } = (await cluster.records.get('db')) ?? { volumeUuid: '' };
    if (record === undefined) throw new Error('no record');
    // As the head says itself when it has ended in order.
    await cluster.records.swap('db', { volumeUuid, record: { ...record, headStopped: true } });
    await cluster.pass(300);
    expect([cluster.first.promoted, cluster.second.promoted]).toEqual([1, 1]);
  });

  it('takes a volume that is deleted off both', async () => {
    const volume = await running();
    await cluster.put(volumeKey('db'), encodeVolume(deleteVolume(volume)));
    await cluster.pass(200);
    for (const { pools } of cluster.nodes) expect(pools.engine.volumes).toEqual([]);
  });

  it('keeps a volume whose record is damaged', async () => {
    await running();
    await cluster.put(volumeKey('db'), Buffer.from('{"version":1'));
    await cluster.pass(500);
    for (const { pools } of cluster.nodes) expect(pools.engine.volumes).toHaveLength(1);
    expect(cluster.first.pools.lines.join()).toContain('cluster/volumes/db in the store cannot be read');
  });
});

describe('a store that does not say what disks say (D18)', () => {
  const stillSo = async () => true;

  it('ends no head, moves none and deletes nothing', async () => {
    const volume = await running();
    cluster.first.lineage.refuse('it is an old copy', stillSo);
    await cluster.pass(recheckMs);
    await cluster.put(volumeKey('db'), encodeVolume(deleteVolume(volume)));
    cluster.second.seal(false);
    await cluster.pass(10_000);
    expect([cluster.first.promoted, cluster.second.promoted]).toEqual([1, 0]);
    for (const { pools } of cluster.nodes) {
      expect(pools.engine.volumes).toHaveLength(1);
      expect(pools.engine.calls).not.toContain('demote db');
    }
    const found = (await cluster.store.get(refusalKey(nodeOf(1)))) ?? expect.fail('nobody is told');
    expect(decodeRefusal(found.key, found.value)).toMatchObject({ name: 'n1', reason: 'it is an old copy' });
  });

  it('is followed again when nobody refuses it', async () => {
    const volume = await running();
    let isSo = true;
    cluster.first.lineage.refuse('it is an old copy', async () => isSo);
    await cluster.pass(recheckMs);
    await cluster.put(volumeKey('db'), encodeVolume(deleteVolume(volume)));
    await cluster.pass(2_000);
    expect(cluster.second.pools.engine.volumes).toHaveLength(1);
    isSo = false;
    await cluster.pass(recheckMs + 2_000);
    for (const { pools } of cluster.nodes) expect(pools.engine.volumes).toEqual([]);
  });

  it('is refused when a replica was used in an epoch that it does not know', async () => {
    await running();
    const { second } = cluster;
    const stopping = second.agent?.stop();
    await cluster.pass(nextHeadMsMax + 500); // nobody seals its replica
    await stopping;
    await second.agent?.close();
    for (const [place, info] of second.pools.disks.replicas) {
      second.pools.disks.replicas.set(place, { ...info, maxEpoch: 7n });
    }
    await second.start();
    await cluster.pass(recheckMs);
    expect(second.lineage.refusal).toBe("the replica of 'db' there was used in epoch 7, and it knows 1");
    expect(second.pools.engine.volumes).toEqual([]);
    const stored = (await cluster.records.get('db')) ?? expect.fail();
    await cluster.records.swap('db', { ...stored, record: { ...stored.record, epoch: 7n } });
    await cluster.pass(recheckMs + 2_000);
    expect(second.lineage.refusal).toBeUndefined();
    expect(second.pools.engine.volumes).toHaveLength(1);
  });
});

describe('the facts of a node', () => {
  it('end with it, and come back with it', async () => {
    await cluster.first.start();
    expect(await cluster.facts(1)).toBeDefined();
    await cluster.first.agent?.stop();
    expect(await cluster.facts(1)).toBeUndefined();
    await cluster.first.start();
    expect(await cluster.facts(1)).toBeDefined();
  });

  it('stay while it is up, also when it takes long to say what is so', async () => {
    await cluster.first.start();
    let go = () => {};
    cluster.first.held = new Promise((resolve) => {
      go = resolve;
    });
    await cluster.pass(3 * factsTtlMs);
    expect(await cluster.facts(1)).toBeDefined();
    go();
    await cluster.first.agent?.stop();
    expect(await cluster.facts(1)).toBeUndefined();
  });

  it('stay while it lives, and are written again when their lease ended all the same', async () => {
    await cluster.first.start();
    await cluster.pass(2 * factsTtlMs);
    expect(await cluster.facts(1)).toBeDefined();
    cluster.clock.advance(factsTtlMs + 1); // it could say nothing for so long
    await cluster.pass(2000);
    expect(await cluster.facts(1)).toBeDefined();
  });

  it('are written of a volume alone when it changes, and taken back when it is gone', async () => {
    const volume = await running();
    const before = await cluster.store.get(factsKey(nodeOf(1)));
    expect(await cluster.said(1)).toMatchObject({ state: 'serving', hostsRevision: expect.anything() });
    const { revision } = (await cluster.store.get(volumeFactsKey(nodeOf(2), 'db'))) ?? {};
    cluster.first.pools.engine.mirrors.listeners?.onHeadState?.('db', 'fenced');
    await cluster.pass(300);
    expect(await cluster.said(1)).not.toMatchObject({ state: 'serving' });
    expect((await cluster.store.get(factsKey(nodeOf(1))))?.revision).toBe(before?.revision);
    expect((await cluster.store.get(volumeFactsKey(nodeOf(2), 'db')))?.revision).toBe(revision);
    await cluster.put(volumeKey('db'), encodeVolume(deleteVolume(volume)));
    await cluster.pass(1500);
    expect(await cluster.said(1)).toMatchObject({ state: 'discarded' });
    await cluster.store.commit([], [{ type: 'delete', key: volumeKey('db') }]);
    await cluster.pass(1500);
    expect(await cluster.said(1)).toBeUndefined();
  });

  it('hold nothing of an earlier run of the node, and are whole when it counts as up', async () => {
    const gone = volumeFactsKey(nodeOf(1), 'gone');
    await cluster.put(gone, Buffer.from('of a run that was killed'));
    await cluster.put(volumeFactsKey(nodeOf(2), 'other'), Buffer.from('of another node'));
    await cluster.volume();
    const seen: string[] = [];
    const end = new AbortController();
    const watching = (async () => {
      for await (const { changes } of cluster.store.watch('', 0n, end.signal)) {
        const own = [volumeFactsPrefixOf(nodeOf(1)), factsKey(nodeOf(1))];
        const keys = changes.map(({ key }) => key);
        seen.push(...keys.filter((key) => own.some((one) => key.startsWith(one))));
      }
    })();
    await cluster.first.start();
    await cluster.pass(300);
    end.abort();
    await watching;
    expect(await cluster.store.get(gone)).toBeUndefined();
    expect(await cluster.store.get(volumeFactsKey(nodeOf(2), 'other'))).toBeDefined();
    const upAt = seen.indexOf(factsKey(nodeOf(1)));
    expect(seen.indexOf(volumeFactsKey(nodeOf(1), 'db'))).toBeLessThan(upAt);
    expect(seen.lastIndexOf(gone)).toBeLessThan(upAt);
  });
});
