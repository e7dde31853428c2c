// A head without data: claims an epoch by the store, seals replicas, agrees with the store on who is in sync,
// then counts writes that all of them have; leaves out who is away, and copies to who is back. It follows
// docs/replication.md as far as the control plane can tell.

import { sizeOf } from '../../../src/agent/head-size.js';
import { nobody, realMembers } from '../../../src/mirrors/record.js';
import type {
  HeadState,
  MirrorMemberOptions,
  MirrorOptions,
  MirrorRecord,
  MirrorRecordMember,
  StoreAnswer,
} from '../../../src/native/mirror-types.js';
import type { Random } from '../../support/random.js';
import type { ProcessClock } from './sim-clock.js';
import type { ServedReplica, SimEngine, SimNetwork, SimReplica } from './sim-engine.js';
import { SimHeadSnapshots } from './sim-head-snapshots.js';

export interface SimHeadOptions {
  readonly mirror: MirrorOptions;
  readonly volumeUuid: string;
  readonly host: string;
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly ask: (expectedRevision: bigint, wanted: MirrorRecord) => void;
  readonly told: (state: HeadState) => void;
  /** Undefined: nobody answers there. */
  readonly reach: (member: MirrorMemberOptions) => SimEngine | undefined;
}

const tickMs = 100;
/** A member that is away for longer is left out. */
const budgetMs = 500;
const sealMsMax = 2_000;
const stopMsMax = 3_000;

export class SimHead {
  readonly #options: SimHeadOptions;
  readonly #members = new Map<string, MemberState>();
  #record: MirrorRecord;
  #state: HeadState = 'standby';
  #ended = false;
  #sealingSinceMs = 0;
  /** What the store was asked for and has not said yet: nothing is written or asked for meanwhile. */
  #asked: Asked | undefined;
  #isAsking = false;
  #change: Change | undefined;
  /** Why it did not become larger the last time. */
  growthTrouble: string | undefined;
  #stopped: (() => void)[] = [];
  readonly snapshots: SimHeadSnapshots;

