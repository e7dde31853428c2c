// The engine of a node without data: pool volumes, replicas and heads, as far as the control plane sees them.
// What a disk keeps outlives the engine. Calls take their time, so that a crash comes between any two.

import { sizeOf } from '../../../src/agent/head-size.js';
import type { AgentEngine } from '../../../src/agent/types.js';
import { replicaNqn } from '../../../src/base/nqn.js';
import { replicaDataName } from '../../../src/base/replica-spec.js';
import { baseSnapshotName } from '../../../src/mirrors/snapshot-records.js';
import type {
  MirrorListeners,
  MirrorMemberOptions,
  MirrorOptions,
  ReplicaContent,
  ReplicaOptions,
  StoreAnswer,
} from '../../../src/native/mirror-types.js';
import type {
  PoolSnapshotInfo,
  PoolSnapshotOptions,
  PoolVolumeInfo,
} from '../../../src/native/pool-types.js';
import type { ConnectedHost, VolumeInfo, VolumeOptions } from '../../../src/native/types.js';
import type { Random } from '../../support/random.js';
import type { ProcessClock } from './sim-clock.js';
import { SimHead } from './sim-head.js';
import { keepAliveMs, type SimHosts } from './sim-hosts.js';

/** Of a replica, on the disk of its node. */
export interface SimReplica {
  readonly uuid: string;
  readonly volumeUuid: string;
  content: ReplicaContent;
  maxEpoch: bigint;
  /** How many acknowledged writes it has. */
  written: number;
  /** UUIDs of members that miss what was written since they left, with the epoch in which that was noted. */
  readonly absent: Map<string, bigint>;
  /** What it has room for, durably. */
  sizeBytes: bigint;
  /** By UUID: their names, and how many acknowledged writes they have. */
  readonly snapshots: Map<string, SimSnapshot>;
  /** UUID of the snapshot as which it began; empty: it began empty. */
  base: string;
  /** It stands on that, and has what clones have in common. */
  readonly isClone: boolean;
}

export interface SimSnapshot {
  readonly name: string;
  readonly written: number;
}

export interface SimDisk {
  /** By name. */
  readonly volumes: Map<string, PoolVolumeInfo>;
  /** By UUID. */
  readonly replicas: Map<string, SimReplica>;
  /** UUIDs of what clones have in common, by the names of their volumes. */
  readonly bases: Map<string, string>;
}

/** What an engine reaches of the others, and what is noted for the checks. */
export interface SimNetwork {
  /** Undefined: its process is not there, or the connection does not come about. */
  engineAt(from: string, host: string): SimEngine | undefined;
  /** Data of a replica is about to be deleted. */
  onDiscard(node: string, replica: string): void;
  /** A head that has this size has acknowledged so many writes of a volume. */
  onWritten(volumeUuid: string, replicas: readonly SimReplica[], sizeBytes: bigint): void;
  onServing(volumeUuid: string, replicas: readonly SimReplica[], sizeBytes: bigint): void;
  /** Who uses volumes. */
  readonly hosts: SimHosts;
}

export interface SimEngineOptions {
  /** UUID, and its address. */
  readonly node: string;
  readonly host: string;
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  readonly clock: ProcessClock;
  readonly random: Random;
}

/** A replica that is served: one head at a time has it. */
export interface ServedReplica {
  readonly disk: SimReplica;
  head: SimHead | undefined;
  silentSinceMs: number | undefined;
}

const lookMs = 100;
/** After so many milliseconds of silence a connection is given up. */
const silentMs = 1_000;

export class SimEngine implements AgentEngine {
  readonly options: SimEngineOptions;
  readonly served = new Map<string, ServedReplica>();
  readonly heads = new Map<string, SimHead>();
  /** What hosts of a volume were told, by its name. */
  readonly toldBytes = new Map<string, bigint>();
  readonly #volumes = new Map<string, VolumeOptions>();
  /** By NQN of the volume, then of the host that is connected: when it was heard last. */
  readonly #heard = new Map<string, Map<string, number>>();
  listeners: MirrorListeners | undefined;

  constructor(options: SimEngineOptions) {
    this.options = options;
    this.#look();
  }

  get alive(): boolean {
    return this.options.clock.alive;
  }

  seal(replica: ServedReplica, head: SimHead, epoch: bigint): void {
    const { uuid } = replica.disk;
    if (replica.head === head) return;
    if (replica.head !== undefined) this.listeners?.onSeal?.(uuid, false);
    replica.disk.maxEpoch = epoch;
    replica.head = head;
    replica.silentSinceMs = undefined;
    this.listeners?.onSeal?.(uuid, true);
  }

  unseal(replica: ServedReplica): void {
    replica.head = undefined;
    replica.silentSinceMs = undefined;
    this.listeners?.onSeal?.(replica.disk.uuid, false);
  }

