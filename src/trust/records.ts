// What the store keeps of joining: trust/tokens/ID, with the hash of the secret; trust/nodes/ID, to which
// name a certificate was given; trust/names/NAME, to which node. Read without trust, as the records of the
// cluster.
import { StoreFailedError } from '../base/control-errors.js';
import { type Fields, parseFields } from '../base/json-fields.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { Versioned } from '../store/types.js';

export const tokensPrefix = 'trust/tokens/';
export const tokenKey = (id: string) => tokensPrefix + id;
export const admittedKey = (nodeId: string) => `trust/nodes/${nodeId.toLowerCase()}`;
export const nameKey = (name: string) => `trust/names/${name}`;

export interface TokenRecord {
  /** Of its secret, hexadecimal. */
  readonly sha256: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly expires: string;
  /** By how many nodes. */
  readonly uses: number;
  readonly usesMax: number;
}

export interface AdmittedNode {
  readonly name: string;
  /** ID of the token it came with last. */
  readonly token: string;
  readonly joined: string;
}

export function encode(record: TokenRecord | AdmittedNode | { readonly node: string }): Uint8Array {
  return Buffer.from(JSON.stringify({ version: 1, ...record }));
}

export function decodeToken(entry: Versioned): TokenRecord {
  const { sha256, created, expires, uses, usesMax } = fieldsOf(entry);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return damaged(entry);
  if (!isInstant(created) || !isInstant(expires) || !isCount(uses) || !isCount(usesMax)) {
    return damaged(entry);
  }
  return { sha256, created, expires, uses, usesMax };
}

export function decodeAdmitted(entry: Versioned): AdmittedNode {
  const { name, token, joined } = fieldsOf(entry);
  if (typeof name !== 'string' || typeof token !== 'string' || !isInstant(joined)) return damaged(entry);
  return { name, token, joined };
}

/** ID of the node that has a name. */
export function decodeName(entry: Versioned): string {
  const { node } = fieldsOf(entry);
  return typeof node === 'string' && uuidPattern.test(node) ? node : damaged(entry);
}

function fieldsOf(entry: Versioned): Fields {
  const fields = parseFields(entry.value);
  return fields?.version === 1 ? fields : damaged(entry);
}

function isInstant(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function damaged({ key }: Versioned): never {
  throw new StoreFailedError(`read ${key}`, 'is damaged, or of another version');
}