  constructor(options: SimHeadOptions) {
    this.#options = options;
    this.snapshots = new SimHeadSnapshots({
      ...{ random: options.random, state: () => this.#state, record: () => this.#record },
      use: (uuid) => this.#use(uuid)?.disk,
    });
    this.#record = options.mirror.record;
    for (const member of options.mirror.members) {
      if (member.uuid !== nobody) this.#members.set(member.uuid, { member, awaySinceMs: undefined });
    }
  }

  get record(): MirrorRecord {
    return this.#record;
  }

  get state(): HeadState {
    return this.#state;
  }

  get host(): string {
    return this.#options.host;
  }

  get alive(): boolean {
    return !this.#ended && this.#options.clock.alive;
  }

  get isOver(): boolean {
    return this.#ended || this.#state === 'fenced';
  }

  get isChanging(): boolean {
    return this.#change !== undefined;
  }

  start(): void {
    this.#tell('claiming');
    this.#tick();
  }

  add(add: MirrorMemberOptions): void {
    if (this.#state !== 'serving' || this.#change !== undefined) throw new Error('the head cannot add now');
    if (this.#record.members.length >= 8) throw new Error('there are 8 members');
    this.#change = { add };
  }

  remove(uuid: string): void {
    if (this.#state !== 'serving' || this.#change !== undefined) throw new Error('the head cannot now');
    const left = realMembers(this.#record).filter((one) => one.uuid !== uuid);
    if (left.every(({ inSync }) => !inSync)) throw new Error('it is the last one in sync');
    if (left.length < this.#record.minInSync) throw new Error('too few would be left');
    this.#change = { remove: uuid };
  }

  /** Members first, then the record: one tick for each. */
  grow(growTo: bigint): void {
    if (this.#state !== 'serving' || this.#change !== undefined) throw new Error('the head cannot grow now');
    if (growTo < sizeOf(this.#record)) throw new Error('it is never made smaller');
    this.growthTrouble = undefined;
    if (growTo > sizeOf(this.#record)) this.#change = { growTo };
  }

  /** In order, or after a while not so. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    if (this.#state === 'serving') this.#tell('stopping');
    else this.end();
    if (this.#ended) return;
    this.#options.clock.after(stopMsMax, () => this.end());
    await new Promise<void>((resolve) => void this.#stopped.push(resolve));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#state = 'stopped';
    for (const { member } of this.#members.values()) this.#release(member);
    for (const resolve of this.#stopped) resolve();
  }

  onAnswer(answer: StoreAnswer): void {
    this.#isAsking = false;
    const asked = this.#asked;
    if (this.#ended || answer.kind === 'unavailable') return; // asked again at the next tick
    this.#asked = undefined;
    const { current } = answer;
    const { node } = this.#options.mirror;
    const isMine = current.head === node;
    const isClaimed = this.#state === 'claiming' && isMine && current.epoch === this.#record.epoch + 1n;
    if (answer.kind === 'differs' && !isClaimed) {
      // One of ours, of which no answer had come; else another head.
      if (isMine && current.epoch === this.#record.epoch && this.#state !== 'claiming')
        this.#record = current;
      else this.#fence();
      return;
    }
    this.#record = current;
    asked?.onStored();
  }

  #tick(): void {
    if (this.#ended) return;
    this.#options.clock.after(tickMs, () => this.#tick());
    if (this.#isAsking) return;
    if (this.#asked !== undefined) this.#askFor(this.#asked);
    else if (this.#state === 'claiming') this.#claim();
    else if (this.#state === 'sealing') this.#seal();
    else if (this.#state === 'serving') this.#serve();
    else if (this.#state === 'stopping') this.#sayStopped();
  }

  #claim(): void {
    const { epoch } = this.#record;
    const claimed = { epoch: epoch + 1n, head: this.#options.mirror.node, headStopped: false };
    this.#ask(claimed, () => {
      this.#sealingSinceMs = this.#options.clock.steadyMs();
      this.#tell('sealing');
    });
  }

  #seal(): void {
    const inSync = realMembers(this.#record).filter((one) => one.inSync);
    // One that was told by a head of before that it gets a copy has not all, whatever the record says.
    const hasAll = (replica: SimReplica | undefined) =>
      replica?.content === 'complete' && replica.sizeBytes >= sizeOf(this.#record);
    const sealed = inSync.filter(({ uuid }) => hasAll(this.#use(uuid)?.disk));
    if (this.#state !== 'sealing' || sealed.length === 0) return;
    const waitedMs = this.#options.clock.steadyMs() - this.#sealingSinceMs;
    if (sealed.length < inSync.length && waitedMs < sealMsMax) return;
    const members = this.#record.members.map((one) => {
      if (!one.inSync) return one;
      return sealed.includes(one) ? { ...one, sealedEpoch: this.#record.epoch } : { ...one, inSync: false };
    });
    this.#ask({ members }, () => {
      const replicas = sealed.flatMap(({ uuid }) => this.#use(uuid)?.disk ?? []);
      this.#noteAbsent(replicas);
      this.#options.network.onServing(this.#options.volumeUuid, replicas, sizeOf(this.#record));
      this.#tell('serving');
    });
  }

  #serve(): void {
    const { clock, network, volumeUuid, random } = this.#options;
    const nowMs = clock.steadyMs();
    const inSync = realMembers(this.#record).filter((one) => one.inSync);
    const replicas = inSync.flatMap(({ uuid }) => this.#use(uuid)?.disk ?? []);
    if (this.#state !== 'serving') return; // another one is head by now
    if (replicas.length === inSync.length && inSync.length >= this.#record.minInSync) {
      this.#noteAbsent(replicas);
      network.onWritten(volumeUuid, replicas, sizeOf(this.#record));
    }
    this.snapshots.tick(replicas);
    const change = this.#change;
    if (change?.growTo !== undefined) {
      this.#makeLarger(change.growTo, inSync.length, replicas);
      if (this.#isAsking || this.#asked !== undefined) return;
    } else if (change !== undefined) {
      this.#makeChange(change);
      return;
    }
    const late = inSync.filter(({ uuid }) => {
      const since = this.#members.get(uuid)?.awaySinceMs;
      return since !== undefined && nowMs - since >= budgetMs;
    });
    if (late.length > 0 && late.length < inSync.length) {
      this.#setMembers((one) =>
        late.some(({ uuid }) => uuid === one.uuid) ? { ...one, inSync: false } : one,
      );
      return;
    }
    for (const { uuid } of realMembers(this.#record).filter((one) => !one.inSync)) {
      const state = this.#members.get(uuid);
      const replica = this.#use(uuid);
      if (this.#state !== 'serving') return;
      if (state === undefined) continue;
      if (replica === undefined) {
        state.copiedAtMs = undefined;
        continue;
      }
      // Told before it gets anything; it stays so where the copy is cut off.
      if (replica.disk.content === 'complete') replica.disk.content = 'partial';
      state.copiedAtMs ??= nowMs + 300 + random.below(6_000);
      if (nowMs < state.copiedAtMs) continue;
      enlarge(replica.disk, sizeOf(this.#record));
      this.#noteAbsent([replica.disk]);
      replica.disk.content = 'complete';
      replica.disk.base = replicas[0]?.base ?? '';
      replica.disk.written = Math.max(0, ...replicas.map(({ written }) => written));
      state.copiedAtMs = undefined;
      const { epoch } = this.#record;
      this.#setMembers((one) => (one.uuid === uuid ? { ...one, inSync: true, sealedEpoch: epoch } : one));
      return;
    }
  }

  /** Before a write is acknowledged without them: who misses it is noted by all that have it. */
  #noteAbsent(replicas: readonly SimReplica[]): void {
    const { epoch } = this.#record;
    const members = realMembers(this.#record);
    for (const { uuid, absent } of replicas) {
      const missing = members.filter((one) => !one.inSync && one.uuid !== uuid).map((one) => one.uuid);
      for (const one of absent.keys()) if (!missing.includes(one)) absent.delete(one);
      for (const one of missing) if (!absent.has(one)) absent.set(one, epoch);
    }
  }

  /** Each member at a time of its own; one without the room leaves all as it was. */
  #makeLarger(growTo: bigint, count: number, replicas: readonly SimReplica[]): void {
    const { random } = this.#options;
    if (sizeOf(this.#record) >= growTo) {
      this.#change = undefined; // of an answer that was lost
      return;
    }
    for (const replica of replicas.filter(({ sizeBytes }) => sizeBytes < growTo)) {
      const luck = random.below(10);
      if (luck === 0) {
        this.growthTrouble = `member ${replica.uuid} did not become larger: no space`;
        this.#change = undefined;
        return;
      }
      if (luck > 3) enlarge(replica, growTo);
    }
    if (replicas.length < count || replicas.some(({ sizeBytes }) => sizeBytes < growTo)) return;
    this.#ask({ blocksCount: growTo / BigInt(this.#record.blockSizeBytes) }, () => {
      this.#change = undefined;
    });
  }

  #makeChange({ add, remove }: Change): void {
    const done = () => {
      if (add !== undefined) this.#members.set(add.uuid, { member: add, awaySinceMs: undefined });
      const gone = remove === undefined ? undefined : this.#members.get(remove);
      if (gone !== undefined) {
        this.#members.delete(gone.member.uuid);
        this.#release(gone.member);
      }
      this.#change = undefined;
    };
    const there = (uuid: string) => this.#record.members.some((one) => one.uuid === uuid);
    // Of an answer that was lost.
    if ((add !== undefined && there(add.uuid)) || (remove !== undefined && !there(remove))) done();
    else this.#ask({ members: membersAfter(this.#record.members, add?.uuid, remove) }, done);
  }

  #sayStopped(): void {
    this.#ask({ headStopped: true }, () => this.end());
  }

  #setMembers(change: (member: MirrorRecordMember) => MirrorRecordMember): void {
    this.#ask({ members: this.#record.members.map(change) }, () => {});
  }

  #ask(change: Partial<MirrorRecord>, onStored: () => void): void {
    this.#askFor({ revision: this.#record.revision, wanted: { ...this.#record, ...change }, onStored });
  }

  #askFor(asked: Asked): void {
    this.#asked = asked;
    this.#isAsking = true;
    this.#options.ask(asked.revision, asked.wanted);
  }

  /** The replica, sealed by this head; undefined: it is away. */
  #use(uuid: string): ServedReplica | undefined {
    const state = this.#members.get(uuid);
    if (state === undefined) return undefined;
    const engine = this.#options.reach(state.member);
    const replica = engine?.served.get(uuid);
    const { epoch } = this.#record;
    if (engine === undefined || replica === undefined) {
      state.awaySinceMs ??= this.#options.clock.steadyMs();
      return undefined;
    }
    if (replica.disk.maxEpoch > epoch) {
      this.#fence();
      return undefined;
    }
    engine.seal(replica, this, epoch);
    state.awaySinceMs = undefined;
    return replica;
  }

  #release(member: MirrorMemberOptions): void {
    const engine = this.#options.reach(member);
    const replica = engine?.served.get(member.uuid);
    if (replica?.head === this) engine?.unseal(replica);
  }

  #fence(): void {
    if (this.#state === 'stopping') this.end();
    else this.#tell('fenced');
  }

  #tell(state: HeadState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.told(state);
  }
}

/** One at a time. */
interface Change {
  readonly add?: MirrorMemberOptions;
  readonly remove?: string;
  readonly growTo?: bigint;
}

function enlarge(replica: SimReplica, sizeBytes: bigint): void {
  if (replica.sizeBytes < sizeBytes) replica.sizeBytes = sizeBytes;
}

interface Asked {
  readonly revision: bigint;
  readonly wanted: MirrorRecord;
  readonly onStored: () => void;
}

interface MemberState {
  readonly member: MirrorMemberOptions;
  awaySinceMs: number | undefined;
  copiedAtMs?: number | undefined;
}

/** Members keep their places; the last place is not free. */
function membersAfter(
  before: readonly MirrorRecordMember[],
  add: string | undefined,
  remove: string | undefined,
): readonly MirrorRecordMember[] {
  const free = { uuid: nobody, inSync: false, sealedEpoch: 0n };
  const members = before.map((one) => (one.uuid === remove ? free : one));
  if (add !== undefined) {
    const member = { uuid: add, inSync: false, sealedEpoch: 0n };
    const place = members.findIndex(({ uuid }) => uuid === nobody);
    if (place >= 0) members[place] = member;
    else members.push(member);
  }
  while (members.at(-1)?.uuid === nobody) members.pop();
  return members;
}
