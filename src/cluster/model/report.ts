// What a node finds on its disks, for somebody who has to make the records of a lost store anew: written by
// its agent while the store is refused or somebody asks, and deleted afterwards. Nothing of it is an order.
import { membersMax } from '../../base/mirror-spec.js';
import type { NodeRecord } from './node.js';
import { decodeNode, encodeNode } from './node-record.js';
import { encodeRecord, RecordReader } from './record-reader.js';
import { namePattern } from './words.js';

export const contents = ['complete', 'partial', 'nothing'] as const;

/** What the replica knows of itself, and what its node noted beside it. */
export interface ReplicaReport {
  readonly uuid: string;
  /** Where it is. */
  readonly pool: string;
  /** Absent: no head has ever used it. */
  readonly volumeUuid?: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: number;
  /** Of the heads that used it. */
  readonly maxEpoch: bigint;
  readonly content: (typeof contents)[number];
  /** Its metadata is damaged. */
  readonly unusable: boolean;
  /** Members of which it notes what they miss. */
  readonly absent: readonly { readonly uuid: string; readonly sinceEpoch: bigint }[];
  /** The records of its volume as the node saw them last; absent: it noted none. */
  readonly noted?: NotedRecords;
}

export interface NotedRecords {
  /** Bytes of both, as they were in the store. */
  readonly volume: Uint8Array;
  readonly mirror: Uint8Array;
  /** Of the mirror record there. */
  readonly revision: bigint;
}

/** Written last: all that the node has is there. */
export interface NodeReport {
  readonly node: NodeRecord;
  readonly replicasCount: number;
}

export const replicasMax = 8192;
const version = 1;
const base64 = /^[A-Za-z0-9+/]{0,65536}={0,2}$/;
const absentMax = membersMax - 1;

export function encodeNodeReport({ node, replicasCount }: NodeReport): Uint8Array {
  return encodeRecord(version, { node: textOf(encodeNode(node)), replicasCount });
}

/** `key` is for the error. */
export function decodeNodeReport(key: string, value: Uint8Array): NodeReport {
  const reader = RecordReader.of(key, value, version);
  const report = {
    node: decodeNode(key, bytesOf(reader.text('node', base64))),
    replicasCount: reader.whole('replicasCount', 0, replicasMax),
  };
  reader.end();
  return report;
}

export function encodeReplicaReport({ noted, ...report }: ReplicaReport): Uint8Array {
  return encodeRecord(version, { ...report, noted: noted && notedFields(noted) });
}

/** `key` is for the error. */
export function decodeReplicaReport(key: string, value: Uint8Array): ReplicaReport {
  const reader = RecordReader.of(key, value, version);
  const report: ReplicaReport = {
    uuid: reader.uuid('uuid'),
    pool: reader.text('pool', namePattern),
    ...(reader.has('volumeUuid') && { volumeUuid: reader.uuid('volumeUuid') }),
    sizeBytes: reader.big('sizeBytes'),
    blockSizeBytes: reader.whole('blockSizeBytes', 512, 4096),
    maxEpoch: reader.big('maxEpoch'),
    content: reader.oneOf('content', contents),
    unusable: reader.boolean('unusable'),
    absent: reader.list('absent', absentMax, (one) => ({
      uuid: one.uuid('uuid'),
      sinceEpoch: one.big('sinceEpoch'),
    })),
    ...(reader.has('noted') && { noted: readNoted(reader.record('noted')) }),
  };
  reader.end();
  return report;
}

export function encodeNoted(noted: NotedRecords): Uint8Array {
  return encodeRecord(version, notedFields(noted));
}

/** `key` is for the error. */
export function decodeNoted(key: string, value: Uint8Array): NotedRecords {
  const reader = RecordReader.of(key, value, version);
  return readNoted(reader);
}

function readNoted(reader: RecordReader): NotedRecords {
  const noted = {
    volume: bytesOf(reader.text('volume', base64)),
    mirror: bytesOf(reader.text('mirror', base64)),
    revision: reader.big('revision'),
  };
  reader.end();
  return noted;
}

function notedFields({ volume, mirror, revision }: NotedRecords) {
  return { volume: textOf(volume), mirror: textOf(mirror), revision };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'base64');
}
