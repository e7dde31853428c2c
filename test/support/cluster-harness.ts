// A controller without a process: its app over a store in memory behind a Unix socket, and nodes that say
// what real ones would, at once. Time is real.
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { createApp } from '../../src/api/app.js';
import { ApiDoors } from '../../src/api/doors.js';
import {
  clusterDaemonRoutes,
  clusterNodeRoutes,
  clusterSnapshotRoutes,
  clusterVolumeRoutes,
} from '../../src/api/routes/index.js';
import { Authenticator } from '../../src/auth/authenticator.js';
import { hashToken, makeToken } from '../../src/auth/token.js';
import { TokenRegistry } from '../../src/auth/token-registry.js';
import { systemClock } from '../../src/base/clock.js';
import { encodeFacts, encodeVolumeFacts, type PoolFacts } from '../../src/cluster/model/facts.js';
import { factsKey, nodeKey, volumeFactsKey } from '../../src/cluster/model/keys.js';
import type { NodeRecord } from '../../src/cluster/model/node.js';
import { encodeNode } from '../../src/cluster/model/node-record.js';
import { promisedBytes } from '../../src/cluster/model/volume.js';
import { ClusterState } from '../../src/controller/cluster-state.js';
import { Events } from '../../src/controller/events.js';
import { Nodes } from '../../src/controller/nodes.js';
import { Reconciler } from '../../src/controller/reconciler.js';
import { SnapshotReconciler } from '../../src/controller/snapshot-reconciler.js';
import { ClusterSnapshots } from '../../src/controller/snapshots.js';
import { ClusterVolumes } from '../../src/controller/volumes.js';
import { MirrorRecords } from '../../src/mirrors/records.js';
import { isCloned, SnapshotRecords } from '../../src/mirrors/snapshot-records.js';
import { openMemoryStore } from '../../src/store/memory/memory-store.js';

export const nodeId = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const gib = 1n << 30n;
const leaderKey = 'test/leader';

