// A join token is ID.SECRET.HASH: under which its record is found, 32 random bytes, and the SHA-256 of the
// authority's public key, all but the first in base64url. HASH tells the node which cluster it means before
// it sends anything; SECRET tells the cluster that an administrator let it come.
import { createHash, randomBytes } from 'node:crypto';
import { InvalidArgumentError } from '../base/errors.js';

export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  /** SHA-256 of the public key of the cluster's authority. */
  readonly authority: Buffer;
}

const idBytes = 6;
const secretBytes = 32;
export const joinTokenIdPattern = '^[0-9a-f]{12}$';
const pattern = /^([0-9a-f]{12})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

export function makeJoinToken(authority: Buffer): JoinToken {
  const id = randomBytes(idBytes).toString('hex');
  return { id, secret: randomBytes(secretBytes).toString('base64url'), authority };
}

export function formatJoinToken({ id, secret, authority }: JoinToken): string {
  return `${id}.${secret}.${authority.toString('base64url')}`;
}

/** The text is not in the error: it may be a secret with a typing error. */
export function parseJoinToken(text: string): JoinToken {
  const [, id = '', secret = '', hash = ''] = pattern.exec(text.trim()) ?? [];
  if (id === '') throw new InvalidArgumentError('token', 'a join token, ID.SECRET.HASH');
  return { id, secret, authority: Buffer.from(hash, 'base64url') };
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
