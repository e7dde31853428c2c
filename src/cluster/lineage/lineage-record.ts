// Which store this is: `cluster/lineage` in the store, changed by every controller that opens it, and what a
// node remembers of it. From both follows whether a store has forgotten what a node has seen. Pure.
//
// A revision alone does not tell: a store that was put back from an old copy goes on counting, and soon is as
// far as before. So each opening by a controller has a token, and the revision at which it was written. A
// node remembers the last opening that it knew and the highest revision that it saw while that was the last
// one. In the store that it knows that opening is there, and the next one comes after what it saw.
import { uuidPattern } from '../../base/volume-spec.js';
import { lineageKey } from '../model/keys.js';
import { encodeRecord, RecordReader } from '../model/record-reader.js';

export interface Opening {
  /** From 1, without a hole. */
  readonly number: number;
  /** UUID, of this opening alone. */
  readonly token: string;
  /** At which it was written; absent of the last one: that of the record itself. */
  readonly revision?: bigint;
}

export interface LineageRecord {
  /** UUID; another one when it was decided to go on with a store that nodes refused. */
  readonly id: string;
  /** Whose nodes take this store for theirs, as was decided; the newest last. */
  readonly replaces: readonly string[];
  /** The last ones, the newest last. */
  readonly openings: readonly Opening[];
}

/** As it is in the store. */
export interface StoredLineage {
  readonly record: LineageRecord;
  /** Of the key. */
  readonly keyRevision: bigint;
}

/** What is remembered of a store. */
export interface LineageMark {
  readonly lineage: string;
  /** The last opening that was known. */
  readonly opening: Omit<Opening, 'revision'>;
  /** The highest one that was seen while that was the last opening. */
  readonly revision: bigint;
}

export const openingsMax = 64;
export const replacesMax = 32;
const version = 1;
const numberMax = Number.MAX_SAFE_INTEGER;

/** `before`: as it is; undefined: the store is new, and begins a lineage. */
export function withOpening(
  before: StoredLineage | undefined,
  token: string,
  newId: () => string,
): LineageRecord {
  if (before === undefined) return { id: newId(), replaces: [], openings: [{ number: 1, token }] };
  const { record } = before;
  const known = closed(before);
  const number = (known.at(-1)?.number ?? 0) + 1;
  return { ...record, openings: [...known, { number, token }].slice(-openingsMax) };
}

/**
 * A store that was refused is the cluster's from now on: a lineage of its own, which those before go on
 * in.
 */
export function withReplaced(
  before: StoredLineage,
  others: readonly string[],
  id: string,
  token: string,
): LineageRecord {
  const { record } = before;
  const replaces = new Set([...record.replaces, ...others, record.id]);
  const openings = [{ number: (record.openings.at(-1)?.number ?? 0) + 1, token }];
  return { id, replaces: [...replaces].slice(-replacesMax), openings };
}

/** What is to be remembered of a store that was found to be right. `revision`: at which it was looked at. */
export function markOf({ id, openings }: LineageRecord, revision: bigint): LineageMark {
  const { number, token } = lastOf(openings);
  return { lineage: id, opening: { number, token }, revision };
}

/**
 * Why a store cannot be the one that `mark` was made of, for a person; undefined: nothing speaks against it.
 * `stored`: undefined: it does not say which one it is. `revision`: of the store when that was read.
 */
export function judge(
  mark: LineageMark | undefined,
  stored: StoredLineage | undefined,
  revision: bigint,
): string | undefined {
  if (mark === undefined) return undefined;
  if (stored === undefined) return 'it is empty, or of before this cluster';
  const { record } = stored;
  if (record.id !== mark.lineage) {
    if (record.replaces.includes(mark.lineage)) return undefined;
    return 'it is new, or of another cluster';
  }
  const { number, token } = mark.opening;
  const openings = closed(stored);
  const oldest = openings[0]?.number ?? 0;
  if (number < oldest) return undefined; // nobody knows any more: epochs of replicas decide
  const same = openings.find((one) => one.number === number);
  if (same?.token !== token) return 'an opening of it that was seen has never been: it is an old copy';
  const next = openings.find((one) => one.number === number + 1);
  const seen = `revision ${mark.revision} was seen`;
  if (next === undefined) {
    return revision < mark.revision
      ? `it is at revision ${revision}, and ${seen}: it is an old copy`
      : undefined;
  }
  if (next.revision === undefined || next.revision > mark.revision) return undefined;
  return `it was opened anew at revision ${next.revision}, and ${seen} before: it is an old copy`;
}

export function encodeLineage(record: LineageRecord): Uint8Array {
  return encodeRecord(version, record);
}

export function decodeLineage(value: Uint8Array): LineageRecord {
  const reader = RecordReader.of(lineageKey, value, version);
  const record: LineageRecord = {
    id: reader.uuid('id'),
    replaces: reader.texts('replaces', replacesMax, uuidPattern),
    openings: reader.list('openings', openingsMax, readOpening),
  };
  reader.end();
  if (record.openings.length === 0) reader.fail('has no opening');
  const [first] = record.openings;
  const isWhole = record.openings.every(
    ({ number, revision }, index) =>
      number === (first?.number ?? 0) + index &&
      (revision !== undefined) === index < record.openings.length - 1,
  );
  if (!isWhole) reader.fail('has openings that do not follow each other');
  return record;
}

export function encodeMark(mark: LineageMark): Uint8Array {
  return encodeRecord(version, mark);
}

/** `key` is for the error. */
export function decodeMark(key: string, value: Uint8Array): LineageMark {
  const reader = RecordReader.of(key, value, version);
  const opening = reader.record('opening');
  const mark = {
    lineage: reader.uuid('lineage'),
    opening: { number: opening.whole('number', 1, numberMax), token: opening.uuid('token') },
    revision: reader.big('revision'),
  };
  opening.end();
  reader.end();
  return mark;
}

function readOpening(reader: RecordReader): Opening {
  return {
    number: reader.whole('number', 1, numberMax),
    token: reader.uuid('token'),
    ...(reader.has('revision') && { revision: reader.big('revision', 1n) }),
  };
}

/** With the revision of the last one, too. */
function closed({ record, keyRevision }: StoredLineage): readonly Opening[] {
  return record.openings.map((one) => (one.revision === undefined ? { ...one, revision: keyRevision } : one));
}

function lastOf(openings: readonly Opening[]): Opening {
  const last = openings.at(-1);
  if (last === undefined) throw new Error('a lineage has an opening at least');
  return last;
}
