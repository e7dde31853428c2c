// One volume of the cluster on this node: its replica is there, the volume is served, standby or head; or
// its data is gone, where a record says so. Each step looks at what is there and does what is missing, so
// it may be cut off anywhere and begun again.
import type { Clock } from '../base/clock.js';
import { StoreRestoredError } from '../base/cluster-errors.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import { replicaNqn } from '../base/nqn.js';
import { engineLimits } from '../base/qos.js';
import { replicaDataName, replicaMetadataName } from '../base/replica-spec.js';
import type { StillSo } from '../cluster/lineage/lineage-watch.js';
import type { NodeVolumeFacts, ResyncFacts } from '../cluster/model/facts.js';
import { volumeKey } from '../cluster/model/keys.js';
import { decodeMirror, realMembers } from '../mirrors/record.js';
import { type MirrorRecords, mirrorsPrefix } from '../mirrors/records.js';
import type { SnapshotRecords } from '../mirrors/snapshot-records.js';
import type { StoreBridge } from '../mirrors/store-bridge.js';
import type { HeadState, MirrorOptions, MirrorRecord, ReplicaInfo } from '../native/mirror-types.js';
import { ensureClone, isOriginal } from './clone.js';
import { ensureMembers, memberOptions } from './head-members.js';
import { ensureSize, sizeOf } from './head-size.js';
import type { StandbyVolume } from './host-moves.js';
import type { PoolNames } from './pool-names.js';
import { isUrgent, type ReplicaNotes, type SeenRecords } from './replica-notes.js';
import type { ReplicaPlace } from './takeover.js';
import type { AgentEngine, WantedVolume } from './types.js';
import { VolumeRole } from './volume-role.js';

/** A member that takes longer is left out: as soon as one that is silent is noticed. */
const latencyBudgetMs = 3_000;
/** How long a node that ends waits for another one to go on with what it was head of. */
export const nextHeadMsMax = 2_000;

export interface NodeVolumeOptions {
  readonly engine: AgentEngine;
  readonly poolNames: Pick<PoolNames, 'of'>;
  readonly records: Pick<MirrorRecords, 'get'>;
  readonly bridge: Pick<StoreBridge, 'serve'>;
  /** Where the records are noted beside the replica; absent: nowhere. */
  readonly notes?: Pick<ReplicaNotes, 'put' | 'putSoon' | 'delete'>;
  readonly snapshots: Pick<SnapshotRecords, 'forgetMember' | 'list' | 'noteBase'>;
  /** The store says less than the disks of this node: it is not that of the cluster. */
  readonly refuseStore?: (reason: string, isStillSo: StillSo) => void;
  /** UUID of this node, and who it is to replicas of others. */
  readonly node: string;
  readonly host: HostIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

export class NodeVolume {
  readonly #options: NodeVolumeOptions;
  readonly #here: ReplicaPlace;
  #wanted: WantedVolume;
  /** What stands beside the replica. */
  #noted: SeenRecords | undefined;
  /** As it was when hosts and limits were set last. */
  #told: WantedVolume | undefined;
  #role: VolumeRole | undefined;
  #record: MirrorRecord | undefined;
  #used = false;
  #onRecord = () => {};
  #hasReplica = false;
  #isServed = false;
  #isDiscarded = false;
  /** The records of this store say what is here of the origin of a clone. */
  #isBaseNoted = false;
  #isHeld = false;
  #error: string | undefined;
  /** Of the record by which hosts are let in. */
  #hostsRevision: bigint | undefined;
  /** The size that hosts are told here. */
  #toldBytes = 0n;
  #sizeMaxBytes: bigint | undefined;

  /** Fails when no replica of it is of this node: who calls has mixed something up. */
  constructor(options: NodeVolumeOptions, wanted: WantedVolume) {
    const here = wanted.replicas.find(({ node }) => node === options.node);
    if (here === undefined) throw new Error(`volume '${wanted.name}' has no replica of node ${options.node}`);
    this.#options = options;
    this.#here = here;
    this.#wanted = wanted;
  }