  listenToMirrors(listeners: MirrorListeners): void {
    this.listeners = listeners;
  }

  answerStore(volume: string, answer: StoreAnswer): void {
    this.heads.get(volume)?.onAnswer(answer);
  }

  async poolVolumes(): Promise<readonly PoolVolumeInfo[]> {
    await this.#pass();
    return [...this.options.disk.volumes.values()];
  }

  async createPoolVolume(_pool: string, { name, uuid, sizeBytes = 0n, thick }: CreateOptions) {
    await this.#pass();
    const { volumes } = this.options.disk;
    if (volumes.has(name)) throw new Error(`there is a pool volume '${name}' already`);
    const made = { name, uuid: uuid ?? '', sizeBytes, thick: thick === true, createdAt: 0, originUuid: '' };
    volumes.set(name, made);
    return made;
  }

  async deletePoolVolume(_pool: string, name: string): Promise<void> {
    await this.#pass();
    const { disk, network, node } = this.options;
    const found = disk.volumes.get(name);
    if (found === undefined) throw new Error(`there is no pool volume '${name}'`);
    const replica = [...disk.replicas.keys()].find((uuid) => replicaDataName(uuid) === name);
    if (replica !== undefined) {
      if (disk.bases.has(name)) throw new Error(`'${name}' has what clones have in common`);
      if ((disk.replicas.get(replica)?.snapshots.size ?? 0) > 0) throw new Error(`'${name}' has snapshots`);
      if (this.served.has(replica)) throw new Error(`the pool volume '${name}' is used`);
      network.onDiscard(node, replica);
      disk.replicas.delete(replica);
    }
    disk.volumes.delete(name);
  }

  async poolSnapshots(_pool: string, volume: string): Promise<readonly PoolSnapshotInfo[]> {
    await this.#pass();
    const snapshots = this.#replicaOf(volume)?.snapshots ?? new Map<string, SimSnapshot>();
    const common = this.options.disk.bases.get(volume);
    const found = common !== undefined && snapshots.has(common) ? undefined : common;
    const base = found === undefined ? [] : [[found, { name: baseSnapshotName }] as const];
    const all = [...base, ...snapshots];
    return all.map(([uuid, { name }]) => ({ name, uuid, sizeBytes: 0n, createdAt: 0 }));
  }

  async createPoolSnapshots(_pool: string, [snapshot]: readonly PoolSnapshotOptions[]) {
    await this.#pass();
    if (snapshot === undefined || snapshot.name !== baseSnapshotName)
      throw new Error('that is taken by heads');
    this.options.disk.bases.set(snapshot.volume, snapshot.uuid);
    return [{ ...snapshot, sizeBytes: 0n, createdAt: 0 }];
  }

