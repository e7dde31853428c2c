// Snapshots of a mirrored volume: its head takes one of all members in sync at one moment, and here is
// remembered which members have it (snapshot-records.ts). What was begun is noted before: what a crash leaves
// at members is known by its name, and can be deleted.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { InvalidArgumentError } from '../base/errors.js';
import { MirrorConflictError } from '../base/mirror-errors.js';
import { SnapshotExistsError, SnapshotNotFoundError } from '../base/pool-errors.js';
import { volumeNamePattern } from '../base/volume-spec.js';
import type { MirrorInfo, MirrorSnapshot } from '../native/mirror-types.js';
import { HeadSnapshots, membersOf, restsMax } from './head-snapshots.js';
import type { SnapshotRecords, StoredSnapshot } from './snapshot-records.js';
import type { MirrorSnapshotView, MirrorsEngine } from './types.js';

export class MirrorSnapshots {
  readonly #engine: MirrorsEngine;
  readonly #records: SnapshotRecords;
  readonly #clock: Clock;
  readonly #head: HeadSnapshots;

  constructor(engine: MirrorsEngine, records: SnapshotRecords, clock: Clock) {
    this.#engine = engine;
    this.#records = records;
    this.#clock = clock;
    this.#head = new HeadSnapshots(engine, clock);
  }

  async list(volume: string): Promise<readonly MirrorSnapshotView[]> {
    const found = await this.#records.list(volume);
    if (found.length === 0) return [];
    const info = await this.#engine.mirrorInfo(volume);
    return found.map(({ name, snapshot }) => viewOf(name, snapshot, info));
  }

  /** One of this name that was not completed is deleted before. Calls of one volume: one after the other. */
  async take(volume: string, name: string): Promise<MirrorSnapshotView> {
    if (!volumeNamePattern.test(name)) {
      throw new InvalidArgumentError('name', '1 to 63 letters, digits, dots, dashes or underscores');
    }
    const before = await this.#records.get(volume, name);
    if (before?.state === 'complete') throw new SnapshotExistsError(volume, name);
    const rests =
      before === undefined ? [] : await this.#head.deleteAll(volume, [...before.rests, before.uuid]);
    if (rests.length >= restsMax) {
      throw new MirrorConflictError(volume, `members that are away may have too much of snapshot '${name}'`);
    }
    const createdAt = Math.floor(this.#clock.date().getTime() / 1000);
    const begun = await this.#records.put(volume, name, {
      ...{ revision: before?.revision ?? 0n, begun: 0n, uuid: randomUUID(), state: 'taking' },
      ...{ createdAt, sizeBytes: 0n, members: [], carrying: [], rests },
    });
    const taken = await this.#takeBy(volume, name, begun);
    const { sizeBytes, members } = taken;
    const stored = await this.#records.put(volume, name, { ...begun, state: 'complete', sizeBytes, members });
    return viewOf(name, stored, await this.#engine.mirrorInfo(volume), taken.heldMs);
  }

  /** Fails while a member that may have it is away: until it has been told when it is back. */
  async delete(volume: string, name: string): Promise<void> {
    const found = await this.#records.get(volume, name);
    if (found === undefined) throw new SnapshotNotFoundError(volume, name);
    // Who may have what was not completed nobody knows.
    const known = [...new Set([...found.members, ...found.carrying])];
    const holders = found.state === 'taking' ? membersOf(await this.#info(volume)) : known;
    const gone = { ...found, state: 'deleting' as const, members: holders, carrying: [] };
    const deleting = await this.#records.put(volume, name, gone);
    const rests = await this.#head.deleteAll(volume, found.rests);
    const left = await this.#head.delete(volume, found.uuid);
    const members = holders.filter((uuid) => left.includes(uuid));
    if (members.length === 0 && rests.length === 0) return this.#records.forget(volume, name, deleting);
    await this.#records.put(volume, name, { ...deleting, members, rests });
    throw new MirrorConflictError(
      volume,
      `snapshot '${name}' is deleted but for what ${left.join(', ')} may have of it: ` +
        'not reachable now; delete it again when they are',
    );
  }

  async #takeBy(volume: string, name: string, begun: StoredSnapshot): Promise<MirrorSnapshot> {
    const { uuid, createdAt } = begun;
    let taken: MirrorSnapshot | undefined;
    try {
      taken = await this.#head.take(volume, { uuid, name, createdAt });
    } catch (error) {
      await this.#clear(volume, name, begun);
      throw error;
    }
    if (taken?.state === 'done') return taken;
    await this.#clear(volume, name, begun);
    const reason = taken?.trouble ?? 'its head does not serve any more';
    throw new MirrorConflictError(volume, `no snapshot was taken: ${reason}`);
  }

  /** Nothing of it stays where members can be reached; else it is known by its name. */
  async #clear(volume: string, name: string, begun: StoredSnapshot): Promise<void> {
    try {
      const rests = await this.#head.deleteAll(volume, [...begun.rests, begun.uuid]);
      if (rests.length === 0) await this.#records.forget(volume, name, begun);
    } catch {
      // What failed before says more: the record is as it was.
    }
  }

  #info(volume: string): Promise<MirrorInfo> {
    return this.#engine.mirrorInfo(volume);
  }
}

function viewOf(
  name: string,
  { uuid, state, createdAt, sizeBytes, members }: StoredSnapshot,
  info: MirrorInfo,
  heldMs?: number,
): MirrorSnapshotView {
  const isWhole = membersOf(info).every((member) => members.includes(member));
  const whole = isWhole ? 'complete' : 'degraded';
  const shown = state === 'complete' ? whole : state === 'deleting' ? 'deleting' : 'incomplete';
  const held = heldMs === undefined ? {} : { heldMs };
  const { carry } = info;
  const isCarried = carry?.snapshot === uuid && carry.state === 'running';
  const { to, doneBytes, totalBytes } = carry ?? { to: '', doneBytes: 0n, totalBytes: 0n };
  const carried = isCarried ? { carry: { to, doneBytes, totalBytes } } : {};
  return { name, uuid, state: shown, createdAt, sizeBytes, members, ...held, ...carried };
}
