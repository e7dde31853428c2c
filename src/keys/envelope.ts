// The bytes that a pool keeps for an encrypted volume: docs/formats/wrapped-key.md. Pure; nothing in it is a
// secret but what is wrapped.
import { KeyUnavailableError } from '../base/pool-errors.js';
import type { KeyFacts, KeyProvider, WrappedKey } from './types.js';

export const envelopeBytesMax = 1024;
const magic = 'BWK1';
const headBytes = 24;
const dataKeyIdBytes = 16;
const kinds = ['file', 'command'] as const satisfies KeyProvider['kind'][];
export const keyIdPattern = /^[\x21-\x7e]{1,200}$/;

export interface Envelope extends WrappedKey, KeyFacts {
  readonly kind: KeyProvider['kind'];
}

export function encodeEnvelope({ kind, keyId, dataKeyId, wrapped }: Envelope): Uint8Array {
  const id = Buffer.from(keyId, 'latin1');
  const head = Buffer.alloc(headBytes);
  head.write(magic, 0, 'latin1');
  head.writeUInt8(kinds.indexOf(kind) + 1, 4);
  head.writeUInt8(id.length, 5);
  head.writeUInt16LE(wrapped.length, 6);
  Buffer.from(dataKeyId, 'hex').copy(head, 8);
  const bytes = Buffer.concat([head, id, wrapped]);
  if (bytes.length > envelopeBytesMax || !keyIdPattern.test(keyId)) {
    throw new KeyUnavailableError(`key ${kind}`, 'gave a key id or a wrapped key that is too long');
  }
  return bytes;
}

export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (all.length < headBytes || all.toString('latin1', 0, 4) !== magic) throw damaged();
  const kind = kinds[all.readUInt8(4) - 1];
  const idEnd = headBytes + all.readUInt8(5);
  const end = idEnd + all.readUInt16LE(6);
  const keyId = all.toString('latin1', headBytes, idEnd);
  if (kind === undefined || end !== all.length || !keyIdPattern.test(keyId)) throw damaged();
  return {
    kind,
    keyId,
    dataKeyId: all.toString('hex', 8, 8 + dataKeyIdBytes),
    wrapped: all.subarray(idEnd, end),
  };
}

function damaged(): KeyUnavailableError {
  return new KeyUnavailableError('wrapped key', 'is damaged, or of a later version');
}
