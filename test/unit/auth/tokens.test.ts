import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminTokenHash } from '../../../src/auth/admin-token.js';
import { allows, type Role, roles } from '../../../src/auth/roles.js';
import { hashesAreEqual, hashToken, makeToken, nameInToken } from '../../../src/auth/token.js';
import { TokenRegistry, tokensMax } from '../../../src/auth/token-registry.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';

const failure = (code: string, text = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('roles', () => {
  it('include those below them', () => {
    const table = roles.map((role) => roles.map((needed) => allows(role, needed)));
    expect(table).toEqual([
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ]);
  });
});

describe('a token', () => {
  it('is another each time, and has its name', () => {
    const token = makeToken('ci.runner-1');
    expect(token).not.toBe(makeToken('ci.runner-1'));
    expect(nameInToken(token)).toBe('ci.runner-1');
    expect(hashesAreEqual(hashToken(token), hashToken(token))).toBe(true);
    expect(hashesAreEqual(hashToken(token), hashToken(`${token}x`))).toBe(false);
    expect(hashesAreEqual(hashToken(token), new Uint8Array(3))).toBe(false);
  });

  it.each(['', 'x', `${'a'.repeat(43)}`, `${'a'.repeat(43)}.`, `${'a'.repeat(42)}.x`, `${'a'.repeat(43)}.A`])(
    'is not %j',
    (text) => {
      expect(nameInToken(text)).toBeUndefined();
      expect(nameInToken(`${makeToken('a')}\n`)).toBeUndefined();
    },
  );
});

describe('the admin token', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ballast-auth-'));
    path = join(directory, 'api-token');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is made once, for its owner only, whatever the umask and whatever was left behind', async () => {
    await writeFile(`${path}.tmp`, 'left behind', { mode: 0o666 });
    await chmod(`${path}.tmp`, 0o666);
    const hash = await adminTokenHash(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const token = (await readFile(path, 'utf8')).trim();
    expect(hashesAreEqual(hash, hashToken(token))).toBe(true);
    expect(await adminTokenHash(path)).toEqual(hash);
    expect(await readdir(directory)).toEqual(['api-token']);
  });

  it.each([0o640, 0o604, 0o644, 0o660])(
    'is refused when others could have read it: mode %o',
    async (mode) => {
      await adminTokenHash(path);
      await chmod(path, mode);
      await expect(adminTokenHash(path)).rejects.toThrow(failure('STATE_DIRECTORY', 'instead of 0600'));
    },
  );

  it.each(['', 'hello', makeToken('other'), `${makeToken('admin')} ${makeToken('admin')}`, 'x'.repeat(5000)])(
    'is refused when the file holds something else: %j',
    async (content) => {
      await writeFile(path, content, { mode: 0o600 });
      await expect(adminTokenHash(path)).rejects.toThrow(failure('STATE_DIRECTORY', 'holds no token'));
      expect(await readFile(path, 'utf8')).toBe(content);
    },
  );

  it('is refused when it cannot be read or written', async () => {
    await expect(adminTokenHash(join(directory, 'no', 'such'))).rejects.toThrow(failure('STATE_DIRECTORY'));
    await symlink('api-token', path);
    await expect(adminTokenHash(path)).rejects.toThrow(failure('STATE_DIRECTORY', 'cannot be read'));
  });
});

describe('the registry', () => {
  let store: Store;
  let registry: TokenRegistry;
  beforeEach(() => {
    store = openMemoryStore(new FakeClock());
    registry = new TokenRegistry(store, new FakeClock());
  });
  afterEach(() => store.close());

  it.each(['', 'Admin', 'a b', 'a/b', '-a', 'x'.repeat(64), 'admin', 'ä'])(
    'refuses the name %j',
    async (name) => {
      await expect(registry.create(name, 'viewer')).rejects.toThrow(failure('INVALID_ARGUMENT', 'name'));
      await expect(registry.revoke(name)).rejects.toThrow(failure('INVALID_ARGUMENT', 'name'));
      expect(await registry.list()).toEqual([]);
    },
  );

  it('refuses an unknown role, a name that is taken, and more than there may be', async () => {
    await expect(registry.create('a', 'root' as Role)).rejects.toThrow(failure('INVALID_ARGUMENT', 'role'));
    await registry.create('a', 'viewer');
    await expect(registry.create('a', 'admin')).rejects.toThrow(failure('TOKEN_EXISTS'));
    expect((await registry.find('a'))?.role).toBe('viewer');
    const more = Array.from({ length: tokensMax - 1 }, (_, index) => registry.create(`t${index}`, 'viewer'));
    await Promise.all(more);
    await expect(registry.create('b', 'viewer')).rejects.toThrow(failure('LIMIT_REACHED', '1000 tokens'));
  });

  it('lets one of two that want a name at the same time have it', async () => {
    const both = await Promise.allSettled([registry.create('a', 'viewer'), registry.create('a', 'admin')]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('keeps a hash, and tells the token once', async () => {
    const made = await registry.create('ci', 'operator');
    expect(made).toMatchObject({ name: 'ci', role: 'operator', created: '2026-11-22T00:00:00.000Z' });
    expect(await registry.list()).toEqual([{ name: 'ci', role: 'operator', created: made.created }]);
    const found = await registry.find('ci');
    expect(found?.hash).toEqual(hashToken(made.token));
    const { entries } = await store.list('');
    for (const { value } of entries) {
      expect(Buffer.from(value).toString()).not.toContain(made.token.slice(0, 43));
    }
  });

  it('forgets what is revoked', async () => {
    await registry.create('ci', 'operator');
    await registry.revoke('ci');
    expect(await registry.find('ci')).toBeUndefined();
    await expect(registry.revoke('ci')).rejects.toThrow(failure('TOKEN_NOT_FOUND'));
  });

  it.each(['{', '{}', '{"version":2}'])('says so when an entry of the store is %s', async (text) => {
    await store.commit([], [{ type: 'put', key: 'auth/tokens/x', value: Buffer.from(text) }]);
    await expect(registry.find('x')).rejects.toThrow(failure('STORE_FAILED', 'auth/tokens/x'));
  });
});