  get name(): string {
    return this.#wanted.name;
  }

  /** What the engine calls its replica. */
  get replica(): string {
    return this.#here.replica;
  }

  /** It began as a clone. */
  get isClone(): boolean {
    return this.#wanted.originSnapshot !== undefined;
  }

  /** A head of it serves here. */
  get isHead(): boolean {
    return this.#role?.state === 'serving';
  }

  get nqn(): string {
    return this.#wanted.nqn;
  }

  /** Of the head here that serves; undefined: there is none. */
  get headEpoch(): bigint | undefined {
    const record = this.#record;
    const isHead = this.#role?.state === 'serving' && record?.head === this.#options.node;
    return isHead ? record?.epoch : undefined;
  }

  /** Undefined: it could not become head. */
  get standby(): StandbyVolume | undefined {
    const [record, role, { uuid, nqn, state }] = [this.#record, this.#role, this.#wanted];
    if (record === undefined || role?.state !== 'standby' || this.#isHeld) return undefined;
    if (state !== 'ready' || !this.#isInSync()) return undefined;
    return { uuid, nqn, record, recordSinceMs: role.recordSinceMs };
  }

  async facts(): Promise<NodeVolumeFacts> {
    const resync = await this.#resync();
    return {
      replica: this.replica,
      state: this.#isDiscarded ? 'discarded' : (this.#role?.state ?? 'absent'),
      ...(this.#error !== undefined && { error: this.#error }),
      ...(resync.length > 0 && { resync }),
      ...(this.#hostsRevision !== undefined && { hostsRevision: this.#hostsRevision }),
      ...(this.#sizeMaxBytes !== undefined && { sizeMaxBytes: this.#sizeMaxBytes }),
    };
  }

  /** Of the head here, which is asked only while somebody is not in sync. */
  async #resync(): Promise<readonly ResyncFacts[]> {
    const members = realMembers(this.#record ?? { members: [] });
    if (this.#role?.state !== 'serving' || members.every(({ inSync }) => inSync)) return [];
    try {
      const info = await this.#options.engine.mirrorInfo(this.#wanted.name);
      return info.members.flatMap(({ uuid, resyncDoneBytes: doneBytes, resyncTotalBytes: totalBytes }) =>
        totalBytes > 0n ? [{ replica: uuid, doneBytes, totalBytes }] : [],
      );
    } catch {
      return []; // it ended meanwhile
    }
  }

  /** True: all is as it should be. False: something was in the way or goes on; to be called again. */
  async ensure(wanted: WantedVolume): Promise<boolean> {
    this.#wanted = wanted;
    try {
      const isDone = await this.#step();
      this.#error = undefined;
      return isDone;
    } catch (error) {
      // Where it is not served no host can do anything; when it is, that is by this record or a later one.
      if (!this.#isServed) this.#hostsRevision = wanted.revision;
      this.#fail(error);
      return false;
    }
  }

  /** As the store has it now. */
  setRecord(record: MirrorRecord): void {
    this.#record = record;
    this.#role?.setRecord(record);
    this.#onRecord();
  }

  /** It is told again, or read when it is needed. */
  forgetRecord(): void {
    this.#isBaseNoted = false;
    this.#record = undefined;
    this.#role?.forgetRecord();
  }

  /** See VolumeRole. */
  setHeld(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#role?.setHeld(isHeld);
  }

  setUsed(used: boolean): void {
    this.#used = used;
    this.#role?.setUsed(used);
  }

  setHeadState(state: HeadState): void {
    this.#role?.setState(state);
  }

  /** Decides nothing any more; what is served stays so. */
  async close(): Promise<void> {
    await this.#role?.close();
    this.#role = undefined;
  }

  /**
   * The same, and a head here ends in order, so that another one need not wait for it. Resolves when another
   * one has taken over, also if the head here had ended before; or did not in time.
   */
  async handOver(): Promise<void> {
    await this.#role?.handOver();
    this.#role = undefined;
    await this.#nextHead();
  }

  /** Until the next head has taken over: a replica that goes away before that would have to be waited for. */
  async #nextHead(): Promise<void> {
    const others = this.#wanted.replicas.filter(({ replica, up }) => up && replica !== this.replica);
    if (others.length === 0 || !this.#isInSync() || this.#isTakenOver()) return;
    await new Promise<void>((resolve) => {
      const forget = this.#options.clock.after(nextHeadMsMax, resolve);
      this.#onRecord = () => {
        if (!this.#isTakenOver()) return;
        forget();
        resolve();
      };
    });
  }

  /** By the record: its members are sealed by another head, and that is agreed on. */
  #isTakenOver(): boolean {
    const { head, headStopped, epoch, members = [] } = this.#record ?? {};
    return head !== this.#options.node && !headStopped && members.some((one) => one.sealedEpoch === epoch);
  }

  /** By the record: the next head seals the replica here, and waits for it. */
  #isInSync(): boolean {
    return this.#record?.members.some(({ uuid, inSync }) => inSync && uuid === this.replica) === true;
  }

  /** Not served here any more, its head ends; the replica's data stays in its pool. Idempotent. */
  async remove(): Promise<void> {
    await this.close();
    const { engine } = this.#options;
    if (this.#isServed) await engine.removeVolume(this.#wanted.name);
    this.#isServed = false;
    if (this.#hasReplica) await engine.removeReplica(this.replica);
    this.#hasReplica = false;
  }

  async #step(): Promise<boolean> {
    if (this.#wanted.state === 'deleting') return this.#discard();
    const record = await this.#readRecord();
    // What is known may be older than the order that names the replica: the store is asked before data goes.
    if (this.#hasLeft(record) && this.#hasLeft(await this.#storedRecord())) return this.#discard();
    await this.#ensureReplica(record);
    await this.#noteBase();
    await this.#endSmaller(record);
    await this.#note();
    await this.#ensureServed(record);
    await this.#ensureAllowed();
    this.#tellCluster();
    const isTold = await this.#tellSize();
    return (await this.#ensureMembers()) && (await this.#ensureSize()) && isTold;
  }

  /** Before a head here changes who is a member: who comes next has to be known by somebody in sync. */
  async #note(): Promise<void> {
    const [mirror, { record: volume }] = [this.#record, this.#wanted];
    if (mirror === undefined || volume === undefined) return;
    const [noted, seen, { notes }] = [this.#noted, { mirror, volume }, this.#options];
    if (noted?.mirror === mirror && noted.volume === volume) return;
    if (noted === undefined || isUrgent(noted, seen)) await notes?.put(this.replica, seen);
    else notes?.putSoon(this.replica, seen);
    this.#noted = seen;
  }

  async #readRecord(): Promise<MirrorRecord> {
    this.#record ??= await this.#storedRecord();
    return this.#record;
  }

  async #storedRecord(): Promise<MirrorRecord> {
    const stored = await this.#options.records.get(this.#wanted.name);
    if (stored === undefined) throw new Error('its record is not in the store yet');
    return stored.record;
  }

  /** It was to leave, and is no member any more. */
  #hasLeft({ members }: MirrorRecord): boolean {
    return !this.#wanted.members.includes(this.replica) && members.every(({ uuid }) => uuid !== this.replica);
  }

  /** Only what a record of the volume names is deleted, by its UUID. */
  async #discard(): Promise<true> {
    if (this.#isDiscarded) return true;
    await this.remove();
    const { engine, poolNames, log } = this.#options;
    const { pool, name } = this.#wanted;
    const there = await poolNames.of(pool);
    const data = replicaDataName(this.replica);
    const snapshots = there.has(data) ? await engine.poolSnapshots(pool, data) : [];
    for (const snapshot of snapshots) await engine.deletePoolSnapshot(pool, data, snapshot.name);
    for (const one of [data, replicaMetadataName(this.replica)]) {
      if (there.has(one)) await engine.deletePoolVolume(pool, one);
    }
    await this.#options.notes?.delete(this.replica);
    this.#isDiscarded = true;
    log.info({ room: 'agent', volume: name }, `volume '${name}': the data of the replica here is deleted`);
    return true;
  }

  async #ensureReplica(record: MirrorRecord): Promise<void> {
    if (this.#hasReplica) return;
    const { engine, poolNames, snapshots } = this.#options;
    const { pool, sizeBytes, thick, uuid: volumeUuid } = this.#wanted;
    const uuid = this.replica;
    const volume = replicaDataName(uuid);
    const there = await poolNames.of(pool);
    // Nobody has ever written to the volume: what is empty is all of it. Later only a copy can make it so.
    const isFirst = record.epoch === 0n && (await this.#isOriginal());
    if (isFirst && this.#wanted.originReplica !== undefined) {
      await ensureClone(engine, this.#wanted, uuid);
    } else if (!there.has(volume)) {
      // Of a disk that was replaced: nobody is to rely on snapshots that were on the one before.
      if (!isFirst) await snapshots.forgetMember(this.name, uuid);
      await engine.createPoolVolume(pool, { name: volume, uuid, sizeBytes, thick });
    }
    const content = isFirst ? 'complete' : 'nothing';
    const hosts = headsOf(this.#wanted);
    const replica = { name: uuid, pool, volume, uuid, volumeUuid, content, hosts } as const;
    const info = await engine.addReplica(replica);
    this.#sizeMaxBytes = info.sizeMaxBytes;
    this.#hasReplica = true;
    await this.#checkEpoch(info, record);
  }

  /**
   * Of a clone what is known may be older than what was written to it: an empty one cannot be told by that.
   */
  async #isOriginal(): Promise<boolean> {
    if (this.#wanted.originSnapshot === undefined) return true;
    return isOriginal(this.#wanted) && (await this.#storedRecord()).epoch === 0n;
  }

  /** As the disk says, whatever became of it or of the records. */
  async #noteBase(): Promise<void> {
    if (!this.isClone || this.#isBaseNoted) return;
    const { engine, snapshots } = this.#options;
    const { name, uuid, pool, sizeBytes, revision } = this.#wanted;
    const there = await engine.poolSnapshots(pool, replicaDataName(this.replica));
    const base = { uuid, sizeBytes, isThere: there.some((one) => one.uuid === uuid) };
    await snapshots.noteBase(name, this.replica, base, { key: volumeKey(name), revision });
    this.#isBaseNoted = true;
  }

  /** Every epoch was in the store before a head sealed a replica in it. */
  async #checkEpoch({ maxEpoch }: ReplicaInfo, record: MirrorRecord): Promise<void> {
    if (maxEpoch <= record.epoch) return;
    const { name } = this.#wanted;
    const { epoch } = await this.#storedRecord(); // what is known may be older than the seal
    if (maxEpoch <= epoch) return;
    const reason = `the replica of '${name}' there was used in epoch ${maxEpoch}, and it knows ${epoch}`;
    this.#options.refuseStore?.(reason, async (store) => {
      const key = mirrorsPrefix + name;
      const found = (await store.list(key)).entries.find((one) => one.key === key);
      if (found === undefined) return true;
      return decodeMirror(name, found.value, found.revision).record.epoch < maxEpoch;
    });
    throw new StoreRestoredError(reason);
  }

  /**
   * The engine of a standby says the size with which the volume was added, until it is head. Hosts that find
   * another size on one path than on the others take either one: so it is added anew, and they come back.
   */
  async #endSmaller(record: MirrorRecord): Promise<void> {
    if (this.#role?.state !== 'standby' || sizeOf(record) <= this.#toldBytes) return;
    await this.#role.handOver(); // it may have become head just now
    this.#role = undefined;
    await this.#options.engine.removeVolume(this.#wanted.name);
    this.#isServed = false;
  }

  async #ensureServed(record: MirrorRecord): Promise<void> {
    if (this.#role !== undefined) return;
    const { engine, records, bridge, clock, log } = this.#options;
    const { name, nqn, uuid, hosts, qos } = this.#wanted;
    const mirror = { ...(await this.#mirrorOptions(record)), standby: true };
    if (!this.#isServed) {
      await engine.addVolume({
        ...{ name, kind: 'mirror', nqn, uuid, mirror, anaState: 'inaccessible' },
        ...(hosts !== undefined && { hosts }),
        ...(qos !== undefined && { qos: engineLimits(qos) }),
      });
      this.#told = this.#wanted;
      this.#toldBytes = sizeOf(record);
    }
    this.#isServed = true;
    this.#role = new VolumeRole({
      ...{ name, volumeUuid: uuid, here: this.#here, engine, clock, log },
      readRecord: async () => (await records.get(name))?.record,
      mirrorOptions: (of) => this.#mirrorOptions(of),
      serveStore: (volumeUuid, of) => bridge.serve(name, volumeUuid, of),
    });
    if (this.#isHeld) this.#role.setHeld(true);
    if (this.#used) this.#role.setUsed(true);
    this.#role.setRecord(this.#record ?? record);
  }

  /** Who may connect, and how fast; as it changes. */
  async #ensureAllowed(): Promise<void> {
    const [wanted, told, { engine }] = [this.#wanted, this.#told, this.#options];
    if (told === undefined) return;
    if (differ(wanted.hosts, told.hosts)) await engine.setHosts(wanted.nqn, wanted.hosts);
    if (differ(wanted.qos, told.qos)) await engine.setQos(wanted.name, engineLimits(wanted.qos ?? {}));
    if (wanted.replicas !== told.replicas) {
      const heads = headsOf(wanted);
      if (differ(heads, headsOf(told))) await engine.setHosts(replicaNqn(this.replica), heads);
    }
    this.#told = wanted;
    this.#hostsRevision = wanted.revision;
  }

  /** Only a head changes them. */
  async #ensureMembers(): Promise<boolean> {
    const [record, wanted] = [this.#record, this.#wanted];
    if (record === undefined || this.#role?.state !== 'serving' || wanted.state !== 'ready') return true;
    return ensureMembers(this.#options, wanted, record, this.replica);
  }

  /** Only a head makes it larger. */
  async #ensureSize(): Promise<boolean> {
    const [record, wanted] = [this.#record, this.#wanted];
    if (record === undefined || this.#role?.state !== 'serving' || wanted.state !== 'ready') return true;
    return ensureSize(this.#options.engine, wanted, record);
  }

  /** Hosts see what the record says, once the head here knows it too. */
  async #tellSize(): Promise<boolean> {
    const record = this.#record;
    if (record === undefined || this.#role?.state !== 'serving') return true;
    if (sizeOf(record) <= this.#toldBytes) return true;
    this.#toldBytes = await this.#options.engine.resizeMirror(this.#wanted.name);
    return sizeOf(record) <= this.#toldBytes;
  }

  async #mirrorOptions(record: MirrorRecord): Promise<MirrorOptions> {
    const { node, host } = this.#options;
    const members = record.members.map(({ uuid }) => memberOptions(this.#wanted, uuid, this.replica));
    return { members: await Promise.all(members), record, node, ...host, latencyBudgetMs };
  }

  #tellCluster(): void {
    const { replicas, head, state } = this.#wanted;
    // Nobody is to be its head before all replicas are there: who came late would have to be copied to.
    const up = state === 'ready' ? replicas.filter((one) => one.up) : [];
    this.#role?.setCluster(up, head);
  }

  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.#error) {
      const { log } = this.#options;
      const { name } = this.#wanted;
      log.warn(
        { room: 'agent', volume: name, err: error },
        `volume '${name}' is not as it should be: ${text}`,
      );
    }
    this.#error = text;
  }
}

/** Who may be a head of the volume, to its replicas. */
function headsOf({ replicas }: WantedVolume): readonly string[] {
  return [...new Set(replicas.map(({ hostNqn }) => hostNqn))].sort();
}

function differ(one: unknown, other: unknown): boolean {
  return one !== other && JSON.stringify(one) !== JSON.stringify(other);
}
