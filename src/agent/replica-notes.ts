// What this node notes of its replicas beside them, in its own LevelDB: the records of the volume as they
// were seen last. Needed when the store is lost: a replica knows neither the name of its volume nor who
// else has one. Written before the replica is served, and before a head here changes who is a member; what
// replicas know better themselves, as who is head, is written a moment later, of many volumes together.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { decodeNoted, encodeNoted, type NotedRecords } from '../cluster/model/report.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { encodeVolume } from '../cluster/model/volume-record.js';
import { encodeMirror } from '../mirrors/record.js';
import type { MirrorRecord } from '../native/mirror-types.js';
import { commitOperationsMax } from '../store/checks.js';
import type { Store, Write } from '../store/types.js';

export interface ReplicaNotesOptions {
  /** Of this node. */
  readonly local: Pick<Store, 'get' | 'commit'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The records of a volume as its node saw them. */
export interface SeenRecords {
  readonly volume: VolumeRecord;
  readonly mirror: MirrorRecord;
}

const prefix = 'cluster/replicas/';
/** What may be noted later is noted within this time. */
export const noteSoonMs = 1_000;

export class ReplicaNotes {
  readonly #options: ReplicaNotesOptions;
  /** To be written with the next ones, by UUID of the replica. */
  readonly #soon = new Map<string, SeenRecords>();
  #forget: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ReplicaNotesOptions) {
    this.#options = options;
  }

  /** Resolves when it is on stable media. */
  async put(replica: string, seen: SeenRecords): Promise<void> {
    this.#soon.delete(replica);
    const { local } = this.#options;
    const key = prefix + replica;
    const value = bytesOf(seen);
    const there = await local.get(key);
    if (there !== undefined && Buffer.compare(there.value, value) === 0) return;
    await local.commit([], [{ type: 'put', key, value }]);
  }

  /** What may be lost: see isUrgent. One is there already. */
  putSoon(replica: string, seen: SeenRecords): void {
    this.#soon.set(replica, seen);
    this.#forget ??= this.#options.clock.after(noteSoonMs, () => {
      this.#writing = this.#flush();
    });
  }

  /** Undefined: nothing is noted. Fails where it cannot be read. */
  async get(replica: string): Promise<NotedRecords | undefined> {
    const soon = this.#soon.get(replica);
    if (soon !== undefined) return notedOf(soon);
    const key = prefix + replica;
    const found = await this.#options.local.get(key);
    return found === undefined ? undefined : decodeNoted(key, found.value);
  }

  /** Its data is gone. */
  async delete(replica: string): Promise<void> {
    this.#soon.delete(replica);
    await this.#options.local.commit([], [{ type: 'delete', key: prefix + replica }]);
  }

  /** What was to be noted is, or that was tried. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#flush();
  }

  /** Never fails. */
  async #flush(): Promise<void> {
    this.#forget?.();
    this.#forget = undefined;
    const { local, log } = this.#options;
    try {
      while (this.#soon.size > 0) {
        // Taken when they are written: of one that is put or deleted meanwhile nothing older comes after.
        const some = [...this.#soon].slice(0, commitOperationsMax);
        for (const [replica] of some) this.#soon.delete(replica);
        const writes = some.map(
          ([replica, seen]): Write => ({ type: 'put', key: prefix + replica, value: bytesOf(seen) }),
        );
        await local.commit([], writes);
      }
    } catch (err) {
      log.warn({ room: 'agent', err }, 'what changed of volumes is not noted beside their replicas');
    }
  }
}

/**
 * Whether what was noted would mislead whoever makes records anew from it (src/controller/rebuild-plan.ts).
 * Who is in sync, and of which epoch, is told by the replicas; who is to be head is decided anew.
 */
export function isUrgent(noted: SeenRecords, seen: SeenRecords): boolean {
  return !isDeepStrictEqual(essenceOf(noted), essenceOf(seen));
}

function essenceOf({ volume: { head: _head, state: _state, ...volume }, mirror }: SeenRecords) {
  const { members, minInSync, blockSizeBytes, blocksCount } = mirror;
  return { volume, members: members.map(({ uuid }) => uuid), minInSync, blockSizeBytes, blocksCount };
}

function notedOf({ volume, mirror }: SeenRecords): NotedRecords {
  return {
    volume: encodeVolume(volume),
    mirror: encodeMirror({ volumeUuid: volume.uuid, record: mirror }),
    revision: mirror.revision,
  };
}

function bytesOf(seen: SeenRecords): Uint8Array {
  return encodeNoted(notedOf(seen));
}
