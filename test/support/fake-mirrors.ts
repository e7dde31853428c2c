// Replicas and heads of mirrored volumes in memory. Replicas outlive an engine: their map is the disks'. A
// head does nothing by itself: a test asks in its name, and reads what it was answered.
import { MirrorNotFoundError, ReplicaOpenError } from '../../src/base/mirror-errors.js';
import { replicaNqn } from '../../src/base/nqn.js';
import { nobody } from '../../src/mirrors/record.js';
import type {
  MirrorCarry,
  MirrorInfo,
  MirrorListeners,
  MirrorMemberInfo,
  MirrorMemberOptions,
  MirrorOptions,
  MirrorRecord,
  MirrorSnapshot,
  MirrorSnapshotRemoval,
  MirrorVerify,
  ReplicaInfo,
  ReplicaOptions,
  StoreAnswer,
} from '../../src/native/mirror-types.js';

const blankBytes = 1n << 24n;

interface FakeHead {
  options: MirrorOptions;
  record: MirrorRecord;
  readonly answers: StoreAnswer[];
  members: readonly MirrorMemberInfo[];
  changing: boolean;
  verify?: MirrorVerify;
  snapshot?: MirrorSnapshot;
  snapshotRemoval?: MirrorSnapshotRemoval;
  carry?: MirrorCarry;
  waiting: ((answer: StoreAnswer) => void) | undefined;
}

export class FakeMirrors {
  readonly replicas = new Map<string, ReplicaInfo>();
  readonly asked: ReplicaOptions[] = [];
  readonly heads = new Map<string, FakeHead>();
  listeners: MirrorListeners | undefined;

  constructor(
    readonly places: Map<string, ReplicaInfo>,
    readonly poolVolumeBytes: (pool: string, volume: string) => bigint,
  ) {}

  async addReplica(options: ReplicaOptions): Promise<ReplicaInfo> {
    const { name, path, pool = '', volume = '', uuid, volumeUuid, blockSizeBytes = 4096 } = options;
    this.asked.push(options);
    if (this.replicas.has(name)) throw new ReplicaOpenError(name, 'there is one of this name');
    const place = path ?? `${pool}/${volume}`;
    const sizeBytes = path ? (options.sizeBytes ?? blankBytes) : this.poolVolumeBytes(pool, volume);
    const kept: ReplicaInfo = this.places.get(place) ?? {
      ...{ name, uuid, nqn: replicaNqn(uuid), sizeBytes, blockSizeBytes },
      ...(volumeUuid !== undefined && { volumeUuid }),
      sizeMaxBytes: 16n * sizeBytes,
      content: options.content ?? 'nothing',
      maxEpoch: 0n,
      ...{ unusable: false, markedRegions: 0, absentMembers: 0, absent: [], sealed: false },
    };
    const info = { ...kept, name };
    this.places.set(place, info);
    this.replicas.set(name, info);
    return info;
  }

  async removeReplica(name: string): Promise<void> {
    this.replicas.delete(name);
  }

  async replicaInfo(name: string): Promise<ReplicaInfo> {
    const found = this.replicas.get(name);
    if (found === undefined) throw new ReplicaOpenError(name, 'there is none of this name');
    return found;
  }

  add(volume: string, options: MirrorOptions): void {
    const { record } = options;
    const members = record.members.map(({ uuid, inSync }) => ({
      ...{ uuid, state: inSync ? 'in_sync' : 'down' },
      ...{ resyncDoneBytes: 0n, resyncTotalBytes: 0n },
    }));
    this.heads.set(volume, { options, record, answers: [], members, changing: false, waiting: undefined });
  }

  promote(volume: string, options: MirrorOptions): void {
    const head = this.head(volume);
    head.options = { ...options, standby: false };
    head.record = options.record;
  }

  demote(volume: string): void {
    const head = this.head(volume);
    head.options = { ...head.options, standby: true };
  }

  head(volume: string): FakeHead {
    const found = this.heads.get(volume);
    if (found === undefined) throw new MirrorNotFoundError(volume);
    return found;
  }

  /** What its head does to change its record; resolves with the answer. */
  ask(volume: string, change: Partial<MirrorRecord>): Promise<StoreAnswer> {
    const head = this.head(volume);
    return new Promise((resolve) => {
      head.waiting = resolve;
      const wanted = { ...head.record, ...change };
      this.listeners?.onStoreRequest({ volume, expectedRevision: head.record.revision, wanted });
    });
  }

  answerStore(volume: string, answer: StoreAnswer): void {
    const head = this.head(volume);
    head.answers.push(answer);
    if (answer.kind !== 'unavailable') head.record = answer.current;
    head.waiting?.(answer);
    head.waiting = undefined;
  }

  async addMirrorMember(volume: string, { uuid }: MirrorMemberOptions): Promise<void> {
    const { record } = this.head(volume);
    const member = { uuid, inSync: false, sealedEpoch: 0n };
    const free = record.members.findIndex((one) => one.uuid === nobody);
    const members = free < 0 ? [...record.members, member] : record.members.with(free, member);
    this.#change(volume, members);
  }

  async removeMirrorMember(volume: string, uuid: string): Promise<void> {
    const { record } = this.head(volume);
    const members = record.members.map((one) =>
      one.uuid === uuid ? { uuid: nobody, inSync: false, sealedEpoch: 0n } : one,
    );
    while (members.at(-1)?.uuid === nobody) members.pop();
    this.#change(volume, members);
  }

