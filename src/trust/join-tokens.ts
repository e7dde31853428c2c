// Join tokens in the store, with the hash of their secret: the token itself is told once, to whoever made it.
// Nothing is kept in memory: what is revoked is gone at once. They expire by the wall clock of the process
// that judges them.
import { type Clock, systemClock } from '../base/clock.js';
import { LimitReachedError, TokenNotFoundError } from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import type { Store } from '../store/types.js';
import { formatJoinToken, hashSecret, joinTokenIdPattern, makeJoinToken } from './join-token.js';
import { decodeToken, encode, type TokenRecord, tokenKey, tokensPrefix } from './records.js';

export const joinTokensMax = 1000;
export const joinUsesMax = 1000;
export const joinTtlSecondsMin = 60;
export const joinTtlSecondsMax = 30 * 86_400;
const ttlSecondsDefault = 86_400;
const idPattern = new RegExp(joinTokenIdPattern);

export interface JoinTokenInfo extends Omit<TokenRecord, 'sha256'> {
  readonly id: string;
}

export interface NewJoinToken extends JoinTokenInfo {
  readonly token: string;
}

export interface WantedJoinToken {
  /** Default: a day. */
  readonly ttlSeconds?: number;
  /** How many nodes may come with it. Default: one. */
  readonly usesMax?: number;
}

export class JoinTokens {
  constructor(
    readonly store: Store,
    /** SHA-256 of the public key of the authority. */
    readonly authority: Buffer,
    readonly clock: Clock = systemClock,
  ) {}

  async create(wanted: WantedJoinToken = {}): Promise<NewJoinToken> {
    const { ttlSeconds = ttlSecondsDefault, usesMax = 1 } = wanted;
    check('ttlSeconds', ttlSeconds, joinTtlSecondsMin, joinTtlSecondsMax);
    check('usesMax', usesMax, 1, joinUsesMax);
    await this.#dropExpired();
    if ((await this.list()).length >= joinTokensMax)
      throw new LimitReachedError('join tokens', joinTokensMax);
    const token = makeJoinToken(this.authority);
    const now = this.clock.date();
    const record: TokenRecord = {
      sha256: hashSecret(token.secret).toString('hex'),
      created: now.toISOString(),
      expires: new Date(now.getTime() + ttlSeconds * 1000).toISOString(),
      uses: 0,
      usesMax,
    };
    const key = tokenKey(token.id);
    const { ok } = await this.store.commit(
      [{ key, revision: 0n }],
      [{ type: 'put', key, value: encode(record) }],
    );
    if (!ok) throw new Error(`a join token ${token.id} is there`); // 48 random bits
    return { ...infoOf(token.id, record), token: formatJoinToken(token) };
  }

  /** Those that have not expired. */
  async list(): Promise<readonly JoinTokenInfo[]> {
    const { entries } = await this.store.list(tokensPrefix);
    const infos = entries.map((entry) => infoOf(entry.key.slice(tokensPrefix.length), decodeToken(entry)));
    return infos.filter((info) => !this.#hasExpired(info));
  }

  async revoke(id: string): Promise<void> {
    const key = tokenKey(id);
    if (!idPattern.test(id) || (await this.store.get(key)) === undefined) throw new TokenNotFoundError(id);
    await this.store.commit([], [{ type: 'delete', key }]);
  }

  async #dropExpired(): Promise<void> {
    const { entries } = await this.store.list(tokensPrefix);
    for (const entry of entries.filter((one) => this.#hasExpired(decodeToken(one)))) {
      const { key, revision } = entry;
      await this.store.commit([{ key, revision }], [{ type: 'delete', key }]);
    }
  }

  #hasExpired({ expires }: Pick<TokenRecord, 'expires'>): boolean {
    return Date.parse(expires) <= this.clock.date().getTime();
  }
}

function infoOf(id: string, { created, expires, uses, usesMax }: TokenRecord): JoinTokenInfo {
  return { id, created, expires, uses, usesMax };
}

function check(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidArgumentError(what, `a whole number from ${min} to ${max}`);
}