  async clonePoolVolume(_pool: string, source: { volume: string; snapshot: string }, options: CreateOptions) {
    const { name, uuid, sizeBytes = 0n, thick } = options;
    await this.#pass();
    const snapshots = [...(this.#replicaOf(source.volume)?.snapshots ?? [])];
    const found = snapshots.find(([, one]) => one.name === source.snapshot);
    if (found === undefined) throw new Error(`there is no snapshot '${source.snapshot}'`);
    const { volumes } = this.options.disk;
    if (volumes.has(name)) throw new Error(`there is a pool volume '${name}' already`);
    const made = { name, uuid, sizeBytes, thick: thick === true, createdAt: 0, originUuid: found[0] };
    volumes.set(name, made);
    return made;
  }

  async deletePoolSnapshot(_pool: string, volume: string, name: string): Promise<void> {
    await this.#pass();
    const { network, node, disk } = this.options;
    const replica = this.#replicaOf(volume);
    const common = name === baseSnapshotName ? disk.bases.get(volume) : undefined;
    disk.bases.delete(name === baseSnapshotName ? volume : '');
    if (common !== undefined && replica === undefined) return;
    const found = [...(replica?.snapshots ?? [])].find(([, snapshot]) => snapshot.name === name);
    if (replica === undefined || found === undefined) throw new Error(`there is no snapshot '${name}'`);
    network.onDiscard(node, replica.uuid); // one goes by its replica only with that
    replica.snapshots.delete(found[0]);
  }

  #replicaOf(volume: string): SimReplica | undefined {
    return [...this.options.disk.replicas.values()].find(({ uuid }) => replicaDataName(uuid) === volume);
  }

  async addReplica({ name, uuid, volume = '', volumeUuid = '', content = 'nothing' }: ReplicaOptions) {
    await this.#pass();
    const { volumes, replicas } = this.options.disk;
    const data = volumes.get(volume);
    if (data === undefined) throw new Error(`there is no pool volume '${volume}'`);
    if (this.served.has(name)) throw new Error(`there is a replica '${name}' already`);
    const { sizeBytes, originUuid: base } = data;
    const blank: SimReplica = {
      ...{ uuid, volumeUuid, content, sizeBytes, base, maxEpoch: 0n, written: 0 },
      ...{ absent: new Map(), snapshots: new Map(), isClone: this.options.disk.bases.has(volume) },
    };
    const disk = replicas.get(uuid) ?? blank;
    const common = this.options.disk.bases.get(volume);
    if (common !== undefined) disk.snapshots.set(common, { name: baseSnapshotName, written: 0 });
    replicas.set(uuid, disk);
    this.served.set(name, { disk, head: undefined, silentSinceMs: undefined });
    return this.#info(name);
  }

  async removeReplica(name: string): Promise<void> {
    await this.#pass();
    this.served.delete(name);
  }

  async replicaInfo(name: string) {
    return this.#info(name);
  }

  async addVolume(options: VolumeOptions): Promise<VolumeInfo> {
    await this.#pass();
    const { name, kind, nqn, uuid, mirror } = options;
    if (this.#volumes.has(name) || mirror === undefined) throw new Error(`volume '${name}' cannot be served`);
    this.#volumes.set(name, options);
    const { blockSizeBytes } = mirror.record;
    const sizeBytes = sizeOf(mirror.record);
    this.toldBytes.set(name, sizeBytes);
    return { name, kind, nqn, uuid: uuid ?? '', nsid: 1, sizeBytes, blockSizeBytes, durable: true };
  }

  async removeVolume(name: string): Promise<void> {
    await this.#pass();
    const served = this.#checkServed(name);
    this.heads.get(name)?.end();
    this.heads.delete(name);
    this.#volumes.delete(name);
    this.toldBytes.delete(name);
    if (served.nqn !== undefined) this.#heard.delete(served.nqn);
  }

  async connectedHosts(nqn: string): Promise<readonly ConnectedHost[]> {
    await this.#pass();
    const nowMs = this.options.clock.steadyMs();
    return [...(this.#heard.get(nqn) ?? [])].map(([host, heardMs]) => {
      return { nqn: host, keepAliveMs, silentMs: nowMs - heardMs, ending: false };
    });
  }

  /** Their connections broke, of those that do not reach this node. */
  breakPaths(): void {
    for (const [nqn, heard] of this.#heard) {
      for (const host of heard.keys()) {
        if (!this.options.network.hosts.reaches(host, this.options.host)) this.#lose(nqn, host);
      }
    }
  }

  async setAnaState(name: string): Promise<void> {
    await this.#pass();
    this.#checkServed(name);
  }

  async setHosts(): Promise<void> {
    await this.#pass();
  }

  async setQos(name: string): Promise<void> {
    await this.#pass();
    this.#checkServed(name);
  }

  async mirrorInfo(volume: string) {
    await this.#pass();
    const head = this.#head(volume);
    const { state, record, isChanging: changing, growthTrouble: changeTrouble } = head;
    const snapshots = head.snapshots.info;
    const counts = { unreconciledRegions: 0, markedRegions: 0, resyncBytesPerSecond: 0n };
    const trouble = changeTrouble === undefined ? {} : { changeTrouble };
    return {
      volume,
      state,
      activity: state,
      record,
      changing,
      members: [],
      ...counts,
      ...trouble,
      ...snapshots,
    };
  }

  async addMirrorMember(volume: string, member: MirrorMemberOptions): Promise<void> {
    await this.#pass();
    this.#head(volume).add(member);
  }

  async removeMirrorMember(volume: string, uuid: string): Promise<void> {
    await this.#pass();
    this.#head(volume).remove(uuid);
  }

  async setMirrorResyncRate(): Promise<void> {}

  async startMirrorVerify(): Promise<void> {}

  async snapshotMirror(volume: string, uuid: string, name: string): Promise<void> {
    await this.#pass();
    this.#head(volume).snapshots.take(uuid, name);
  }

  async deleteMirrorSnapshot(volume: string, uuid: string): Promise<void> {
    await this.#pass();
    this.#head(volume).snapshots.remove(uuid);
  }

  async carryMirrorSnapshot(volume: string, uuid: string, from: string, to: string): Promise<void> {
    await this.#pass();
    this.#head(volume).snapshots.carry(uuid, from, to);
  }

  async cancelMirrorCarry(volume: string): Promise<void> {
    await this.#pass();
    this.#head(volume).snapshots.cancelCarry();
  }

  async memberSnapshots(volume: string, replica: string): Promise<readonly string[]> {
    await this.#pass();
    return this.#head(volume).snapshots.list(replica);
  }

  async growMirror(volume: string, sizeBytes: bigint): Promise<void> {
    await this.#pass();
    this.#head(volume).grow(sizeBytes);
  }

  async resizeMirror(volume: string): Promise<bigint> {
    await this.#pass();
    this.#checkServed(volume);
    return this.#tellSize(volume, sizeOf(this.#head(volume).record));
  }

  async cancelMirrorVerify(): Promise<void> {}

  async promoteMirror(volume: string, mirror: MirrorOptions): Promise<void> {
    await this.#pass();
    const served = this.#checkServed(volume);
    const before = this.heads.get(volume);
    if (before !== undefined && !before.isOver) throw new Error(`volume '${volume}' has a head here already`);
    before?.end();
    const { network, clock, random, host } = this.options;
    const head = new SimHead({
      ...{ mirror, host, clock, random, volumeUuid: served.uuid ?? '' },
      ask: (expectedRevision, wanted) => this.listeners?.onStoreRequest({ volume, expectedRevision, wanted }),
      told: (state) => this.listeners?.onHeadState?.(volume, state),
      reach: ({ address }) => network.engineAt(host, address?.host ?? host),
      network,
    });
    this.heads.set(volume, head);
    this.#tellSize(volume, sizeOf(mirror.record));
    head.start();
  }

  async demoteMirror(volume: string): Promise<void> {
    await this.#pass();
    this.#checkServed(volume);
    const head = this.heads.get(volume);
    if (head === undefined) return;
    await head.stop();
    if (this.heads.get(volume) === head) this.heads.delete(volume);
  }

  #tellSize(volume: string, sizeBytes: bigint): bigint {
    const told = this.toldBytes.get(volume) ?? 0n;
    const next = sizeBytes > told ? sizeBytes : told;
    this.toldBytes.set(volume, next);
    return next;
  }

  #head(volume: string): SimHead {
    const head = this.heads.get(volume);
    if (head === undefined) throw new Error(`volume '${volume}' has no head here`);
    return head;
  }