  /** As a head: begun, and done when the store has answered. */
  #change(volume: string, members: MirrorRecord['members']): void {
    const head = this.head(volume);
    head.changing = true;
    void this.ask(volume, { members }).then(() => {
      head.changing = false;
    });
  }

  /** Why its members do not become larger. */
  growthTrouble: string | undefined;

  growMirror(volume: string, sizeBytes: bigint): void {
    const head = this.head(volume);
    head.changing = true;
    if (this.growthTrouble !== undefined) {
      head.changing = false;
      return;
    }
    const blocksCount = sizeBytes / BigInt(head.record.blockSizeBytes);
    void this.ask(volume, { blocksCount }).then(() => {
      head.changing = false;
    });
  }

  /** Why its members take no snapshot. */
  snapshotTrouble: string | undefined;
  /** UUIDs of snapshots, by those of the replicas that have them. */
  readonly taken = new Map<string, Set<string>>();

  snapshot(volume: string, uuid: string): void {
    const head = this.head(volume);
    const trouble = this.snapshotTrouble;
    const members = head.record.members.flatMap((one) => (one.inSync ? one.uuid : []));
    for (const member of members) this.taken.set(member, (this.taken.get(member) ?? new Set()).add(uuid));
    head.snapshot = {
      ...{ uuid, sizeBytes: this.sizeOf(volume), heldMs: 1.5, members },
      ...(trouble === undefined ? { state: 'done' } : { state: 'failed', trouble, members: [] }),
    };
  }

  deleteSnapshot(volume: string, uuid: string): void {
    const head = this.head(volume);
    const members = head.members.filter(({ state }) => state === 'in_sync').map((one) => one.uuid);
    for (const member of members) this.taken.get(member)?.delete(uuid);
    head.snapshotRemoval = { uuid, running: false, members };
  }

  /** UUIDs of replicas, in the order in which they were asked what they have. */
  readonly listed: string[] = [];
  /** UUIDs of replicas that cannot say what they have. */
  readonly mute = new Set<string>();

  listSnapshots(volume: string, replica: string): readonly string[] | undefined {
    const found = this.head(volume).record.members.find(({ uuid }) => uuid === replica);
    if (found?.inSync !== true) throw new Error(`${replica} is not in sync`);
    this.listed.push(replica);
    if (this.mute.has(replica)) return undefined;
    return [...(this.taken.get(replica) ?? [])];
  }

  /** Why nothing is carried. */
  carryTrouble: string | undefined;
  /** What is begun to be carried does not end before endCarry(). */
  holdsCarries = false;
  /** "SNAPSHOT FROM TO" by their UUIDs, in the order in which they were begun. */
  readonly carried: string[] = [];

  carry(volume: string, snapshot: string, from: string, to: string): void {
    const head = this.head(volume);
    if (!this.taken.get(from)?.has(snapshot)) throw new Error(`${from} does not have ${snapshot}`);
    this.carried.push(`${snapshot} ${from} ${to}`);
    const totalBytes = this.sizeOf(volume);
    const found = { snapshot, from, to, doneBytes: 4096n, totalBytes, movedBytes: 4096n };
    head.carry = { ...found, state: 'running' };
    if (!this.holdsCarries) this.endCarry(volume, this.carryTrouble);
  }

  endCarry(volume: string, trouble?: string): void {
    const head = this.head(volume);
    const { carry } = head;
    if (carry?.state !== 'running') return;
    if (trouble !== undefined) {
      head.carry = { ...carry, state: 'failed', trouble };
      return;
    }
    this.taken.set(carry.to, (this.taken.get(carry.to) ?? new Set()).add(carry.snapshot));
    head.carry = { ...carry, state: 'done', doneBytes: carry.totalBytes };
  }

  cancelCarry(volume: string): void {
    const head = this.head(volume);
    if (head.carry?.state === 'running') head.carry = { ...head.carry, state: 'cancelled' };
  }

  sizeOf(volume: string): bigint {
    const { record } = this.head(volume);
    return record.blocksCount * BigInt(record.blockSizeBytes);
  }

  setResyncRate(volume: string, resyncBytesPerSecond: bigint): void {
    const head = this.head(volume);
    head.options = { ...head.options, resyncBytesPerSecond };
  }

  startVerify(volume: string): void {
    const totalBytes = this.sizeOf(volume);
    this.head(volume).verify = {
      ...{ state: 'running', doneBytes: 0n, totalBytes, differentBytes: 0n },
      ...{ unreadableBytes: 0n, differences: [], unable: [] },
    };
  }

  cancelVerify(volume: string): void {
    const head = this.head(volume);
    if (head.verify !== undefined) head.verify = { ...head.verify, state: 'cancelled' };
  }

  async mirrorInfo(volume: string): Promise<MirrorInfo> {
    const { record, members, changing, options, verify, ...done } = this.head(volume);
    const { snapshot, snapshotRemoval, carry } = done;
    const trouble = this.growthTrouble === undefined ? {} : { changeTrouble: this.growthTrouble };
    const found = verify === undefined ? trouble : { verify, ...trouble };
    const resyncBytesPerSecond = options.resyncBytesPerSecond ?? 0n;
    const counts = { unreconciledRegions: 3, markedRegions: 2, resyncBytesPerSecond };
    const snapshots = {
      ...(snapshot !== undefined && { snapshot }),
      ...(snapshotRemoval !== undefined && { snapshotRemoval }),
      ...(carry !== undefined && { carry }),
    };
    const info = { volume, record, members, changing, ...counts, ...found, ...snapshots };
    if (options.standby === true) return { ...info, state: 'standby', activity: 'standby' };
    return { ...info, state: 'serving', activity: 'degraded' };
  }
}
