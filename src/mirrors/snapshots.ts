// Snapshots of a mirrored volume: its head takes one of all members in sync at one moment, and here is
// remembered which members have it. Keys mirror-snapshots/NAME/SNAPSHOT of the store
// (docs/formats/mirror-record.md). What was begun is noted before: what a crash leaves at members is known by
// its name, and can be deleted.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { InvalidArgumentError } from '../base/errors.js';
import { parseFields } from '../base/json-fields.js';
import { MirrorConflictError, MirrorRecordError } from '../base/mirror-errors.js';
import { SnapshotExistsError, SnapshotNotFoundError } from '../base/pool-errors.js';
import { uuidPattern, volumeNamePattern } from '../base/volume-spec.js';
import type { MirrorInfo, MirrorSnapshot } from '../native/mirror-types.js';
import type { Store } from '../store/types.js';
import { realMembers } from './record.js';
import type { MirrorSnapshotView, MirrorsEngine } from './types.js';

/** A head gives one up before: 30 s until it begins, 3 s for which it holds writes. */
const takingTimeoutMs = 60_000;
const deletingTimeoutMs = 30_000;
const pollMs = 20;
/** Attempts that members may still have something of. */
const restsMax = 16;
const prefix = 'mirror-snapshots/';

interface StoredSnapshot {
  readonly revision: bigint;
  /** The one with which it was begun: their order, as several may be of one second. */
  readonly begun: bigint;
  readonly uuid: string;
  /** taking: or what a crash, or members that were away, left of that. */
  readonly state: 'taking' | 'complete' | 'deleting';
  readonly createdAt: number;
  readonly sizeBytes: bigint;
  /** UUIDs of the replicas that have it. */
  readonly members: readonly string[];
  /** UUIDs of earlier attempts of this name that a member may have. */
  readonly rests: readonly string[];
}

export class MirrorSnapshots {
  readonly #engine: MirrorsEngine;
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(engine: MirrorsEngine, store: Store, clock: Clock) {
    this.#engine = engine;
    this.#store = store;
    this.#clock = clock;
  }

  async list(volume: string): Promise<readonly MirrorSnapshotView[]> {
    const { entries } = await this.#store.list(`${prefix}${volume}/`);
    if (entries.length === 0) return [];
    const members = membersOf(await this.#engine.mirrorInfo(volume));
    const found = entries.map(({ key, value, revision }) => {
      const name = key.slice(`${prefix}${volume}/`.length);
      return [name, decode(volume, value, revision)] as const;
    });
    found.sort(([, one], [, other]) => (one.begun < other.begun ? -1 : 1));
    return found.map(([name, snapshot]) => viewOf(name, snapshot, members));
  }

  /** One of this name that was not completed is deleted before. Calls of one volume: one after the other. */
  async take(volume: string, name: string): Promise<MirrorSnapshotView> {
    if (!volumeNamePattern.test(name)) {
      throw new InvalidArgumentError('name', '1 to 63 letters, digits, dots, dashes or underscores');
    }
    const before = await this.#get(volume, name);
    if (before?.state === 'complete') throw new SnapshotExistsError(volume, name);
    const rests = before === undefined ? [] : await this.#deleteRests(volume, [...before.rests, before.uuid]);
    if (rests.length >= restsMax) {
      throw new MirrorConflictError(volume, `members that are away may have too much of snapshot '${name}'`);
    }
    const createdAt = Math.floor(this.#clock.date().getTime() / 1000);
    const begun = await this.#put(volume, name, {
      ...{ revision: before?.revision ?? 0n, begun: 0n, uuid: randomUUID(), state: 'taking' },
      ...{ createdAt, sizeBytes: 0n, members: [], rests },
    });
    const taken = await this.#takeBy(volume, name, begun);
    const { sizeBytes, members } = taken;
    const stored = await this.#put(volume, name, { ...begun, state: 'complete', sizeBytes, members });
    return viewOf(name, stored, membersOf(await this.#engine.mirrorInfo(volume)), taken.heldMs);
  }

  /** Fails while a member that may have it is away: until it has been told when it is back. */
  async delete(volume: string, name: string): Promise<void> {
    const found = await this.#get(volume, name);
    if (found === undefined) throw new SnapshotNotFoundError(volume, name);
    // Who may have what was not completed nobody knows.
    const holders = found.state === 'taking' ? membersOf(await this.#info(volume)) : found.members;
    const deleting = await this.#put(volume, name, { ...found, state: 'deleting', members: holders });
    const rests = await this.#deleteRests(volume, found.rests);
    const left = await this.#deleteOne(volume, found.uuid);
    const members = holders.filter((uuid) => left.includes(uuid));
    if (members.length === 0 && rests.length === 0) return this.#forget(volume, name, deleting);
    await this.#put(volume, name, { ...deleting, members, rests });
    throw new MirrorConflictError(
      volume,
      `snapshot '${name}' is deleted but for what ${left.join(', ')} may have of it: ` +
        'not reachable now; delete it again when they are',
    );
  }

  async #takeBy(volume: string, name: string, begun: StoredSnapshot): Promise<MirrorSnapshot> {
    const { uuid, createdAt } = begun;
    let reason = 'its head does not serve any more';
    try {
      await this.#until(volume, deletingTimeoutMs, isQuiet);
      await this.#engine.snapshotMirror(volume, uuid, name, createdAt);
      const { snapshot } = await this.#until(volume, takingTimeoutMs, (info) => {
        const said = info.snapshot;
        return said?.uuid !== uuid || said.state === 'done' || said.state === 'failed';
      });
      if (snapshot?.uuid === uuid && snapshot.state === 'done') return snapshot;
      if (snapshot?.uuid === uuid) reason = snapshot.trouble ?? reason;
    } catch (error) {
      await this.#clear(volume, name, begun);
      throw error;
    }
    await this.#clear(volume, name, begun);
    throw new MirrorConflictError(volume, `no snapshot was taken: ${reason}`);
  }