  #checkServed(name: string): VolumeOptions {
    const found = this.#volumes.get(name);
    if (found === undefined) throw new Error(`volume '${name}' is not served`);
    return found;
  }

  #info(name: string) {
    const found = this.served.get(name);
    if (found === undefined) throw new Error(`there is no replica '${name}'`);
    const { uuid, volumeUuid, content, maxEpoch, sizeBytes } = found.disk;
    const absent = [...found.disk.absent].map(([member, sinceEpoch]) => ({ uuid: member, sinceEpoch }));
    return {
      ...{ name, uuid, content, maxEpoch, nqn: replicaNqn(uuid) },
      ...(volumeUuid !== '' && { volumeUuid }),
      ...{ sizeBytes, sizeMaxBytes: 1n << 36n },
      ...{ blockSizeBytes: 4096, unusable: false, markedRegions: 0, absentMembers: absent.length },
      absent,
      sealed: found.head !== undefined,
    };
  }

  /** A head that is gone is noticed soon, one that only cannot be reached after a while. */
  #look(): void {
    const { clock, network, host } = this.options;
    clock.after(lookMs, () => this.#look());
    this.#hear();
    for (const replica of this.served.values()) {
      const { head } = replica;
      if (head === undefined) continue;
      const isThere = head.alive && network.engineAt(head.host, host) === this;
      if (isThere) replica.silentSinceMs = undefined;
      else replica.silentSinceMs ??= clock.steadyMs();
      const silent = replica.silentSinceMs ?? clock.steadyMs();
      if (!head.alive || clock.steadyMs() - silent >= silentMs) this.unseal(replica);
    }
  }

  #hear(): void {
    const { clock, network, host: address } = this.options;
    const nowMs = clock.steadyMs();
    for (const { nqn } of this.#volumes.values()) {
      const heard = this.#heard.get(nqn) ?? new Map<string, number>();
      this.#heard.set(nqn, heard);
      for (const host of network.hosts.nqns) {
        const silentMs = nowMs - (heard.get(host) ?? Number.NEGATIVE_INFINITY);
        if (silentMs >= keepAliveMs / 2 && network.hosts.reaches(host, address)) heard.set(host, nowMs);
        else if (heard.has(host) && silentMs >= keepAliveMs) this.#lose(nqn, host);
      }
    }
  }

  #lose(nqn: string, host: string): void {
    const heard = this.#heard.get(nqn);
    const silentMs = this.options.clock.steadyMs() - (heard?.get(host) ?? 0);
    heard?.delete(host);
    this.listeners?.onHostLost?.(nqn, { nqn: host, keepAliveMs, silentMs });
  }

  #pass(): Promise<void> {
    const { clock, random } = this.options;
    return clock.sleep(1 + random.below(random.below(20) === 0 ? 400 : 6));
  }
}

type CreateOptions = Parameters<AgentEngine['createPoolVolume']>[1];
