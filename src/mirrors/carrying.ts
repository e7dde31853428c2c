// Snapshots that a member of a mirrored volume lacks, as it was away or is new, are carried to it from one
// that has them, in the background: one at a time, the oldest first, to members in sync alone. What is noted
// before: that a member may have it. So a deletion asks that member, too, whatever became of the carrying.
//
// Who has it is asked whenever the record of the volume has changed, as one that was away may have come back
// without what it had: with another disk, or an old copy. What is noted of members in sync is what they say.
//
// A volume is looked at when its record has changed (a member is in sync again), when a snapshot was taken or
// deleted, and after a failure, ever later; not while nothing happens.
import type { Clock } from '../base/clock.js';
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { RetriedWork } from '../base/retried-work.js';
import type { MirrorCarry, MirrorInfo } from '../native/mirror-types.js';
import { realMembers } from './record.js';
import {
  baseSnapshotName,
  type NamedSnapshot,
  type SnapshotRecords,
  type StoredSnapshot,
} from './snapshot-records.js';
import type { MirrorsEngine } from './types.js';

const pollMs = 200;

export interface CarryingOptions {
  readonly engine: Pick<
    MirrorsEngine,
    'mirrorInfo' | 'memberSnapshots' | 'carryMirrorSnapshot' | 'cancelMirrorCarry'
  >;
  readonly records: SnapshotRecords;
  readonly log: Log;
  readonly clock: Clock;
  /** What a member is called in the log. */
  readonly memberName: (volume: string, uuid: string) => string;
  /** It began as a clone: nothing is carried while nobody knows who stands on its origin. Default: none. */
  readonly isClone?: (volume: string) => boolean;
}

interface Watched {
  readonly passes: RetriedWork;
  /** Who works on its snapshots, and wants nothing to be carried meanwhile. */
  holders: number;
  /** Revision of the record with which members were asked what they have. */
  asked: bigint | undefined;
  /** Why a snapshot does not get to a member, by both UUIDs. */
  readonly troubles: Map<string, string>;
}

interface Job extends NamedSnapshot {
  readonly from: string;
  readonly to: string;
  /** UUIDs of those that may be below it. */
  readonly below: readonly string[];
}

export class SnapshotCarrying {
  readonly #options: CarryingOptions;
  readonly #watched = new Map<string, Watched>();
  #closed = false;

  constructor(options: CarryingOptions) {
    this.#options = options;
  }

  /** It may have something to be carried: returns at once, and never fails. */
  wake(volume: string): void {
    this.#watch(volume).passes.wake();
  }

  /** Runs `work` while none of its snapshots is carried: what is under way is cancelled. */
  async without<T>(volume: string, work: () => Promise<T>): Promise<T> {
    const watched = this.#watch(volume);
    watched.holders += 1;
    try {
      await this.#stop(volume, watched);
      return await work();
    } finally {
      watched.holders -= 1;
      this.wake(volume);
    }
  }

  /** Why a snapshot does not get to who lacks it, a line for each; empty: it does, or all have it. */
  troublesOf(volume: string, uuid: string): readonly string[] {
    const troubles = this.#watched.get(volume)?.troubles ?? new Map<string, string>();
    return [...troubles].flatMap(([key, text]) => (key.startsWith(`${uuid} `) ? [text] : []));
  }

