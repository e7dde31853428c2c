// A token is SECRET.NAME: 32 random bytes in base64url, and the name under which its hash is found. SHA-256
// is enough for a secret that cannot be guessed; comparing hashes takes the same time wherever they differ.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const secretBytes = 32;
const tokenPattern = /^[A-Za-z0-9_-]{43}\.([a-z0-9][a-z0-9._-]{0,62})$/;
export const tokenNamePattern = '^[a-z0-9][a-z0-9._-]{0,62}$';

export function makeToken(name: string): string {
  return `${randomBytes(secretBytes).toString('base64url')}.${name}`;
}

/** The name in a token; undefined where the text cannot be one. */
export function nameInToken(token: string): string | undefined {
  return tokenPattern.exec(token)?.[1];
}

export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

export function hashesAreEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}
