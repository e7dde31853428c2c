// The record of a volume of a cluster as bytes of the store (docs/formats/cluster-records.md).
import { DomainError } from '../../base/errors.js';
import { membersMax } from '../../base/mirror-spec.js';
import { checkQos, type QosWords, qosClassPattern, qosWords } from '../../base/qos.js';
import { hostsMax, volumeNamePattern, zonesMax } from '../../base/volume-spec.js';
import { readNqn } from './node-record.js';
import { encodeRecord, RecordReader } from './record-reader.js';
import {
  checkPlaces,
  checkWishes,
  type PlacedReplica,
  type PlacementWishes,
  sizeBytesMax,
  sizeBytesUnit,
  type VolumeOrigin,
  type VolumeRecord,
  volumeStates,
} from './volume.js';
import { labelKeyPattern, labelsMax, labelValuePattern, namePattern } from './words.js';

const version = 1;
const nqnPattern = /^[\x21-\x7e]{1,223}$/;

export function encodeVolume(volume: VolumeRecord): Uint8Array {
  return encodeRecord(version, volume);
}

/** `key` is for the error. */
export function decodeVolume(key: string, value: Uint8Array): VolumeRecord {
  const reader = RecordReader.of(key, value, version);
  const volume: VolumeRecord = {
    name: reader.text('name', volumeNamePattern),
    uuid: reader.uuid('uuid'),
    nqn: readNqn(reader, 'nqn'),
    sizeBytes: reader.big('sizeBytes', sizeBytesUnit),
    ...(reader.has('wantedSizeBytes') && { wantedSizeBytes: reader.big('wantedSizeBytes') }),
    blockSizeBytes: readBlockSize(reader),
    replicas: reader.list('replicas', membersMax, readReplica),
    ...(reader.has('leaving') && { leaving: reader.list('leaving', membersMax, readReplica) }),
    wishes: readWishes(reader.record('wishes')),
    ...(reader.has('head') && { head: reader.uuid('head') }),
    ...(reader.has('hosts') && { hosts: reader.texts('hosts', hostsMax, nqnPattern) }),
    ...(reader.has('exclusive') && readExclusive(reader)),
    ...(reader.has('qos') && { qos: readQos(reader.record('qos')) }),
    ...(reader.has('origin') && { origin: readOrigin(reader.record('origin')) }),
    state: reader.oneOf('state', volumeStates),
    created: reader.time('created'),
  };
  reader.end();
  check(reader, volume);
  return volume;
}

function readBlockSize(reader: RecordReader): 512 | 4096 {
  const size = reader.whole('blockSizeBytes', 512, 4096);
  if (size === 512 || size === 4096) return size;
  return reader.fail(`has blocks of ${size} bytes, not of 512 or 4096`);
}

function readExclusive(reader: RecordReader): { readonly exclusive?: true } {
  return reader.boolean('exclusive') ? { exclusive: true } : {};
}

function readReplica(reader: RecordReader): PlacedReplica {
  return {
    ...{ uuid: reader.uuid('uuid'), node: reader.uuid('node'), pool: reader.text('pool', namePattern) },
    ...(reader.has('origin') && { origin: reader.uuid('origin') }),
  };
}

function readOrigin(reader: RecordReader): VolumeOrigin {
  const origin = {
    ...{ volume: reader.uuid('volume'), snapshot: reader.uuid('snapshot') },
    ...(reader.has('asVolume') && reader.boolean('asVolume') && { asVolume: true as const }),
  };
  reader.end();
  return origin;
}

function readWishes(reader: RecordReader): PlacementWishes {
  const wishes = {
    replicas: reader.whole('replicas', 1, membersMax),
    minInSync: reader.whole('minInSync', 1, membersMax),
    thick: reader.boolean('thick'),
    ...(reader.has('pool') && { pool: reader.text('pool', namePattern) }),
    ...(reader.has('nodeLabels') && {
      nodeLabels: reader.map('nodeLabels', labelsMax, labelKeyPattern, labelValuePattern),
    }),
    ...(reader.has('zones') && { zones: reader.texts('zones', zonesMax, namePattern) }),
    spread: reader.oneOf('spread', ['zone', 'prefer-zone'] as const),
    ...(reader.has('apartGroup') && { apartGroup: reader.text('apartGroup', namePattern) }),
  };
  reader.end();
  return wishes;
}

function readQos(reader: RecordReader): QosWords {
  const words: { -readonly [Word in keyof QosWords]: QosWords[Word] } = {};
  if (reader.has('class')) words.class = reader.text('class', qosClassPattern);
  for (const word of qosWords) if (reader.has(word)) words[word] = reader.number(word);
  reader.end();
  return words;
}

/** What must be true of the whole, whoever wrote it. */
function check(reader: RecordReader, volume: VolumeRecord): void {
  const { name, sizeBytes, wantedSizeBytes, replicas, leaving = [], wishes, head } = volume;
  const { hosts, exclusive, qos, state } = volume;
  for (const size of [sizeBytes, wantedSizeBytes ?? sizeBytes]) {
    if (size % sizeBytesUnit !== 0n || size > sizeBytesMax) reader.fail(`has a size of ${size} bytes`);
  }
  if (wantedSizeBytes !== undefined && wantedSizeBytes <= sizeBytes) {
    reader.fail(`is to become larger, and to have ${wantedSizeBytes} of ${sizeBytes} bytes`);
  }
  if (replicas.length === 0 && state !== 'deleting') reader.fail('has no replicas');
  if (head !== undefined && replicas.every(({ node }) => node !== head)) {
    reader.fail('has a head without a replica');
  }
  if (exclusive && (hosts?.length ?? 0) > 1) reader.fail('is granted to several hosts, and to one alone');
  try {
    checkPlaces(name, [...replicas, ...leaving]);
    checkWishes(wishes);
    if (qos !== undefined) checkQos(qos);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    reader.fail(`says what cannot be: ${error.message}`);
  }
}
