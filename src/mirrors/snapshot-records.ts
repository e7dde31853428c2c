// What the store keeps of the snapshots of a mirrored volume: keys mirror-snapshots/NAME/SNAPSHOT
// (docs/formats/mirror-record.md), changed by compare-and-swap alone and read without trust. Of a volume of a
// cluster the controller writes that one is wanted, or not any more, and the agent of its head what came of
// it.
import { parseFields } from '../base/json-fields.js';
import { MirrorConflictError, MirrorRecordError } from '../base/mirror-errors.js';
import { uuidPattern, volumeNamePattern } from '../base/volume-spec.js';
import type { Compare, Store, Versioned } from '../store/types.js';

export const snapshotsPrefix = 'mirror-snapshots/';
/** Of all snapshots of a volume. */
export const snapshotsPrefixOf = (volume: string) => `${snapshotsPrefix}${volume}/`;
export const snapshotKey = (volume: string, name: string) => snapshotsPrefixOf(volume) + name;
const troubleCharactersMax = 512;
/**
 * What the first replicas of a clone have in common, taken before anything is written to them; its UUID is
 * that of the volume. It is nobody's snapshot, and no user can give one this name. Who has it stands on the
 * origin: a snapshot gets there only as what differs from one that is there already, or what the origin has
 * would show where the snapshot reads zeroes. So it comes from one that has it, too.
 */
export const baseSnapshotName = '~origin';

export interface StoredSnapshot {
  readonly revision: bigint;
  /** The one with which it was begun: their order, as several may be of one second. */
  readonly begun: bigint;
  readonly uuid: string;
  /**
   * wanted: of a cluster, nobody has begun. taking: or what a crash, or members that were away, left of that.
   */
  readonly state: 'wanted' | 'taking' | 'complete' | 'deleting';
  readonly createdAt: number;
  readonly sizeBytes: bigint;
  /** UUIDs of the replicas that have it. */
  readonly members: readonly string[];
  /** UUIDs of those to which it was begun to be carried: they may have it. */
  readonly carrying: readonly string[];
  /** UUIDs of earlier attempts of this name that a member may have. */
  readonly rests: readonly string[];
  /** Names of volumes of a cluster that are being made of it: it stays where it is. Absent: none. */
  readonly cloning?: readonly string[];
  /** Of one that goes, of a cluster: why it could not be taken or kept. Absent: it was deleted. */
  readonly trouble?: string;
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
    const { entries } = await this.#store.list(snapshotsPrefixOf(volume));
    return oldestFirst(entries.map(decodeSnapshot));
  }

  async get(volume: string, name: string): Promise<StoredSnapshot | undefined> {
    const found = await this.#store.get(snapshotKey(volume, name));
    return found === undefined ? undefined : decodeSnapshot(found).snapshot;
  }

  /** In the place of the one of this revision. MirrorConflictError: it was another one. */
  async put(volume: string, name: string, snapshot: StoredSnapshot): Promise<StoredSnapshot> {
    const key = snapshotKey(volume, name);
    const { ok, revision } = await this.#store.commit(
      [{ key, revision: snapshot.revision }],
      [{ type: 'put', key, value: encodeSnapshot(snapshot) }],
    );
    if (!ok) throw changed(volume, name);
    return { ...snapshot, revision, begun: begunOf(snapshot, revision) };
  }

  async forget(volume: string, name: string, { revision }: StoredSnapshot): Promise<void> {
    const key = snapshotKey(volume, name);
    const { ok } = await this.#store.commit([{ key, revision }], [{ type: 'delete', key }]);
    if (!ok) throw changed(volume, name);
  }

  /**
   * What a replica of a clone has on its disk of `base`, which is what the first ones have in common. The
   * record is made where it is missing, as after a loss of the store, if `guard` holds: that the volume is
   * there.
   */
  async noteBase(
    volume: string,
    replica: string,
    base: { readonly uuid: string; readonly sizeBytes: bigint; readonly isThere: boolean },
    guard: Compare,
  ): Promise<void> {
    const { uuid, sizeBytes, isThere } = base;
    const found = await this.get(volume, baseSnapshotName);
    if ((found?.members.includes(replica) ?? false) === isThere) return;
    const others = found?.members.filter((one) => one !== replica) ?? [];
    const blank = { revision: 0n, begun: 0n, createdAt: 0, carrying: [], rests: [] };
    const members = isThere ? [...others, replica] : others;
    const next = { ...blank, uuid, sizeBytes, state: 'complete' as const, ...found, members };
    const key = snapshotKey(volume, baseSnapshotName);
    const { ok } = await this.#store.commit(
      [{ key, revision: next.revision }, guard],
      [{ type: 'put', key, value: encodeSnapshot(next) }],
    );
    if (!ok) throw changed(volume, baseSnapshotName);
  }

  /** The replica of this UUID has none of them, nor gets one that was under way: it begins anew. */
  async forgetMember(volume: string, replica: string): Promise<void> {
    const isOther = (uuid: string) => uuid !== replica;
    for (const { name, snapshot } of await this.list(volume)) {
      const members = snapshot.members.filter(isOther);
      const carrying = snapshot.carrying.filter(isOther);
      if (members.length + carrying.length === snapshot.members.length + snapshot.carrying.length) continue;
      await this.put(volume, name, { ...snapshot, members, carrying });
    }
  }
}

