// A simulated cluster: controllers and agents with all of their own code, over one store in memory, engines
// without data and a network; each process may be killed at any moment.
import { pino } from 'pino';
import { Agent } from '../../../src/agent/agent.js';
import { joinOrRemembered } from '../../../src/agent/joining.js';
import { ReplicaNotes } from '../../../src/agent/replica-notes.js';
import { StoreGapError } from '../../../src/base/control-errors.js';
import { DomainError } from '../../../src/base/errors.js';
import type { Log } from '../../../src/base/log.js';
import { Election } from '../../../src/cluster/election/election.js';
import { GuardedStore } from '../../../src/cluster/lineage/guarded-store.js';
import { decodeLineage } from '../../../src/cluster/lineage/lineage-record.js';
import { LineageWatch } from '../../../src/cluster/lineage/lineage-watch.js';
import { marksInStore } from '../../../src/cluster/lineage/marks.js';
import { noteOpening } from '../../../src/cluster/lineage/opening.js';
import { lineageKey, volumesPrefix } from '../../../src/cluster/model/keys.js';
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import { decodeVolume } from '../../../src/cluster/model/volume-record.js';
import { ClusterState } from '../../../src/controller/cluster-state.js';
import { Events } from '../../../src/controller/events.js';
import { Nodes } from '../../../src/controller/nodes.js';
import { Rebuild } from '../../../src/controller/rebuild.js';
import { Reconciler } from '../../../src/controller/reconciler.js';
import { SnapshotReconciler } from '../../../src/controller/snapshot-reconciler.js';
import { ClusterSnapshots } from '../../../src/controller/snapshots.js';
import { ClusterVolumes } from '../../../src/controller/volumes.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Change, Store } from '../../../src/store/types.js';
import { Random } from '../../support/random.js';
import { RestorableStore, type StoreCopy } from '../../support/restorable-store.js';
import { Checks } from './checks.js';
import { ProcessClock, SimClock } from './sim-clock.js';
import { type SimDisk, SimEngine, type SimNetwork } from './sim-engine.js';
import { SimHosts } from './sim-hosts.js';
import { StoreLink } from './store-link.js';
import { Trace } from './trace.js';

export interface SimClusterOptions {
  readonly seed: number;
  readonly nodesCount: number;
  readonly controllersCount: number;
  readonly zonesCount: number;
  /** Where lines of level error go: in a run there are none. */
  readonly log: Log;
}

/** A node that is away for longer is replaced. */
export const replaceAfterMs = 20_000;
/** Who ends in order and takes longer is killed, as by a supervisor. */
const stopMsMax = 15_000;
const poolBytes = 1n << 40n;
/** Between an attempt of a controller to start and the next. */
const openAgainMs = 1_000;

interface NodeProcess {
  readonly clock: ProcessClock;
  readonly link: StoreLink;
  readonly engine: SimEngine;
  readonly lineage: LineageWatch;
  agent?: Agent;
  notes?: ReplicaNotes;
  /** In order: it was asked to. */
  isEnding?: boolean;
}

interface ControllerProcess {
  readonly clock: ProcessClock;
  readonly link: StoreLink;
  readonly nodes: Nodes;
  readonly volumes: ClusterVolumes;
  readonly snapshots: ClusterSnapshots;
  readonly rebuild: Rebuild;
}

export class SimNode {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly zone: string;
  readonly disk: SimDisk = { volumes: new Map(), replicas: new Map(), bases: new Map() };
  /** Its own, on its disk. */
  readonly local = openMemoryStore();
  process: NodeProcess | undefined;
  /** The cluster does not take it any more. */
  isRefused = false;

  constructor(
    readonly number: number,
    zone: number,
  ) {
    this.id = idOf(0xa, number);
    this.name = `n${number}`;
    this.host = `10.0.0.${number}`;
    this.zone = `z${zone}`;
  }
}

export class SimController {
  readonly id: string;
  process: ControllerProcess | undefined;

  constructor(readonly number: number) {
    this.id = idOf(0xc, number);
  }
}

export class SimCluster implements SimNetwork {
  readonly clock = new SimClock();
  readonly store = new RestorableStore(this.clock);
  readonly checks = new Checks(
    () => this.clock.steadyMs(),
    () => this.nodes.flatMap(({ disk }) => [...disk.replicas.values()]),
  );
  readonly hosts = new SimHosts(
    [1, 2].map((number) => `nqn.2026-11.dev.ballast:host:${number}`),
    () => this.clock.steadyMs(),
  );
  readonly trace = new Trace();
  readonly nodes: readonly SimNode[];
  readonly controllers: readonly SimController[];
  /** Pairs of hosts that do not reach each other. */
  readonly #cuts = new Set<string>();
  readonly #random: Random;
  /** Of their own: who makes them asks at other times than who draws chances. */
  readonly #uuids: Random;
  readonly #log: Log;
  readonly #end = new AbortController();
  slowPercent = 0;
  /** What the store would say had it not been restored; undefined: it was not. */
  #latest: StoreCopy | undefined;
  /** All that the store says since it was lost; undefined: it was not, or its records are made anew. */
  #anew: Map<string, Change> | undefined;

