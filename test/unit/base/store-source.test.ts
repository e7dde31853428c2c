import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveServeSettings } from '../../../src/base/settings.js';
import { formatStoreSource, parseStoreSource } from '../../../src/base/store-source.js';

describe('--store', () => {
  it.each([
    ['nothing', 'tcp://a:1', 'level, or etcd://HOST:PORT'],
    ['no address', 'etcd://', 'HOST:PORT'],
    ['an address twice', 'etcd://a:1,a:1', 'each once'],
    [
      'too many addresses',
      `etcd://${Array.from({ length: 17 }, (_, index) => `h${index}`).join()}`,
      '1 to 16',
    ],
    ['port 0', 'etcd://a:0', 'each once'],
    ['a user in the address', 'etcd://u:canary@a:1', 'no user in the address'],
    ['a space in the prefix', 'etcd://a/x y', 'printable ASCII'],
    ['a prefix that is too long', `etcd://a/${'x'.repeat(128)}`, '1 to 128'],
  ])('refuses %s', (_what, store, message) => {
    expect(() => parseStoreSource({ store })).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message) }),
    );
    expect(() => parseStoreSource({ store })).not.toThrow(/canary/);
  });

  it.each([
    [{ storeCa: 'a' }, 'a store in etcd beside it'],
    [{ store: 'level', storeUser: 'a' }, 'store-user: '],
    [{ store: 'etcd://a', storeCa: 'b' }, 'etcds://'],
    [{ store: 'etcds://a', storeCert: 'b' }, 'both, a certificate and its key'],
    [{ store: 'etcd://a', storeUser: 'b' }, 'both, a user and the file'],
    [{ store: 'etcd://a', storePasswordFile: 'b' }, 'both, a user and the file'],
  ])('refuses %j', (flags, message) => {
    expect(() => parseStoreSource(flags)).toThrow(message);
  });

  it('is the state directory unless it says otherwise', () => {
    expect(parseStoreSource({})).toEqual({ kind: 'level' });
    expect(parseStoreSource({ store: 'level' })).toEqual({ kind: 'level' });
  });

  it('takes addresses, a prefix, certificates and a user', () => {
    const source = parseStoreSource({
      store: 'etcds://a,[fd00::1]:5,10.0.0.1:6/ballast/node1',
      storeCa: 'ca',
      storeCert: 'cert',
      storeKey: '/key',
      storeUser: 'u',
      storePasswordFile: 'p',
    });
    expect(source).toEqual({
      kind: 'etcd',
      endpoints: [
        { host: 'a', port: 2379 },
        { host: 'fd00::1', port: 5 },
        { host: '10.0.0.1', port: 6 },
      ],
      prefix: 'ballast/node1/',
      tls: { ca: resolve('ca'), own: { certificate: resolve('cert'), key: '/key' } },
      user: { name: 'u', passwordFile: resolve('p') },
    });
    if (source.kind === 'etcd') {
      expect(formatStoreSource(source)).toBe('etcds://a:2379,[fd00::1]:5,10.0.0.1:6/ballast/node1/');
    }
  });

  it('is a flag, a variable or a key of the configuration, in this order', () => {
    const config = { store: 'etcds://file', storeCa: 'from-file' };
    const environment = { BALLAST_STORE: 'etcds://variable', BALLAST_STORE_USER: 'u' };
    const flags = { store: 'etcds://flag', storePasswordFile: 'f' };
    const { storeSource } = resolveServeSettings(flags, environment, config);
    expect(storeSource).toMatchObject({
      endpoints: [{ host: 'flag', port: 2379 }],
      prefix: 'ballast/',
      tls: { ca: resolve('from-file') },
      user: { name: 'u', passwordFile: resolve('f') },
    });
  });
});
