// What a head of this process is asked for about one snapshot of its members, until there is an answer:
// taken, or deleted. What is kept of that is for who calls.
import type { Clock } from '../base/clock.js';
import { MirrorConflictError } from '../base/mirror-errors.js';
import type { MirrorEngine, MirrorInfo, MirrorSnapshot } from '../native/mirror-types.js';
import { realMembers } from './record.js';

/** A head gives one up before: 30 s until it begins, 3 s for which it holds writes. */
const takingTimeoutMs = 60_000;
const deletingTimeoutMs = 30_000;
const pollMs = 20;
/** Attempts of one name that members may still have something of. */
export const restsMax = 16;

export interface WantedSnapshot {
  /** Of this attempt: no member has seen it before, unless this head was asked for the same. */
  readonly uuid: string;
  readonly name: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

export type SnapshotEngine = Pick<MirrorEngine, 'mirrorInfo' | 'snapshotMirror' | 'deleteMirrorSnapshot'>;

export class HeadSnapshots {
  readonly #engine: SnapshotEngine;
  readonly #clock: Clock;

  constructor(engine: SnapshotEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Done or failed; undefined: its head does not serve any more. But for done members may have something. */
  async take(volume: string, { uuid, name, createdAt }: WantedSnapshot): Promise<MirrorSnapshot | undefined> {
    await this.#until(volume, deletingTimeoutMs, isQuiet);
    await this.#engine.snapshotMirror(volume, uuid, name, createdAt);
    const { snapshot } = await this.#until(volume, takingTimeoutMs, (info) => {
      const said = info.snapshot;
      return said?.uuid !== uuid || said.state === 'done' || said.state === 'failed';
    });
    return snapshot?.uuid === uuid ? snapshot : undefined;
  }

  /** UUIDs of members that may have it still: they cannot be reached. */
  async delete(volume: string, uuid: string): Promise<readonly string[]> {
    await this.#until(volume, deletingTimeoutMs, isQuiet);
    await this.#engine.deleteMirrorSnapshot(volume, uuid);
    const info = await this.#until(volume, deletingTimeoutMs, isQuiet);
    const gone = info.snapshotRemoval?.uuid === uuid ? info.snapshotRemoval.members : [];
    return membersOf(info).filter((member) => !gone.includes(member));
  }

  /** Those of these snapshots that a member may still have. */
  async deleteAll(volume: string, uuids: readonly string[]): Promise<readonly string[]> {
    const left: string[] = [];
    for (const uuid of uuids) if ((await this.delete(volume, uuid)).length > 0) left.push(uuid);
    return left;
  }

  async #until(volume: string, ms: number, isDone: (info: MirrorInfo) => boolean): Promise<MirrorInfo> {
    const untilMs = this.#clock.steadyMs() + ms;
    for (;;) {
      const info = await this.#engine.mirrorInfo(volume);
      if (isDone(info)) return info;
      if (this.#clock.steadyMs() >= untilMs) {
        throw new MirrorConflictError(volume, `its members did not answer within ${ms / 1000} s`);
      }
      await new Promise<void>((resolve) => void this.#clock.after(pollMs, resolve));
    }
  }
}

/** Nothing is being deleted at members. */
function isQuiet({ snapshotRemoval }: MirrorInfo): boolean {
  return snapshotRemoval?.running !== true;
}

/** UUIDs, in sync or not. */
export function membersOf({ record }: MirrorInfo): readonly string[] {
  return realMembers(record).map(({ uuid }) => uuid);
}
