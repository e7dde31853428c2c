// Snapshots of the volumes whose head is here: those that are wanted are taken, those that are to go are
// deleted at all members, and members that lack one get it. The records say how far that is, so that the next
// head goes on wherever this one ended; each step looks at what is there, and may be cut off anywhere.
//
// A volume is looked at when a record of its snapshots or its mirror record has changed, when a head here
// serves, and after a failure, ever later; not while nothing happens.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { RetriedWork } from '../base/retried-work.js';
import { SnapshotCarrying } from '../mirrors/carrying.js';
import { HeadSnapshots, membersOf, restsMax } from '../mirrors/head-snapshots.js';
import {
  isCloned,
  type NamedSnapshot,
  placeOf,
  SnapshotRecords,
  type StoredSnapshot,
  snapshotsPrefix,
} from '../mirrors/snapshot-records.js';
import type { MirrorEngine } from '../native/mirror-types.js';
import { RecordWatch } from '../store/record-watch.js';
import type { Store } from '../store/types.js';

export interface NodeSnapshotsOptions {
  readonly engine: Pick<
    MirrorEngine,
    | 'mirrorInfo'
    | 'snapshotMirror'
    | 'deleteMirrorSnapshot'
    | 'carryMirrorSnapshot'
    | 'memberSnapshots'
    | 'cancelMirrorCarry'
  >;
  readonly store: Store;
  /** A head of the volume serves here. */
  readonly isHead: (volume: string) => boolean;
  /** It began as a clone. */
  readonly isClone: (volume: string) => boolean;
  /** Of an attempt to take one, after the first. Default: one that was never there. */
  readonly newUuid?: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Work {
  readonly passes: RetriedWork;
  /** What was in the way the last time, which is told once. */
  trouble: string;
}

export class NodeSnapshots {
  readonly #options: NodeSnapshotsOptions;
  readonly #records: SnapshotRecords;
  readonly #head: HeadSnapshots;
  readonly #carrying: SnapshotCarrying;
  readonly #watch: RecordWatch;
  /** Keys of records, by name of the volume. */
  readonly #known = new Map<string, Set<string>>();
  /** Of volumes that are worked on, or wait. */
  readonly #works = new Map<string, Work>();
  #isHeld = false;
  #isClosed = false;
  #stopped: Promise<unknown> = Promise.resolve();

