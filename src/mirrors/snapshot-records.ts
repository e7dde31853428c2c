// What the store keeps of the snapshots of a mirrored volume: keys mirror-snapshots/NAME/SNAPSHOT
// (docs/formats/mirror-record.md), changed by compare-and-swap alone and read without trust.
import { parseFields } from '../base/json-fields.js';
import { MirrorConflictError, MirrorRecordError } from '../base/mirror-errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { Store } from '../store/types.js';

const prefix = 'mirror-snapshots/';

export interface StoredSnapshot {
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
  /** UUIDs of those to which it was begun to be carried: they may have it. */
  readonly carrying: readonly string[];
  /** UUIDs of earlier attempts of this name that a member may have. */
  readonly rests: readonly string[];
}

export interface NamedSnapshot {
  readonly name: string;
  readonly snapshot: StoredSnapshot;
}

export class SnapshotRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The oldest first. */
  async list(volume: string): Promise<readonly NamedSnapshot[]> {
    const { entries } = await this.#store.list(`${prefix}${volume}/`);
    const found = entries.map(({ key, value, revision }) => ({
      name: key.slice(`${prefix}${volume}/`.length),
      snapshot: decode(volume, value, revision),
    }));
    return found.sort((one, other) => (one.snapshot.begun < other.snapshot.begun ? -1 : 1));
  }

  async get(volume: string, name: string): Promise<StoredSnapshot | undefined> {
    const found = await this.#store.get(keyOf(volume, name));
    return found === undefined ? undefined : decode(volume, found.value, found.revision);
  }

  /** In the place of the one of this revision. MirrorConflictError: it was another one. */
  async put(volume: string, name: string, snapshot: StoredSnapshot): Promise<StoredSnapshot> {
    const key = keyOf(volume, name);
    const { ok, revision } = await this.#store.commit(
      [{ key, revision: snapshot.revision }],
      [{ type: 'put', key, value: encode(snapshot) }],
    );
    if (!ok) throw changed(volume, name);
    return { ...snapshot, revision, begun: begunOf(snapshot, revision) };
  }

  async forget(volume: string, name: string, { revision }: StoredSnapshot): Promise<void> {
    const key = keyOf(volume, name);
    const { ok } = await this.#store.commit([{ key, revision }], [{ type: 'delete', key }]);
    if (!ok) throw changed(volume, name);
  }
}

function keyOf(volume: string, name: string): string {
  return `${prefix}${volume}/${name}`;
}

/** While it is being taken its record is the one with which it was begun. */
function begunOf({ state, begun }: Pick<StoredSnapshot, 'state' | 'begun'>, revision: bigint): bigint {
  return state === 'taking' ? revision : begun;
}

function encode({ revision: _, begun, sizeBytes, carrying, ...snapshot }: StoredSnapshot): Uint8Array {
  const numbers = { begun: `${begun}`, sizeBytes: `${sizeBytes}` };
  const known = carrying.length === 0 ? {} : { carrying };
  return Buffer.from(JSON.stringify({ version: 1, ...snapshot, ...numbers, ...known }));
}

function decode(volume: string, value: Uint8Array, revision: bigint): StoredSnapshot {
  const fields = parseFields(value) ?? {};
  const { version, uuid, state, createdAt, begun, sizeBytes, members, carrying = [], rests } = fields;
  const isWhole =
    version === 1 &&
    isUuid(uuid) &&
    (state === 'taking' || state === 'complete' || state === 'deleting') &&
    typeof createdAt === 'number' &&
    isWholeNumber(begun) &&
    isWholeNumber(sizeBytes) &&
    isUuids(members) &&
    isUuids(carrying) &&
    isUuids(rests);
  if (!isWhole) throw new MirrorRecordError(volume, 'of a snapshot is damaged');
  return {
    ...{ revision, uuid, state, createdAt, members, carrying, rests, sizeBytes: BigInt(sizeBytes) },
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
