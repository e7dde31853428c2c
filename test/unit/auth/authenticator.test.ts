import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Authenticator } from '../../../src/auth/authenticator.js';
import { FailureLimiter, failuresAtOnceMax } from '../../../src/auth/failure-limiter.js';
import { hashToken, makeToken } from '../../../src/auth/token.js';
import { TokenRegistry } from '../../../src/auth/token-registry.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';

const admin = makeToken('admin');
const unauthenticated = expect.objectContaining({ code: 'UNAUTHENTICATED' });
let clock: FakeClock;
let store: Store;
let tokens: TokenRegistry;
let logged: unknown[][];
let authenticator: Authenticator;
beforeEach(() => {
  clock = new FakeClock();
  store = openMemoryStore(clock);
  tokens = new TokenRegistry(store, clock);
  logged = [];
  const log = { warn: (...line: unknown[]) => void logged.push(line) };
  authenticator = new Authenticator({ adminHash: hashToken(admin), tokens, log, clock });
});
afterEach(() => store.close());
const attempt = (header: string | undefined, from = '127.0.0.1') => authenticator.authenticate(header, from);

describe('the authenticator', () => {
  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    admin,
    `Basic ${admin}`,
    `Bearer ${admin} `,
    `Bearer ${admin}x`,
    `Bearer x${admin}`,
    `Bearer ${makeToken('admin')}`,
    `Bearer ${makeToken('nobody')}`,
    `Bearer ${admin},Bearer ${admin}`,
  ])('refuses %j', async (header) => {
    await expect(attempt(header)).rejects.toThrow(unauthenticated);
  });

  it('knows the admin and those of the registry, in any spelling of Bearer', async () => {
    const { token } = await tokens.create('ci', 'operator');
    expect(await attempt(`Bearer ${admin}`)).toEqual({ name: 'admin', role: 'admin' });
    expect(await attempt(`bearer  ${token}`)).toEqual({ name: 'ci', role: 'operator' });
  });

  it('does not take a name that begins like the admin for the admin', async () => {
    const { token } = await tokens.create('admin2', 'viewer');
    expect(await attempt(`Bearer ${token}`)).toEqual({ name: 'admin2', role: 'viewer' });
    await expect(attempt(`Bearer ${admin}2`)).rejects.toThrow(unauthenticated);
  });

  it('refuses a token under another name, and one that was revoked', async () => {
    const { token } = await tokens.create('a', 'admin');
    await tokens.create('b', 'viewer');
    await expect(attempt(`Bearer ${token.replace('.a', '.b')}`)).rejects.toThrow(unauthenticated);
    await expect(attempt(`Bearer ${token.replace('.a', '.admin')}`)).rejects.toThrow(unauthenticated);
    await tokens.revoke('a');
    await expect(attempt(`Bearer ${token}`)).rejects.toThrow(unauthenticated);
  });

  it('tells neither the log nor the caller what was tried', async () => {
    const wrong = makeToken('admin');
    const error = await attempt(`Bearer ${wrong}`).catch((thrown: unknown) => thrown);
    expect(logged).toHaveLength(1);
    expect(JSON.stringify([logged, error, (error as Error).message])).not.toContain(wrong.slice(0, 43));
  });

  it('bounds failures of one address without locking out a right token or another address', async () => {
    const wrong = `Bearer ${makeToken('admin')}`;
    for (let count = 0; count < failuresAtOnceMax; count += 1) {
      await expect(attempt(wrong)).rejects.toThrow(unauthenticated);
    }
    const tooMany = expect.objectContaining({ code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 1 });
    await expect(attempt(wrong)).rejects.toThrow(tooMany);
    await expect(attempt('Bearer nonsense')).rejects.toThrow(tooMany);
    expect(logged).toHaveLength(failuresAtOnceMax);
    expect((await attempt(`Bearer ${admin}`)).role).toBe('admin');
    await expect(attempt(wrong, '10.0.0.1')).rejects.toThrow(unauthenticated);
    clock.advance(1000);
    await expect(attempt(wrong)).rejects.toThrow(unauthenticated);
    await expect(attempt(wrong)).rejects.toThrow(tooMany);
  });

  it('takes a missing header for a question, not for an attempt', async () => {
    for (let count = 0; count < 3 * failuresAtOnceMax; count += 1) {
      await expect(attempt(undefined)).rejects.toThrow(unauthenticated);
    }
    expect(logged).toEqual([]);
  });
});

describe('the limiter', () => {
  it('does not save up more than the burst, and does not grow without end', () => {
    const limiter = new FailureLimiter(clock);
    expect(limiter.take('a')).toBe(true);
    clock.advance(3_600_000);
    const taken = Array.from({ length: failuresAtOnceMax + 1 }, () => limiter.take('a'));
    expect(taken.filter(Boolean)).toHaveLength(failuresAtOnceMax);
    for (let count = 0; count < 5000; count += 1) limiter.take(`address ${count}`);
    expect(limiter.addressesCount).toBe(1024);
  });
});