  constructor({ seed, nodesCount, controllersCount, zonesCount, log }: SimClusterOptions) {
    this.#random = new Random(seed * 7919 + 13);
    this.#uuids = new Random(seed * 104_729 + 7);
    this.#log = log;
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    this.nodes = numbers(nodesCount).map((number) => new SimNode(number, number % zonesCount));
    this.controllers = numbers(controllersCount).map((number) => new SimController(number));
    for (const { id, name } of this.nodes) this.trace.name(id, name);
    for (const { id, number } of this.controllers) this.trace.name(id, `c${number}`);
    void this.#observe();
  }

  note(text: string): void {
    this.trace.add(this.clock.steadyMs(), text);
  }

  startController(controller: SimController): void {
    const { clock, link } = this.#newProcess();
    const shared = { store: link, clock, log: this.#log };
    const state = new ClusterState(shared);
    const events = new Events(shared);
    const nodes = new Nodes({ store: link, state, events });
    const newUuid = () => this.#newUuid();
    const volumes = new ClusterVolumes({ ...shared, state, nodes, replaceAfterMs, newUuid });
    const snapshots = new ClusterSnapshots({ ...shared, state, nodes, newUuid });
    const reconciler = new Reconciler({ ...shared, state, events, replaceAfterMs });
    const snapshotReconciler = new SnapshotReconciler({ ...shared, state, events });
    const election = new Election({
      ...shared,
      id: controller.id,
      name: `c${controller.number}`,
      lead: async (term) => {
        this.note(`c${controller.number} leads`);
        await Promise.all([reconciler.lead(term), snapshotReconciler.lead(term)]);
      },
    });
    const rebuild = new Rebuild({ ...shared, nodes, events });
    controller.process = { clock, link, nodes, volumes, snapshots, rebuild };
    this.note(`c${controller.number} starts`);
    const open = async (): Promise<void> => {
      try {
        await noteOpening(link);
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        clock.after(openAgainMs, () => void open()); // by a supervisor
        return;
      }
      state.start();
      election.start();
    };
    void open();
  }

  #newUuid(): string {
    const hex = [1, 2, 3, 4]
      .map(() =>
        this.#uuids
          .below(2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      )
      .join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** The store is not the one that promises were made by. */
  get isRestored(): boolean {
    return this.#latest !== undefined || this.#anew !== undefined;
  }

  /**
   * All that would be missed: a node that was away since before the copy was made cannot tell it from the
   * store that it knows.
   */
  async isNoticed(copy: StoreCopy): Promise<boolean> {
    const revisions = await Promise.all(
      this.nodes.map(async ({ process, local }) => {
        const mark = process?.lineage.mark ?? (await marksInStore(local).load());
        return mark?.revision;
      }),
    );
    return revisions.every((revision) => revision !== undefined && revision > copy.revision);
  }

  /** Somebody puts an old copy back, and starts the controllers again. */
  async restore(copy: StoreCopy): Promise<void> {
    this.note(`the store is put back to revision ${copy.revision}`);
    const latest = await this.store.copy();
    this.#replaceStore(copy, latest);
  }

  /** The newest state, and the controllers again. */
  repair(): void {
    if (this.#latest === undefined) return;
    this.note('the store is put right');
    this.#replaceStore(this.#latest, undefined);
  }

  /** For good, with all that it said. */
  lose(): void {
    this.note('the store is lost');
    this.#anew = new Map();
    this.#replaceStore({ revision: 0n, entries: [] }, undefined);
  }

  get isLost(): boolean {
    return this.#anew !== undefined;
  }

  #replaceStore(copy: StoreCopy, latest: StoreCopy | undefined): void {
    for (const controller of this.controllers) this.killController(controller);
    this.#latest = latest;
    this.store.restore(copy);
    for (const controller of this.controllers) this.startController(controller);
  }

  async startNode(node: SimNode): Promise<void> {
    const { clock, link } = this.#newProcess(this.#storeOf(node));
    const { id, host, disk, name, zone } = node;
    const engine = new SimEngine({ node: id, host, disk, network: this, clock, random: this.#random });
    const who = { id, name, kind: 'node' } as const;
    const marks = marksInStore(node.local);
    const lineage = new LineageWatch({ store: link, marks, who, clock, log: this.#log });
    const process: NodeProcess = { clock, link, engine, lineage };
    node.process = process;
    this.note(`${name} starts`);
    const address = { host, port: 4420 };
    const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${id}`;
    const addresses = { nvme: address, replication: { host, port: 4430 } };
    try {
      await lineage.start();
      const shared = { store: new GuardedStore(link, lineage), clock, log: this.#log };
      const joining = { id, name, zone, addresses, hostNqn, labels: {} };
      const { local } = node;
      const { signal } = this.#end;
      const log = this.#logOfRefusal(node, process); // of one that joins again later it is all that is said
      const record = await joinOrRemembered({ ...shared, joining, signal, local, lineage, log });
      const notes = new ReplicaNotes({ local, clock, log: this.#log });
      process.notes = notes;
      process.agent = new Agent({
        recovery: { notes, record, store: link },
        ...{ ...shared, lineage, engine, node: id, host: { hostNqn, hostId: id }, version: '1' },
        pools: async () => [{ name: 'p', uuid: id, capacityBytes: poolBytes, freeBytes: poolBytes }],
      });
      await process.agent.start();
      await process.agent.announce();
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.note(`${name} is refused: ${error.code}`);
      node.isRefused = true;
      if (node.process === process) this.killNode(node);
    }
  }

  #logOfRefusal(node: SimNode, process: NodeProcess): Log {
    const write = () => {
      if (node.process !== process) return;
      this.note(`${node.name} is refused later`);
      node.isRefused = true;
      this.killNode(node);
    };
    return pino({ level: 'error' }, { write });
  }

  /** As by SIGTERM. */
  async stopNode(node: SimNode): Promise<void> {
    const { process } = node;
    if (process?.agent === undefined) return this.killNode(node);
    this.note(`${node.name} ends`);
    process.isEnding = true;
    const kill = () => {
      if (node.process === process) this.killNode(node);
    };
    this.clock.after(stopMsMax, kill);
    await process.agent.stop();
    await process.agent.close();
    await process.notes?.close();
    kill();
  }

  killNode(node: SimNode): void {
    if (node.process === undefined) return;
    this.note(`${node.name} is gone`);
    kill(node.process);
    node.process = undefined;
  }

  killController(controller: SimController): void {
    if (controller.process === undefined) return;
    this.note(`c${controller.number} is gone`);
    kill(controller.process);
    controller.process = undefined;
  }

  cut(one: SimNode, other: SimNode): void {
    this.note(`${one.name} and ${other.name} do not reach each other`);
    this.#cuts.add(pairOf(one.host, other.host));
  }

  healNetwork(): void {
    if (this.#cuts.size > 0) this.note('all nodes reach each other');
    this.#cuts.clear();
  }

  /** Nodes hear nothing of it, or `breaks`: find the connection broken. */
  cutHost(host: string, nodes: readonly SimNode[], breaks: boolean): void {
    this.note(
      `${host} does not reach ${nodes.map(({ name }) => name).join(', ')}${breaks ? ' any more' : ''}`,
    );
    this.hosts.cut(
      host,
      nodes.map((node) => node.host),
    );
    if (breaks) for (const { process } of nodes) process?.engine.breakPaths();
  }

  healHosts(): void {
    this.note('all hosts reach all nodes');
    this.hosts.heal();
  }

  engineAt(from: string, host: string): SimEngine | undefined {
    if (from !== host && this.#cuts.has(pairOf(from, host))) return undefined;
    return this.nodes.find((node) => node.host === host)?.process?.engine;
  }

  onDiscard(node: string, replica: string): void {
    this.note(`${node}: data of ${replica} goes`);
    this.checks.onDiscard(node, replica);
  }

  onWritten: SimNetwork['onWritten'] = (...args) => this.checks.onWritten(...args);
  onServing: SimNetwork['onServing'] = (...args) => this.checks.onServing(...args);

  /** All processes are killed. */
  async close(): Promise<void> {
    this.#end.abort();
    for (const node of this.nodes) this.killNode(node);
    for (const controller of this.controllers) this.killController(controller);
    await this.store.close();
  }

  #newProcess(store: Store = this.store): { readonly clock: ProcessClock; readonly link: StoreLink } {
    const clock = new ProcessClock(this.clock);
    const link = new StoreLink(store, clock, this.#random);
    link.slowPercent = this.slowPercent;
    return { clock, link };
  }

  /** Each commit, in order. */
  async #observe(): Promise<void> {
    let after = 0n;
    while (!this.#end.signal.aborted) {
      try {
        for await (const { changes } of this.store.watch('', after, this.#end.signal)) {
          for (const change of changes) this.#onChange(change);
        }
      } catch (error) {
        if (this.#end.signal.aborted) return;
        if (!(error instanceof StoreGapError)) {
          this.checks.violations.push(`a record cannot be read: ${String(error)}`);
          return;
        }
        after = (await this.store.list('')).revision;
      }
    }
  }

  /** The last that is written of records that are made anew is that nodes take them for theirs. */
  #onAnew(change: Change, anew: Map<string, Change>): void {
    if (change.type === 'put') anew.set(change.key, change);
    else anew.delete(change.key);
    if (change.key !== lineageKey || change.type === 'delete') return;
    if (decodeLineage(change.value).replaces.length === 0) return;
    this.note('nodes take the store for theirs');
    this.#anew = undefined;
    this.checks.onRebuilt([...anew.values()]);
  }

  /** Of the records of volumes a node changes who is to be head, for hosts' sake, and nothing else. */
  #storeOf(node: SimNode): Store {
    const { store } = this;
    return {
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      watch: (prefix, after, signal) => store.watch(prefix, after, signal),
      lease: (ttlMs) => store.lease(ttlMs),
      close: () => store.close(),
      commit: async (compare, writes) => {
        const write = writes.find(({ key }) => key.startsWith(volumesPrefix));
        const found = write && (await store.get(write.key));
        const result = await store.commit(compare, writes);
        if (result.ok && write?.type === 'put' && found !== undefined && !this.isRestored) {
          this.#onFollowed(node, decodeVolume(found.key, found.value), decodeVolume(write.key, write.value));
        }
        return result;
      },
    };
  }

  #onFollowed({ id, host, name }: SimNode, before: VolumeRecord, volume: VolumeRecord): void {
    this.note(`${name} asks for the head of ${volume.name}`);
    // Not by the volume's record: after a rebuild nobody has said where it is to be.
    const head = this.checks.mirrors.get(volume.name)?.record.head;
    const from = this.nodes.find((node) => node.id === head);
    const isBetter = from !== undefined && this.hosts.didReachOnly(host, from.host);
    this.checks.onFollowed(before, volume, { node: id, isBetter, changedMs: this.hosts.changedMs });
  }

  #onChange(change: Change): void {
    if (this.#anew !== undefined) this.#onAnew(change, this.#anew);
    // What an old copy says is no promise that anybody has made.
    else if (!this.isRestored) this.checks.onChange(change);
    if (!isTold(change.key)) return;
    this.note(`${change.key} ${change.type === 'put' ? textOf(change.value) : 'gone'}`);
  }
}

/** Facts and leases come every second. */
function isTold(key: string): boolean {
  return /^(?:mirrors|mirror-snapshots|cluster\/(?:nodes|volumes|refusals))\//.test(key);
}

/** What matters of it. */
function textOf(value: Uint8Array): string {
  const fields = JSON.parse(Buffer.from(value).toString());
  if (fields.reason !== undefined) return String(fields.reason);
  const { state, head, replicas, leaving, epoch, headStopped, members } = fields;
  const { sizeBytes, wantedSizeBytes: wanted, blocksCount } = fields;
  const places = (all: readonly { uuid: string; node: string }[] = []) =>
    all.map(({ uuid, node }) => `${uuid}@${node}`).join(',');
  if (members === undefined) {
    const left = leaving === undefined ? '' : ` leaving [${places(leaving)}]`;
    const size = `${sizeBytes}${wanted === undefined ? '' : ` -> ${wanted}`} bytes`;
    return `${state} head=${head ?? '-'} [${places(replicas)}]${left} ${size}`;
  }
  if (fields.rests !== undefined) {
    const { uuid, carrying = [], rests, trouble = '' } = fields;
    return `${uuid} ${state} at [${members}] on the way to [${carrying}] rests [${rests}] ${trouble}`;
  }
  const all = (members as readonly { uuid: string; inSync: boolean }[]).map(
    ({ uuid, inSync }) => `${uuid}${inSync ? '+' : '-'}`,
  );
  const stopped = headStopped ? ' stopped' : '';
  return `epoch=${epoch} head=${head}${stopped} [${all.join(' ')}] ${blocksCount} blocks`;
}

function kill({ clock, link }: { readonly clock: ProcessClock; readonly link: StoreLink }): void {
  clock.kill();
  link.cut();
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

function idOf(kind: number, number: number): string {
  return `${kind.toString(16).repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;
}