  constructor(options: NodeSnapshotsOptions) {
    const { engine, store, isClone, clock, log } = options;
    this.#options = options;
    this.#records = new SnapshotRecords(store);
    this.#head = new HeadSnapshots(engine, clock);
    const memberName = (_volume: string, uuid: string) => `replica ${uuid}`;
    this.#carrying = new SnapshotCarrying({
      engine,
      records: this.#records,
      log,
      memberName,
      isClone,
      clock,
    });
    this.#watch = new RecordWatch({
      ...{ store, clock, log, prefix: snapshotsPrefix },
      onPut: ({ key }) => this.#noted(key),
      onDelete: (key) => this.#forgotten(key),
    });
  }

  start(): void {
    this.#watch.start();
  }

  /** Its head serves here, or its mirror record has changed: returns at once, and never fails. */
  wake(volume: string): void {
    if (!this.#known.has(volume) || !this.#options.isHead(volume)) return;
    const work = this.#works.get(volume) ?? this.#newWork(volume);
    this.#works.set(volume, work);
    work.passes.wake();
  }

  /** While the records cannot be trusted nothing is begun. */
  setHeld(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    if (!isHeld) for (const volume of this.#known.keys()) this.wake(volume);
  }

  /** Before the heads here end, which do not wait for it: nothing is begun any more. */
  stop(): void {
    this.#isClosed = true;
    for (const { passes } of this.#works.values()) passes.interrupt();
    this.#stopped = Promise.all([this.#watch.close(), this.#carrying.close()]);
  }

  /** When the engine is closed, and before the store is: what was asked of heads has an answer then. */
  async close(): Promise<void> {
    await this.#stopped;
    await Promise.all([...this.#works.values()].map(({ passes }) => passes.running));
  }

  #noted(key: string): void {
    const { volume } = placeOf(key);
    const keys = this.#known.get(volume) ?? new Set();
    this.#known.set(volume, keys.add(key));
    this.wake(volume);
  }

  #forgotten(key: string): void {
    const { volume } = placeOf(key);
    const keys = this.#known.get(volume);
    keys?.delete(key);
    if (keys?.size === 0) this.#known.delete(volume);
  }

  get #isOver(): boolean {
    return this.#isHeld || this.#isClosed;
  }

  #newWork(volume: string): Work {
    const passes = new RetriedWork({
      pass: () => this.#pass(volume, work),
      isHeld: () => this.#isOver,
      onRest: () => this.#works.delete(volume),
      clock: this.#options.clock,
    });
    const work: Work = { passes, trouble: '' };
    return work;
  }

  /** True: nothing is left to be done, or by another head. False: to be tried again. Never fails. */
  async #pass(volume: string, work: Work): Promise<boolean> {
    try {
      const { state } = await this.#options.engine.mirrorInfo(volume);
      if (state !== 'serving') return true; // who serves next is told so
      let isDone = true;
      for (const named of await this.#records.list(volume)) {
        if (this.#isOver) return true;
        if (!(await this.#tried(volume, named, work))) isDone = false;
      }
      if (isDone) work.trouble = '';
      this.#carrying.wake(volume);
      return isDone;
    } catch (error) {
      this.#tell(volume, work, 'its snapshots cannot be looked at', error);
      return false;
    }
  }

  async #tried(volume: string, named: NamedSnapshot, work: Work): Promise<boolean> {
    try {
      return await this.#step(volume, named);
    } catch (error) {
      this.#tell(volume, work, `its snapshot '${named.name}' is not as it should be`, error);
      return false;
    }
  }

  async #step(volume: string, { name, snapshot }: NamedSnapshot): Promise<boolean> {
    if (snapshot.state === 'deleting' && isCloned(snapshot)) return true; // until they are made
    if (snapshot.state === 'deleting') return this.#delete(volume, name, snapshot);
    if (snapshot.state !== 'complete') return this.#take(volume, name, snapshot);
    return this.#keep(volume, name, snapshot);
  }

  async #take(volume: string, name: string, wanted: StoredSnapshot): Promise<boolean> {
    const { engine, log } = this.#options;
    const { snapshot: asked } = await engine.mirrorInfo(volume);
    const isOurs = wanted.state === 'taking' && asked?.uuid === wanted.uuid;
    const begun = isOurs ? wanted : await this.#begin(volume, name, wanted);
    if (begun.state !== 'taking') return this.#delete(volume, name, begun);
    const { uuid, createdAt } = begun;
    const taken = await this.#head.take(volume, { uuid, name, createdAt });
    if (taken === undefined) return true; // the next head sees that it was begun, and begins anew
    if (taken.state !== 'done') {
      const trouble = taken.trouble ?? 'its head did not say why';
      log.warn({ room: 'agent', volume, snapshot: name }, `volume '${volume}': no snapshot: ${trouble}`);
      const gone = await this.#records.put(volume, name, { ...begun, state: 'deleting', trouble });
      return this.#delete(volume, name, gone);
    }
    const { sizeBytes, members } = taken;
    await this.#records.put(volume, name, { ...begun, state: 'complete', sizeBytes, members });
    const text = `volume '${volume}': snapshot '${name}' is taken of ${members.length} replicas`;
    log.info({ room: 'agent', volume, snapshot: name, heldMs: taken.heldMs }, text);
    return true;
  }

  /** Noted before it is asked for: what is left of it after a crash is known. */
  async #begin(volume: string, name: string, wanted: StoredSnapshot): Promise<StoredSnapshot> {
    const { clock, newUuid = randomUUID } = this.#options;
    const wasBegun = wanted.state === 'taking';
    const before = wasBegun ? [...wanted.rests, wanted.uuid] : wanted.rests;
    const rests = await this.#head.deleteAll(volume, before);
    if (rests.length > restsMax) {
      const trouble = 'members that are away may have too much of it';
      return this.#records.put(volume, name, { ...wanted, state: 'deleting', trouble });
    }
    const uuid = wasBegun ? newUuid() : wanted.uuid;
    const createdAt = Math.floor(clock.date().getTime() / 1000);
    return this.#records.put(volume, name, { ...wanted, state: 'taking', uuid, createdAt, rests });
  }

  /** Also one that is carried meanwhile. A member that is away is asked when it is back. */
  #delete(volume: string, name: string, going: StoredSnapshot): Promise<boolean> {
    return this.#carrying.without(volume, async () => {
      const rests = await this.#head.deleteAll(volume, going.rests);
      const members = await this.#head.delete(volume, going.uuid);
      if (rests.length === 0 && members.length === 0) {
        await this.#records.forget(volume, name, going);
        const text = `volume '${volume}': snapshot '${name}' is deleted`;
        this.#options.log.info({ room: 'agent', volume, snapshot: name }, text);
        return true;
      }
      const isNew = !sameSet(rests, going.rests) || !sameSet(members, going.members);
      if (isNew) await this.#records.put(volume, name, { ...going, rests, members, carrying: [] });
      return false;
    });
  }

  /** Without what is left of earlier ones of its name, and without those who are no members any more. */
  async #keep(volume: string, name: string, snapshot: StoredSnapshot): Promise<boolean> {
    const there = membersOf(await this.#options.engine.mirrorInfo(volume));
    const rests = await this.#head.deleteAll(volume, snapshot.rests);
    const members = snapshot.members.filter((uuid) => there.includes(uuid));
    const carrying = snapshot.carrying.filter((uuid) => there.includes(uuid));
    const isSame =
      sameSet(rests, snapshot.rests) &&
      sameSet(members, snapshot.members) &&
      sameSet(carrying, snapshot.carrying);
    if (!isSame) await this.#records.put(volume, name, { ...snapshot, rests, members, carrying });
    return rests.length === 0;
  }

  #tell(volume: string, work: Work, what: string, error: unknown): void {
    const reason = error instanceof DomainError ? error.message : String(error);
    const trouble = `${what}: ${reason}`;
    if (trouble === work.trouble) return;
    work.trouble = trouble;
    const text = `volume '${volume}': ${trouble}; tried again`;
    this.#options.log.warn({ room: 'agent', volume, err: error }, text);
  }
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each) => other.includes(each));
}