  /** Nothing of it stays where members can be reached; else it is known by its name. */
  async #clear(volume: string, name: string, begun: StoredSnapshot): Promise<void> {
    try {
      const rests = await this.#deleteRests(volume, [...begun.rests, begun.uuid]);
      if (rests.length === 0) await this.#forget(volume, name, begun);
    } catch {
      // What failed before says more: the record is as it was.
    }
  }

  /** Those that a member may still have. */
  async #deleteRests(volume: string, uuids: readonly string[]): Promise<readonly string[]> {
    const left: string[] = [];
    for (const uuid of uuids) {
      if ((await this.#deleteOne(volume, uuid)).length > 0) left.push(uuid);
    }
    return left;
  }

  /** UUIDs of members that may have it still. */
  async #deleteOne(volume: string, uuid: string): Promise<readonly string[]> {
    await this.#until(volume, deletingTimeoutMs, isQuiet);
    await this.#engine.deleteMirrorSnapshot(volume, uuid);
    const info = await this.#until(volume, deletingTimeoutMs, isQuiet);
    const gone = info.snapshotRemoval?.uuid === uuid ? info.snapshotRemoval.members : [];
    return membersOf(info).filter((member) => !gone.includes(member));
  }

  async #until(volume: string, ms: number, isDone: (info: MirrorInfo) => boolean): Promise<MirrorInfo> {
    const untilMs = this.#clock.steadyMs() + ms;
    for (;;) {
      const info = await this.#info(volume);
      if (isDone(info)) return info;
      if (this.#clock.steadyMs() >= untilMs) {
        throw new MirrorConflictError(volume, `its members did not answer within ${ms / 1000} s`);
      }
      await new Promise<void>((resolve) => void this.#clock.after(pollMs, resolve));
    }
  }

  #info(volume: string): Promise<MirrorInfo> {
    return this.#engine.mirrorInfo(volume);
  }

  async #get(volume: string, name: string): Promise<StoredSnapshot | undefined> {
    const found = await this.#store.get(keyOf(volume, name));
    return found === undefined ? undefined : decode(volume, found.value, found.revision);
  }

  async #put(volume: string, name: string, snapshot: StoredSnapshot): Promise<StoredSnapshot> {
    const key = keyOf(volume, name);
    const { ok, revision } = await this.#store.commit(
      [{ key, revision: snapshot.revision }],
      [{ type: 'put', key, value: encode(snapshot) }],
    );
    if (!ok) throw changed(volume, name);
    return { ...snapshot, revision, begun: begunOf(snapshot, revision) };
  }

  async #forget(volume: string, name: string, { revision }: StoredSnapshot): Promise<void> {
    const key = keyOf(volume, name);
    const { ok } = await this.#store.commit([{ key, revision }], [{ type: 'delete', key }]);
    if (!ok) throw changed(volume, name);
  }
}

function keyOf(volume: string, name: string): string {
  return `${prefix}${volume}/${name}`;
}

/** Nothing is being deleted at members. */
function isQuiet({ snapshotRemoval }: MirrorInfo): boolean {
  return snapshotRemoval?.running !== true;
}

function membersOf({ record }: MirrorInfo): readonly string[] {
  return realMembers(record).map(({ uuid }) => uuid);
}

function viewOf(
  name: string,
  { uuid, state, createdAt, sizeBytes, members }: StoredSnapshot,
  all: readonly string[],
  heldMs?: number,
): MirrorSnapshotView {
  const whole = all.every((member) => members.includes(member)) ? 'complete' : 'degraded';
  const shown = state === 'complete' ? whole : state === 'taking' ? 'incomplete' : 'deleting';
  const held = heldMs === undefined ? {} : { heldMs };
  return { name, uuid, state: shown, createdAt, sizeBytes, members, ...held };
}

/** While it is being taken its record is the one with which it was begun. */
function begunOf({ state, begun }: Pick<StoredSnapshot, 'state' | 'begun'>, revision: bigint): bigint {
  return state === 'taking' ? revision : begun;
}

function encode({ revision: _, begun, sizeBytes, ...snapshot }: StoredSnapshot): Uint8Array {
  const numbers = { begun: `${begun}`, sizeBytes: `${sizeBytes}` };
  return Buffer.from(JSON.stringify({ version: 1, ...snapshot, ...numbers }));
}

function decode(volume: string, value: Uint8Array, revision: bigint): StoredSnapshot {
  const { version, uuid, state, createdAt, begun, sizeBytes, members, rests } = parseFields(value) ?? {};
  const isWhole =
    version === 1 &&
    isUuid(uuid) &&
    (state === 'taking' || state === 'complete' || state === 'deleting') &&
    typeof createdAt === 'number' &&
    isWholeNumber(begun) &&
    isWholeNumber(sizeBytes) &&
    isUuids(members) &&
    isUuids(rests);
  if (!isWhole) throw new MirrorRecordError(volume, 'of a snapshot is damaged');
  return {
    ...{ revision, uuid, state, createdAt, members, rests, sizeBytes: BigInt(sizeBytes) },
    begun: begunOf({ state, begun: BigInt(begun) }, revision),
  };
}

function isWholeNumber(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9]{1,19}$/.test(value);
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuidPattern.test(value);
}

function isUuids(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isUuid);
}

function changed(volume: string, name: string): MirrorConflictError {
  return new MirrorConflictError(volume, `snapshot '${name}' was changed by somebody else`);
}