  /** Nothing is carried any more when it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#watched].map(([volume, watched]) => this.#stop(volume, watched)));
  }

  #watch(volume: string): Watched {
    const found = this.#watched.get(volume);
    if (found !== undefined) return found;
    const passes = new RetriedWork({
      pass: () => this.#pass(volume, made),
      isHeld: () => this.#isHeld(made),
      clock: this.#options.clock,
    });
    const made: Watched = { passes, holders: 0, asked: undefined, troubles: new Map() };
    this.#watched.set(volume, made);
    return made;
  }

  #isHeld({ holders }: Watched): boolean {
    return holders > 0 || this.#closed;
  }

  async #stop(volume: string, watched: Watched): Promise<void> {
    watched.passes.interrupt();
    if (watched.passes.running === undefined) return;
    await this.#options.engine.cancelMirrorCarry(volume).catch(() => undefined); // it has no head any more
    await watched.passes.running;
  }

  /** False: to be tried again. */
  async #pass(volume: string, watched: Watched): Promise<boolean> {
    const failed = new Set<string>();
    try {
      for (;;) {
        if (this.#isHeld(watched)) return true;
        const snapshots = await this.#options.records.list(volume);
        if (!snapshots.some(({ snapshot }) => snapshot.state === 'complete')) return true;
        const info = await this.#options.engine.mirrorInfo(volume);
        if (info.state === 'serving' && watched.asked !== info.record.revision) {
          await this.#ask(volume, snapshots, info);
          watched.asked = info.record.revision;
          continue;
        }
        const jobs = this.#jobs(volume, snapshots, info);
        this.#forgetTroubles(watched, jobs);
        const job = jobs.find((one) => !failed.has(keyOf(one)));
        if (job === undefined) return failed.size === 0;
        if (info.state !== 'serving') return info.state === 'standby' || info.state === 'fenced';
        const trouble = await this.#carry(volume, watched, job);
        if (trouble === undefined) continue;
        failed.add(keyOf(job));
        if (!this.#isHeld(watched)) this.#note(volume, watched, job, trouble);
      }
    } catch (error) {
      if (this.#isHeld(watched)) return false;
      const { log } = this.#options;
      const text = `volume '${volume}': its snapshots cannot be carried now: ${textOf(error)}`;
      log.warn({ room: 'mirrors', volume, err: error }, text);
      return false;
    }
  }

  #jobs(volume: string, snapshots: readonly NamedSnapshot[], info: MirrorInfo): readonly Job[] {
    const isUnknown = snapshots.every(({ name }) => name !== baseSnapshotName);
    if (isUnknown && this.#options.isClone?.(volume) === true) return [];
    return jobsOf(snapshots, info);
  }

  /** Notes of members in sync what they say that they have. */
  async #ask(volume: string, snapshots: readonly NamedSnapshot[], info: MirrorInfo): Promise<void> {
    const { engine, records, log, memberName } = this.#options;
    const had = new Map<string, ReadonlySet<string>>();
    for (const member of inSyncOf(info)) {
      const said = await engine.memberSnapshots(volume, member);
      if (said !== undefined) had.set(member, new Set(said));
    }
    for (const { name, snapshot } of snapshots) {
      // Who has what a clone began with is said by disks, in a cluster.
      if (snapshot.state !== 'complete' || name === baseSnapshotName) continue;
      const { uuid, members, carrying } = snapshot;
      const has = [...had].flatMap(([member, uuids]) => (uuids.has(uuid) ? [member] : []));
      const lost = members.filter((member) => had.get(member)?.has(uuid) === false);
      const found = has.filter((member) => !members.includes(member));
      if (lost.length === 0 && found.length === 0) continue;
      for (const member of lost) {
        const who = memberName(volume, member);
        const text = `volume '${volume}': ${who} does not have snapshot '${name}' any more`;
        log.warn({ room: 'mirrors', volume, snapshot: name }, text);
      }
      await records.put(volume, name, {
        ...snapshot,
        members: [...members.filter((member) => !lost.includes(member)), ...found],
        carrying: carrying.filter((member) => !found.includes(member)),
      });
    }
  }

  /** Why it was not; undefined: the member has it. */
  async #carry(volume: string, watched: Watched, job: Job): Promise<string | undefined> {
    const { engine, records, log, memberName } = this.#options;
    const { name, snapshot, from, to, below } = job;
    const { uuid } = snapshot;
    if (!snapshot.carrying.includes(to)) {
      await records.put(volume, name, { ...snapshot, carrying: [...snapshot.carrying, to] });
    }
    if (this.#isHeld(watched)) return 'it is not wanted any more';
    await engine.carryMirrorSnapshot(volume, uuid, from, to, below);
    const carried = await this.#end(volume, watched, job);
    if (carried?.state !== 'done') return carried?.trouble ?? 'its head does not serve any more';
    const found = await records.get(volume, name);
    if (found?.uuid !== uuid || found.state !== 'complete') return 'it is not wanted any more';
    await records.put(volume, name, withMember(found, to));
    const text = `volume '${volume}': snapshot '${name}' is carried to ${memberName(volume, to)}`;
    log.info({ room: 'mirrors', volume, snapshot: name, bytes: `${carried.movedBytes}` }, text);
    return undefined;
  }

  /** Undefined: nobody carries it any more. */
  async #end(volume: string, watched: Watched, { snapshot, to }: Job): Promise<MirrorCarry | undefined> {
    const { engine, clock } = this.#options;
    for (;;) {
      const { carry } = await engine.mirrorInfo(volume);
      if (carry?.snapshot !== snapshot.uuid || carry.to !== to) return undefined;
      if (carry.state !== 'running') return carry;
      // Cancelled by who holds it; in between there was nothing yet that could be.
      if (this.#isHeld(watched)) await engine.cancelMirrorCarry(volume);
      await new Promise<void>((resolve) => void clock.after(pollMs, resolve));
    }
  }

  #note(volume: string, watched: Watched, job: Job, trouble: string): void {
    const { log, memberName } = this.#options;
    if (watched.troubles.get(keyOf(job)) === trouble) return; // told once, however often it is tried
    watched.troubles.set(keyOf(job), trouble);
    const who = memberName(volume, job.to);
    const text = `volume '${volume}': snapshot '${job.name}' is not carried to ${who} yet: ${trouble}`;
    log.warn({ room: 'mirrors', volume, snapshot: job.name }, text);
  }

