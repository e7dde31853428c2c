// Which hosts the head of a volume does not hear any more, as its node says: written by its agent alone,
// under a lease, and taken back when they are back. Nothing of it is an order; another node that hears them
// may ask for the head by it.
import { encodeRecord, RecordReader } from './record-reader.js';

/** Of the hosts that are lost, as many are told of. */
export const lostHostsMax = 16;
/** A volume of more hosts stays where it is: whether all of them are heard elsewhere is not told. */
export const connectedHostsMax = 64;

export interface HostsOfHead {
  /** Of the mirror record: this node is head in it. */
  readonly epoch: bigint;
  readonly lost: readonly LostHostFacts[];
  /** NQNs of those that have a controller there. */
  readonly connected: readonly string[];
}

/** As it was when it was lost. */
export interface LostHostFacts {
  readonly nqn: string;
  /** Above 0: it said that it would be heard so often. */
  readonly keepAliveMs: number;
  /** Since it was heard last. */
  readonly silentMs: number;
}

const version = 1;
const nqnPattern = /^nqn\.\S{1,219}$/;
const msMax = 2 ** 32;

export function encodeHostsOfHead({ epoch, lost, connected }: HostsOfHead): Uint8Array {
  return encodeRecord(version, { epoch, lost, connected: connected.map((nqn) => ({ nqn })) });
}

/** `key` is for the error. */
export function decodeHostsOfHead(key: string, value: Uint8Array): HostsOfHead {
  const reader = RecordReader.of(key, value, version);
  const hosts = {
    epoch: reader.big('epoch'),
    lost: reader.list('lost', lostHostsMax, readLost),
    connected: reader.list('connected', connectedHostsMax, (one) => one.text('nqn', nqnPattern)),
  };
  reader.end();
  return hosts;
}

function readLost(reader: RecordReader): LostHostFacts {
  return {
    nqn: reader.text('nqn', nqnPattern),
    keepAliveMs: reader.whole('keepAliveMs', 1, msMax),
    silentMs: reader.whole('silentMs', 0, msMax),
  };
}
