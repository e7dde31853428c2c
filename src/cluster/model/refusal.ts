// That somebody does not take this store for the one of its cluster: written by a node or a controller, and
// taken back by it when that is over. While there is one nothing is decided by the store, by anybody.
import { encodeRecord, RecordReader } from './record-reader.js';
import { namePattern } from './words.js';

export interface Refusal {
  /** UUID of the node or the controller. */
  readonly id: string;
  readonly name: string;
  readonly kind: 'node' | 'controller';
  /** For a person; a sentence without its end. */
  readonly reason: string;
  /** Of the store that it knows; absent: it knew none, and its disks say more than this store. */
  readonly lineage?: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

const version = 1;
const kinds = ['node', 'controller'] as const;
const reasonCharactersMax = 512;

export function encodeRefusal(refusal: Refusal): Uint8Array {
  return encodeRecord(version, { ...refusal, reason: refusal.reason.slice(0, reasonCharactersMax) });
}

/** `key` is for the error. */
export function decodeRefusal(key: string, value: Uint8Array): Refusal {
  const reader = RecordReader.of(key, value, version);
  const refusal: Refusal = {
    id: reader.uuid('id'),
    name: reader.text('name', namePattern),
    kind: reader.oneOf('kind', kinds),
    reason: reader.words('reason', reasonCharactersMax),
    ...(reader.has('lineage') && { lineage: reader.uuid('lineage') }),
    since: reader.time('since'),
  };
  reader.end();
  return refusal;
}

/** Who refuses, and why, in one sentence. */
export function refusalText(refusals: Iterable<Refusal>): string {
  const all = [...refusals];
  const [first] = all;
  if (first === undefined) return '';
  const others = all.length > 1 ? `, and so say ${all.length - 1} more` : '';
  return `${first.kind} '${first.name}' says that ${first.reason}${others}`;
}
