// Tokens beside the admin's, in the store: auth/tokens/NAME, as JSON with the hash of the token. The token
// itself is told once, to whoever created it. Nothing is kept in memory: what is revoked is gone at once.
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type Clock, systemClock } from '../base/clock.js';
import {
  LimitReachedError,
  StoreFailedError,
  TokenExistsError,
  TokenNotFoundError,
} from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import type { Store, Versioned } from '../store/types.js';
import { adminName } from './admin-token.js';
import { type Role, roles } from './roles.js';
import { hashToken, makeToken, tokenNamePattern } from './token.js';

export const tokensMax = 1000;
const prefix = 'auth/tokens/';
const namePattern = new RegExp(tokenNamePattern);

const Stored = Type.Object({
  version: Type.Literal(1),
  role: Type.Union(roles.map((role) => Type.Literal(role))),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  created: Type.String(),
});

export interface TokenInfo {
  readonly name: string;
  readonly role: Role;
  /** ISO 8601, UTC. */
  readonly created: string;
}

export interface NewToken extends TokenInfo {
  readonly token: string;
}

export class TokenRegistry {
  constructor(
    readonly store: Store,
    readonly clock: Clock = systemClock,
  ) {}

  async create(name: string, role: Role): Promise<NewToken> {
    const key = keyOf(name);
    if (!roles.includes(role)) throw new InvalidArgumentError('role', `one of ${roles.join(', ')}`);
    if ((await this.store.list(prefix)).entries.length >= tokensMax) {
      throw new LimitReachedError('tokens', tokensMax);
    }
    const token = makeToken(name);
    const created = this.clock.date().toISOString();
    const sha256 = Buffer.from(hashToken(token)).toString('hex');
    const stored: Static<typeof Stored> = { version: 1, role, sha256, created };
    const value = Buffer.from(JSON.stringify(stored));
    const { ok } = await this.store.commit([{ key, revision: 0n }], [{ type: 'put', key, value }]);
    if (!ok) throw new TokenExistsError(name);
    return { name, role, created, token };
  }

  async list(): Promise<readonly TokenInfo[]> {
    const { entries } = await this.store.list(prefix);
    return entries.map((entry) => {
      const { role, created } = decode(entry);
      return { name: entry.key.slice(prefix.length), role, created };
    });
  }

  async revoke(name: string): Promise<void> {
    const key = keyOf(name);
    const found = await this.store.get(key);
    if (found === undefined) throw new TokenNotFoundError(name);
    // Without a comparison: a token of this name that came in between is to go too.
    await this.store.commit([], [{ type: 'delete', key }]);
  }

  async find(name: string): Promise<{ readonly role: Role; readonly hash: Uint8Array } | undefined> {
    const found = await this.store.get(prefix + name);
    if (found === undefined) return undefined;
    const { role, sha256 } = decode(found);
    return { role, hash: Buffer.from(sha256, 'hex') };
  }
}

function keyOf(name: string): string {
  if (!namePattern.test(name)) {
    throw new InvalidArgumentError('name', '1 to 63 lower-case letters, digits, dots, dashes or underscores');
  }
  if (name === adminName) {
    throw new InvalidArgumentError(
      'name',
      `another than '${adminName}', which is the token of the state directory`,
    );
  }
  return prefix + name;
}

function decode({ key, value }: Versioned): Static<typeof Stored> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(value).toString('utf8'));
  } catch (cause) {
    throw new StoreFailedError(`read ${key}`, 'is not JSON', { cause });
  }
  if (!Value.Check(Stored, parsed)) throw new StoreFailedError(`read ${key}`, 'is of another version');
  return parsed;
}
