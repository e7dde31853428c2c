// What a node says is so, of itself and of each volume of which it keeps a replica: written by its agent
// alone, under its lease. When they are gone the node is lost, as far as anybody can know. Nothing of it is
// an order, and an old copy of it does no harm. Volumes have records of their own: a node has thousands, and
// what changes of one is all that is written, sent and read.
import { membersMax } from '../../base/mirror-spec.js';
import { encodeRecord, RecordReader } from './record-reader.js';
import { namePattern } from './words.js';

export const poolsMax = 64;
const version = 1;
const errorCharactersMax = 512;
const iopsMax = 1_000_000_000_000_000;

export interface NodeFacts {
  /** Of the program. */
  readonly version: string;
  /** ISO 8601, UTC: when this run of it began. */
  readonly started: string;
  readonly pools: readonly PoolFacts[];
}

export interface PoolFacts {
  readonly name: string;
  readonly uuid: string;
  readonly capacityBytes: bigint;
  readonly freeBytes: bigint;
  /** Why it cannot be used now. */
  readonly error?: string;
  /** What may be guaranteed of it, in I/Os per second; absent: nothing was measured or set. */
  readonly iopsBudget?: number;
}

/** A volume of which the node keeps a replica. */
export interface NodeVolumeFacts {
  /** UUID of the replica. */
  readonly replica: string;
  /**
   * standby, or what the head here is doing. absent: it could not be served yet. discarded: its data is gone,
   * as a record said it should.
   */
  readonly state: string;
  readonly error?: string;
  /** Of the head here: what is being copied to members that are not in sync. */
  readonly resync?: readonly ResyncFacts[];
  /**
   * Revision of the volume's record by which hosts are let in here, and by no older one: who is not on its
   * list can do nothing here any more. Absent: it is not known yet.
   */
  readonly hostsRevision?: bigint;
  /** To which the replica here can grow. Absent: it could not be opened yet. */
  readonly sizeMaxBytes?: bigint;
}

export interface ResyncFacts {
  /** UUID of the replica. */
  readonly replica: string;
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
}

export function encodeFacts(facts: NodeFacts): Uint8Array {
  return encodeRecord(version, {
    program: facts.version,
    started: facts.started,
    pools: facts.pools.map((pool) => ({ ...pool, error: cut(pool.error) })),
  });
}

export function encodeVolumeFacts(facts: NodeVolumeFacts): Uint8Array {
  return encodeRecord(version, { ...facts, error: cut(facts.error) });
}

function cut(error: string | undefined): string | undefined {
  return error?.slice(0, errorCharactersMax);
}

/** `key` is for the error. */
export function decodeFacts(key: string, value: Uint8Array): NodeFacts {
  const reader = RecordReader.of(key, value, version);
  const facts = {
    version: reader.words('program', 64),
    started: reader.time('started'),
    pools: reader.list('pools', poolsMax, readPool),
  };
  reader.end();
  return facts;
}

/** `key` is for the error. */
export function decodeVolumeFacts(key: string, value: Uint8Array): NodeVolumeFacts {
  const reader = RecordReader.of(key, value, version);
  const facts = {
    replica: reader.uuid('replica'),
    state: reader.words('state', 32),
    ...readError(reader),
    ...(reader.has('resync') && { resync: reader.list('resync', membersMax, readResync) }),
    ...(reader.has('hostsRevision') && { hostsRevision: reader.big('hostsRevision') }),
    ...(reader.has('sizeMaxBytes') && { sizeMaxBytes: reader.big('sizeMaxBytes') }),
  };
  reader.end();
  return facts;
}

function readPool(reader: RecordReader): PoolFacts {
  return {
    name: reader.text('name', namePattern),
    uuid: reader.uuid('uuid'),
    capacityBytes: reader.big('capacityBytes'),
    freeBytes: reader.big('freeBytes'),
    ...readError(reader),
    ...(reader.has('iopsBudget') && { iopsBudget: reader.whole('iopsBudget', 0, iopsMax) }),
  };
}

function readResync(reader: RecordReader): ResyncFacts {
  return {
    replica: reader.uuid('replica'),
    doneBytes: reader.big('doneBytes'),
    totalBytes: reader.big('totalBytes'),
  };
}

function readError(reader: RecordReader): { readonly error?: string } {
  return reader.has('error') ? { error: reader.words('error', errorCharactersMax) } : {};
}
