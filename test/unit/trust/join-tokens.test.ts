// Join tokens: their text, how many and how long, what the store has of them.
import fastCheck from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { formatJoinToken, makeJoinToken, parseJoinToken } from '../../../src/trust/join-token.js';
import { JoinTokens, joinTokensMax } from '../../../src/trust/join-tokens.js';
import { encode, tokenKey } from '../../../src/trust/records.js';
import { FakeClock } from '../../support/fake-clock.js';

const authority = Buffer.alloc(32, 7);
let store: Store;
let clock: FakeClock;
let tokens: JoinTokens;

beforeEach(() => {
  store = openMemoryStore();
  clock = new FakeClock();
  tokens = new JoinTokens(store, authority, clock);
});

describe('the text of a token', () => {
  it('is read as it was written, with space around it', () => {
    const token = makeJoinToken(authority);
    expect(parseJoinToken(` ${formatJoinToken(token)}\n`)).toEqual(token);
  });

  it('M13: that is none is refused without repeating it', () => {
    const text = formatJoinToken(makeJoinToken(authority));
    for (const wrong of ['', 'secret', text.slice(1), `${text}x`, text.replace('.', ':'), `${text}\nx`]) {
      const refusal = thrownBy(() => parseJoinToken(wrong));
      expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT' });
      if (wrong !== '') expect(String(refusal)).not.toContain(wrong);
    }
    fastCheck.assert(
      fastCheck.property(fastCheck.string({ maxLength: 120 }), (wrong) => {
        expect(thrownBy(() => parseJoinToken(wrong))).toMatchObject({ code: 'INVALID_ARGUMENT' });
      }),
    );
  });
});

describe('join tokens', () => {
  it('are for one node and for a day, unless something else was asked for', async () => {
    const made = await tokens.create();
    expect(made).toMatchObject({ uses: 0, usesMax: 1 });
    expect(Date.parse(made.expires) - clock.date().getTime()).toBe(86_400_000);
    expect(await tokens.create({ ttlSeconds: 60, usesMax: 3 })).toMatchObject({ usesMax: 3 });
    expect(await tokens.list()).toHaveLength(2);
  });

  it('M13: are in the store, and in lists, without their secret', async () => {
    const made = await tokens.create();
    const { secret } = parseJoinToken(made.token);
    const { entries } = await store.list('');
    const kept = JSON.stringify(entries.map(({ key, value }) => [key, Buffer.from(value).toString()]));
    expect(kept).toContain(made.id);
    expect(kept + JSON.stringify(await tokens.list())).not.toContain(secret);
    expect(parseJoinToken(made.token).authority).toEqual(authority);
  });

  it.each([
    { ttlSeconds: 0 },
    { ttlSeconds: 59 },
    { ttlSeconds: 30 * 86_400 + 1 },
    { ttlSeconds: 60.5 },
    { ttlSeconds: Number.NaN },
    { usesMax: 0 },
    { usesMax: -1 },
    { usesMax: 1001 },
  ])('M2: are not made with %j', async (wanted) => {
    await expect(tokens.create(wanted)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await tokens.list()).toEqual([]);
  });

  it('are gone when they expire, from the store when the next one is made', async () => {
    const { id } = await tokens.create({ ttlSeconds: 60 });
    clock.advance(59_999);
    expect(await tokens.list()).toHaveLength(1);
    clock.advance(1);
    expect(await tokens.list()).toEqual([]);
    await tokens.create();
    expect(await store.get(tokenKey(id))).toBeUndefined();
  });

  it('M8: are revoked once', async () => {
    const { id } = await tokens.create();
    await tokens.revoke(id);
    expect(await tokens.list()).toEqual([]);
    await expect(tokens.revoke(id)).rejects.toMatchObject({ code: 'TOKEN_NOT_FOUND' });
  });

  it('M3: of a name that is none are not looked for', async () => {
    await store.commit([], [{ type: 'put', key: tokenKey('../x'), value: Buffer.from('x') }]);
    for (const id of ['', '../x', 'a/b', '\0', 'x'.repeat(256)]) {
      await expect(tokens.revoke(id)).rejects.toMatchObject({ code: 'TOKEN_NOT_FOUND' });
    }
  });

  it('are bounded in number, and expired ones do not count', async () => {
    const now = clock.date().toISOString();
    const expires = new Date(clock.date().getTime() + 60_000).toISOString();
    const record = { sha256: '0'.repeat(64), created: now, expires, uses: 0, usesMax: 1 };
    for (let i = 0; i < joinTokensMax; i += 1) {
      const key = tokenKey(i.toString(16).padStart(12, '0'));
      await store.commit([], [{ type: 'put', key, value: encode(record) }]);
    }
    await expect(tokens.create()).rejects.toMatchObject({ code: 'LIMIT_REACHED' });
    clock.advance(60_000);
    await tokens.create();
    expect(await tokens.list()).toHaveLength(1);
  });

  it.each(['x', '[]', '{"version":2}', '{"version":1,"sha256":"00"}'])(
    'that are damaged in the store are not guessed: %s',
    async (value) => {
      const key = tokenKey('0123456789ab');
      await store.commit([], [{ type: 'put', key, value: Buffer.from(value) }]);
      await expect(tokens.list()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    },
  );
});

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