export interface HarnessNode {
  readonly pools?: readonly PoolFacts[];
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export function poolOf(name: string, capacityGib: number): PoolFacts {
  const capacityBytes = BigInt(capacityGib) * gib;
  return { name, uuid: nodeId(1), capacityBytes, freeBytes: capacityBytes, iopsBudget: 1000 };
}

export class ClusterHarness {
  readonly directory = mkdtempSync(join(tmpdir(), 'cluster-'));
  readonly socket = join(this.directory, 'api.sock');
  readonly store = openMemoryStore();
  readonly #shared = { store: this.store, clock: systemClock, log: pino({ level: 'silent' }) };
  readonly state = new ClusterState(this.#shared);
  readonly events = new Events(this.#shared);
  readonly nodes = new Nodes({ store: this.store, state: this.state, events: this.events });
  readonly volumes = new ClusterVolumes({
    ...this.#shared,
    ...{ state: this.state, nodes: this.nodes, replaceAfterMs: 60_000 },
    clock: {
      date: () => systemClock.date(),
      steadyMs: () => systemClock.steadyMs(),
      after: (ms, callback) => systemClock.after(Math.min(ms, this.patienceMs), callback),
    },
  });
  readonly snapshots = new ClusterSnapshots({ ...this.#shared, state: this.state, nodes: this.nodes });
  /** Why heads take no snapshots; empty: they do. */
  snapshotTrouble = '';
  readonly #mirrors = new MirrorRecords(this.store);
  readonly #snapshotRecords = new SnapshotRecords(this.store);
  readonly #doors = new ApiDoors();
  readonly #term = new AbortController();
  readonly #pools = new Map<number, readonly PoolFacts[]>();
  /** Numbers of nodes that do not hear of who may use a volume any more. */
  readonly deaf = new Set<number>();
  /** How long a request waits at most for what it has asked for. */
  patienceMs = Number.POSITIVE_INFINITY;
  #leading: Promise<void> = Promise.resolve();
  #saying: Promise<void> = Promise.resolve();

  async start(...nodes: readonly HarnessNode[]): Promise<void> {
    for (const [index, node] of nodes.entries()) await this.#node(index + 1, node);
    this.state.start();
    this.state.onChange(() => this.say());
    this.say();
    await this.#lead();
    const { log } = this.#shared;
    const tokens = new TokenRegistry(this.store);
    const { nodes: source, volumes } = this;
    const app = await createApp({
      ...{ log, version: '1.2.3' },
      authenticator: new Authenticator({ adminHash: hashToken(makeToken('admin')), tokens, log }),
      isTrusted: (request) => this.#doors.isTrusted(request),
      modules: [
        clusterNodeRoutes(source),
        clusterVolumeRoutes(volumes),
        clusterSnapshotRoutes(this.snapshots),
        clusterDaemonRoutes({ nodes: source, volumes, version: '1.2.3' }),
      ],
    });
    await this.#doors.openSocket(this.socket);
    this.#doors.serve((request, response) => app.routing(request, response));
  }

  /** It does not answer any more. */
  async lose(number: number): Promise<void> {
    this.#pools.delete(number);
    await this.store.commit([], [{ type: 'delete', key: factsKey(nodeId(number)) }]);
  }

  /** The replica of this node misses writes, or does not any more. */
  async outOfSync(name: string, number: number, misses = true): Promise<void> {
    const stored = await this.#mirrors.get(name);
    const replicas = this.state.snapshot?.volumes.get(name)?.record.replicas ?? [];
    const uuid = replicas.find(({ node }) => node === nodeId(number))?.uuid;
    if (stored === undefined || uuid === undefined)
      throw new Error(`no replica of ${name} on node ${number}`);
    const members = stored.record.members.map((one) =>
      one.uuid === uuid ? { ...one, inSync: !misses } : one,
    );
    await this.#mirrors.swap(name, { ...stored, record: { ...stored.record, members } });
  }

  async close(): Promise<void> {
    await this.#doors.close();
    this.#term.abort();
    await this.#leading;
    await this.events.close();
    await this.state.close();
    await this.#saying;
    await this.store.close();
    await rm(this.directory, { recursive: true });
  }

  async #node(number: number, { pools, zone, labels = {} }: HarnessNode): Promise<void> {
    const address = { host: `10.0.0.${number}`, port: 4420 };
    const record: NodeRecord = {
      ...{ id: nodeId(number), name: `n${number}`, labels, state: 'active', slot: number },
      addresses: { nvme: address, replication: { ...address, port: 4430 } },
      hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${nodeId(number)}`,
      joined: '2026-11-22T10:00:00.000Z',
      ...(zone !== undefined && { zone }),
    };
    this.#pools.set(number, pools ?? [poolOf('p', 100)]);
    await this.#put(nodeKey(record.id), encodeNode(record));
  }

  async #lead(): Promise<void> {
    const { revision } = await this.#put(leaderKey, Buffer.from('this one'));
    const { state, events } = this;
    const reconciler = new Reconciler({ ...this.#shared, state, events, replaceAfterMs: 60_000 });
    const snapshots = new SnapshotReconciler({ ...this.#shared, state, events });
    const term = { signal: this.#term.signal, guard: { key: leaderKey, revision } };
    this.#leading = Promise.all([reconciler.lead(term), snapshots.lead(term)]).then(() => undefined);
  }

  /** What agents and heads would, of all that is wanted now. */
  say(): void {
    this.#saying = this.#saying.then(() => this.#sayAll()).catch(() => undefined);
  }

  async #sayAll(): Promise<void> {
    const volumes = [...(this.state.snapshot?.volumes.values() ?? [])];
    for (const { record } of volumes) {
      if (record.state !== 'ready' || record.head === undefined) continue;
      await this.#head(record.name, record.head);
      await this.#grow(record.name, promisedBytes(record));
      await this.#snapshots(record.name, record.sizeBytes);
    }
    for (const [number, pools] of this.#pools) {
      if (this.deaf.has(number)) continue;
      const started = '2026-11-22T10:00:00.000Z';
      for (const { record, revision } of volumes) {
        const mine = record.replicas.find(({ node }) => node === nodeId(number));
        if (mine === undefined) continue;
        const isHead = record.head === nodeId(number);
        const state = record.state === 'deleting' ? 'discarded' : isHead ? 'serving' : 'standby';
        const said = encodeVolumeFacts({ replica: mine.uuid, state, hostsRevision: revision });
        await this.#say(volumeFactsKey(nodeId(number), record.name), said);
      }
      await this.#say(factsKey(nodeId(number)), encodeFacts({ version: '1', started, pools }));
    }
  }

  /** Unless it was said before. */
  async #say(key: string, facts: Uint8Array): Promise<void> {
    const known = await this.store.get(key);
    if (known === undefined || Buffer.compare(known.value, facts) !== 0) await this.#put(key, facts);
  }

  async #grow(name: string, sizeBytes: bigint): Promise<void> {
    const stored = await this.#mirrors.get(name);
    if (stored === undefined || stored.record.members.some(({ inSync }) => !inSync)) return;
    const blocksCount = sizeBytes / BigInt(stored.record.blockSizeBytes);
    if (blocksCount <= stored.record.blocksCount) return;
    await this.#mirrors.swap(name, { ...stored, record: { ...stored.record, blocksCount } });
  }

  async #snapshots(volume: string, sizeBytes: bigint): Promise<void> {
    const records = this.#snapshotRecords;
    const inSync = (await this.#mirrors.get(volume))?.record.members.filter((one) => one.inSync) ?? [];
    const members = inSync.map(({ uuid }) => uuid);
    const trouble = this.snapshotTrouble;
    for (const { name, snapshot } of await records.list(volume)) {
      if (snapshot.state === 'deleting' && !isCloned(snapshot)) {
        await records.forget(volume, name, snapshot);
      } else if (snapshot.state === 'wanted') {
        const begun = await records.put(volume, name, { ...snapshot, state: 'taking' });
        const done = { ...begun, state: 'complete', sizeBytes, members } as const;
        await records.put(volume, name, trouble === '' ? done : { ...begun, state: 'deleting', trouble });
      }
    }
  }

  async #head(name: string, head: string): Promise<void> {
    const stored = await this.#mirrors.get(name);
    if (stored === undefined || stored.record.head === head) return;
    const record = { ...stored.record, epoch: stored.record.epoch + 1n, head, headStopped: false };
    await this.#mirrors.swap(name, { ...stored, record });
  }

  #put(key: string, value: Uint8Array) {
    return this.store.commit([], [{ type: 'put', key, value }]);
  }
}