  /** Of who has it, is no member or is away, and of snapshots that are gone. */
  #forgetTroubles(watched: Watched, jobs: readonly Job[]): void {
    const wanted = new Set(jobs.map(keyOf));
    for (const key of watched.troubles.keys()) if (!wanted.has(key)) watched.troubles.delete(key);
  }
}

function inSyncOf({ record }: Pick<MirrorInfo, 'record'>): readonly string[] {
  return realMembers(record).flatMap(({ uuid, inSync }) => (inSync ? [uuid] : []));
}

/** What members in sync lack that another one in sync has, in the order in which it is to be carried. */
function jobsOf(snapshots: readonly NamedSnapshot[], { record }: MirrorInfo): readonly Job[] {
  const inSync = inSyncOf({ record });
  const base = snapshots.find(({ name }) => name === baseSnapshotName);
  const bases = base?.snapshot.members ?? [];
  return snapshots.flatMap((named) => {
    const { state, members } = named.snapshot;
    if (state !== 'complete' || named.name === baseSnapshotName) return [];
    const holders = inSync.filter((uuid) => members.includes(uuid));
    const below = mayBeBelow(snapshots, named);
    return inSync.flatMap((to) => {
      const from = holders.find((uuid) => bases.includes(uuid) || !bases.includes(to));
      if (members.includes(to) || holders[0] === undefined) return [];
      if (from !== undefined) return [{ ...named, from, to, below }];
      // Only who does not stand on the origin has it: that gets what the others have in common before.
      return base === undefined
        ? []
        : [{ ...base, from: to, to: holders[0], below: mayBeBelow(snapshots, base) }];
    });
  });
}

/**
 * Those of the same size: behind the end of a smaller volume a member may hold anything. What a clone began
 * with always may, as without it the clone would show its origin.
 */
function mayBeBelow(
  snapshots: readonly NamedSnapshot[],
  { snapshot: above }: NamedSnapshot,
): readonly string[] {
  return snapshots.flatMap(({ name, snapshot: { uuid, state, sizeBytes } }) => {
    const isFit = name === baseSnapshotName || sizeBytes === above.sizeBytes;
    return state === 'complete' && uuid !== above.uuid && isFit ? [uuid] : [];
  });
}

function withMember(snapshot: StoredSnapshot, member: string): StoredSnapshot {
  const members = [...snapshot.members.filter((uuid) => uuid !== member), member];
  return { ...snapshot, members, carrying: snapshot.carrying.filter((uuid) => uuid !== member) };
}

function keyOf({ snapshot, to }: Job): string {
  return `${snapshot.uuid} ${to}`;
}

function textOf(error: unknown): string {
  if (error instanceof DomainError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