/** Volumes are being made of it. */
export function isCloned({ cloning = [] }: StoredSnapshot): boolean {
  return cloning.length > 0;
}

export function oldestFirst(snapshots: readonly NamedSnapshot[]): readonly NamedSnapshot[] {
  return [...snapshots].sort((one, other) => (one.snapshot.begun < other.snapshot.begun ? -1 : 1));
}

/**
 * The first snapshot for which a replica has to stay: others that are in sync lack it, or volumes are being
 * made of it, or it is not known yet who has it (`lacking` is empty then). Undefined: nothing of them is
 * lost with the replica. UUIDs.
 */
export function keptFor(
  snapshots: readonly NamedSnapshot[],
  replica: string,
  others: readonly string[],
): { readonly name: string; readonly lacking: readonly string[] } | undefined {
  for (const { name, snapshot } of snapshots) {
    const { state, members } = snapshot;
    if (name === baseSnapshotName) continue;
    // Who has it is known only when it is complete.
    if (state === 'wanted' || state === 'taking') return { name, lacking: [] };
    if (!members.includes(replica)) continue;
    if (isCloned(snapshot)) return { name, lacking: [] };
    if (state === 'deleting') continue;
    const lacking = others.filter((uuid) => !members.includes(uuid));
    if (lacking.length > 0) return { name, lacking };
  }
  return undefined;
}

/** While it is wanted, or being taken, its record is the one with which it was begun. */
function begunOf({ state, begun }: Pick<StoredSnapshot, 'state' | 'begun'>, revision: bigint): bigint {
  return state === 'wanted' || state === 'taking' ? revision : begun;
}

export function encodeSnapshot(of: StoredSnapshot): Uint8Array {
  const { revision: _, begun, sizeBytes, carrying, cloning = [], trouble, ...snapshot } = of;
  const numbers = { begun: `${begun}`, sizeBytes: `${sizeBytes}` };
  const known = {
    ...(carrying.length > 0 && { carrying }),
    ...(cloning.length > 0 && { cloning }),
    ...(trouble !== undefined && { trouble: trouble.slice(0, troubleCharactersMax) }),
  };
  return Buffer.from(JSON.stringify({ version: 1, ...snapshot, ...numbers, ...known }));
}

/** Fails with MirrorRecordError. */
export function decodeSnapshot({ key, value, revision }: Versioned): NamedSnapshot & { volume: string } {
  const { volume, name } = placeOf(key);
  const fields = parseFields(value) ?? {};
  const {
    version,
    uuid,
    state,
    createdAt,
    begun,
    sizeBytes,
    members,
    carrying = [],
    rests,
    cloning,
    trouble,
  } = fields;
  const isWhole =
    version === 1 &&
    isUuid(uuid) &&
    isState(state) &&
    typeof createdAt === 'number' &&
    isWholeNumber(begun) &&
    isWholeNumber(sizeBytes) &&
    isUuids(members) &&
    isUuids(carrying) &&
    isUuids(rests) &&
    (cloning === undefined || isNames(cloning)) &&
    (trouble === undefined || typeof trouble === 'string');
  if (!isWhole) throw new MirrorRecordError(volume, 'of a snapshot is damaged');
  const snapshot = {
    ...{ revision, uuid, state, createdAt, members, carrying, rests, sizeBytes: BigInt(sizeBytes) },
    begun: begunOf({ state, begun: BigInt(begun) }, revision),
    ...(cloning !== undefined && { cloning }),
    ...(trouble !== undefined && { trouble }),
  };
  return { volume, name, snapshot };
}

/** Of a key of a snapshot. */
export function placeOf(key: string): { readonly volume: string; readonly name: string } {
  const [volume = '', name = ''] = key.slice(snapshotsPrefix.length).split('/', 2);
  return { volume, name };
}

function isState(value: unknown): value is StoredSnapshot['state'] {
  return value === 'wanted' || value === 'taking' || value === 'complete' || value === 'deleting';
}

function isWholeNumber(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9]{1,19}$/.test(value);
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && volumeNamePattern.test(one));
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
