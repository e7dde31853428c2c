// The record of a node as bytes of the store (docs/formats/cluster-records.md).
import type { HostPort } from '../../base/address.js';
import { checkNqn } from '../../base/nqn.js';
import { type NodeRecord, nodeStates, nodesMax } from './node.js';
import { encodeRecord, RecordReader } from './record-reader.js';
import { labelKeyPattern, labelsMax, labelValuePattern, namePattern } from './words.js';

const version = 1;
const hostPattern = /^[\x21-\x7e]{1,255}$/;

export function encodeNode(node: NodeRecord): Uint8Array {
  return encodeRecord(version, node);
}

/** `key` is for the error. */
export function decodeNode(key: string, value: Uint8Array): NodeRecord {
  const reader = RecordReader.of(key, value, version);
  const addresses = reader.record('addresses');
  const node: NodeRecord = {
    id: reader.uuid('id'),
    name: reader.text('name', namePattern),
    addresses: { nvme: readAddress(addresses, 'nvme'), replication: readAddress(addresses, 'replication') },
    hostNqn: readNqn(reader, 'hostNqn'),
    labels: reader.map('labels', labelsMax, labelKeyPattern, labelValuePattern),
    ...(reader.has('zone') && { zone: reader.text('zone', namePattern) }),
    state: reader.oneOf('state', nodeStates),
    slot: reader.whole('slot', 0, nodesMax - 1),
    joined: reader.time('joined'),
  };
  addresses.end();
  reader.end();
  return node;
}

function readAddress(addresses: RecordReader, name: string): HostPort {
  const reader = addresses.record(name);
  const address = { host: reader.text('host', hostPattern), port: reader.whole('port', 1, 65_535) };
  reader.end();
  return address;
}

export function readNqn(reader: RecordReader, name: string): string {
  const nqn = reader.text(name, /^/);
  try {
    return checkNqn(nqn);
  } catch {
    return reader.fail(`has a ${name} that is no NQN`);
  }
}
