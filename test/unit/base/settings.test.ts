import { describe, expect, it } from 'vitest';
import {
  parseInCapsule,
  parseReactors,
  parseSpinUs,
  resolveServeSettings,
} from '../../../src/base/settings.js';

describe('resolveServeSettings', () => {
  const volume = ['demo=mem:1M'];

  it('puts flags over the environment over the file over defaults', () => {
    const file = { data: '/file', spinUs: 1, reactors: 3, listen: ['tcp://127.0.0.3:1'] };
    const environment = { BALLAST_DATA: '/env', BALLAST_SPIN_US: '2', BALLAST_LISTEN: 'tcp://127.0.0.2:1' };
    const flags = { data: '/flag', listen: ['tcp://127.0.0.1:1'] };
    expect(resolveServeSettings(flags, environment, file)).toMatchObject({
      dataDirectory: '/flag',
      listen: [{ host: '127.0.0.1', port: 1 }],
      spinUs: 2,
      reactors: { count: 3 },
    });
    expect(resolveServeSettings({}, environment, file)).toMatchObject({
      dataDirectory: '/env',
      listen: [{ host: '127.0.0.2', port: 1 }],
    });
    expect(resolveServeSettings({}, {}, file)).toMatchObject({ dataDirectory: '/file', spinUs: 1 });
    expect(resolveServeSettings({}, {}, {})).toEqual({
      ensured: {},
      keySource: undefined,
      storeSource: { kind: 'level' },
      dataDirectory: './var',
      listen: [{ host: '127.0.0.1', port: 4420 }],
      apiListen: { address: { host: '127.0.0.1', port: 8420 }, chosen: false },
      reactors: { count: 1 },
      logLevel: 'info',
      volumes: [],
      replicas: [],
      mirrors: [],
    });
  });

  it('listens on the address of an interface, and on no other', () => {
    const listen = [{ host: '127.0.0.1', port: 4420 }];
    expect(resolveServeSettings({ storageInterface: 'lo' }, {}, {}).listen).toEqual(listen);
    expect(resolveServeSettings({}, { BALLAST_STORAGE_INTERFACE: 'lo' }, {}).listen).toEqual(listen);
    expect(resolveServeSettings({}, {}, { storageInterface: 'lo' }).listen).toEqual(listen);
    const both = { storageInterface: 'lo', listen: ['tcp://127.0.0.1:1'] };
    expect(() => resolveServeSettings(both, {}, {})).toThrow('not both');
    expect(() => resolveServeSettings({ storageInterface: 'lo9' }, {}, {})).toThrow('storage-interface');
  });

  it('reads where the API listens, also nowhere', () => {
    const of = (apiListen: string) => resolveServeSettings({ apiListen }, {}, {}).apiListen;
    expect(of('off')).toEqual({ chosen: true });
    expect(of('localhost:0')).toEqual({ address: { host: '127.0.0.1', port: 0 }, chosen: true });
    expect(of('http://[::]:80/')).toEqual({ address: { host: '::', port: 80 }, chosen: true });
    expect(of('10.0.0.5')).toEqual({ address: { host: '10.0.0.5', port: 8420 }, chosen: true });
    const environment = { BALLAST_API_LISTEN: 'off' };
    expect(resolveServeSettings({}, environment, { apiListen: '127.0.0.1:1' }).apiListen).toEqual({
      chosen: true,
    });
    for (const bad of ['', 'example.org:1', 'https://127.0.0.1:1', '127.0.0.1:x', '127.0.0.1:70000']) {
      expect(() => of(bad)).toThrow(expect.objectContaining({ code: 'INVALID_URI' }));
    }
  });

  it('takes an empty variable for one that is not set', () => {
    expect(resolveServeSettings({}, { BALLAST_DATA: '' }, {}).dataDirectory).toBe('./var');
  });

  it.each([
    [['a=mem:1M', 'a=mem:1M'], 'the name is given twice'],
    [['a=file:/x', 'b=file:/x'], "the same file as volume 'a'"],
    [
      [
        'a=mem:1M,uuid=11111111-2222-3333-4444-555555555555',
        'b=mem:1M,uuid=11111111-2222-3333-4444-555555555555',
      ],
      "the same uuid as volume 'a'",
    ],
  ])('refuses %j', (volumes, reason) => {
    expect(() => resolveServeSettings({ volume: volumes }, {}, {})).toThrowError(
      expect.objectContaining({ code: 'DUPLICATE_VOLUME', message: expect.stringContaining(reason) }),
    );
  });

  it('refuses a name that stands in the file and on the command line', () => {
    expect(() => resolveServeSettings({ volume }, {}, { volumes: { demo: 'mem:2M' } })).toThrow(
      'given twice',
    );
  });

  it('lets volumes share an NQN', () => {
    const volumes = ['a=mem:1M,nqn=nqn.2026-11.dev.x:s', 'b=mem:1M,nqn=nqn.2026-11.dev.x:s'];
    expect(resolveServeSettings({ volume: volumes }, {}, {}).volumes).toHaveLength(2);
  });

  it('refuses the same address twice but not port 0', () => {
    const twice = (uri: string) => resolveServeSettings({ listen: [uri, uri] }, {}, {});
    expect(() => twice('tcp://127.0.0.1:5')).toThrow('given twice');
    expect(twice('tcp://127.0.0.1:0').listen).toHaveLength(2);
  });

  it('refuses an unknown log level', () => {
    expect(() => resolveServeSettings({ logLevel: 'loud' }, {}, {})).toThrow('one of debug');
  });

  it('reads what is advertised with and without a port', () => {
    expect(resolveServeSettings({ advertise: '10.0.2.2' }, {}, {}).advertise).toEqual({ host: '10.0.2.2' });
    expect(resolveServeSettings({ advertise: '10.0.2.2:1' }, {}, {}).advertise).toEqual({
      host: '10.0.2.2',
      port: 1,
    });
  });
});

describe('parseReactors', () => {
  it.each(['0', '65', 'x', '1-', '3-1', '0,0', '1;2', '', '-1', '0-99'])('refuses %j', (text) => {
    expect(() => parseReactors(text)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('reads a count, and CPUs', () => {
    expect(parseReactors('2')).toEqual({ count: 2 });
    expect(parseReactors('0,2-3')).toEqual({ count: 3, cpus: [0, 2, 3] });
    expect(parseReactors('1,')).toEqual({ count: 1, cpus: [1] });
  });
});

describe('parseSpinUs', () => {
  it('reads microseconds and max, refuses the rest', () => {
    expect(parseSpinUs('0')).toBe(0);
    expect(parseSpinUs('max')).toBe(Number.POSITIVE_INFINITY);
    for (const text of ['-1', '1000001', '1.5', 'min', ''])
      expect(() => parseSpinUs(text)).toThrow('spin-us');
  });
});

describe('parseInCapsule', () => {
  it('reads multiples of 16 up to 128 KiB', () => {
    expect(parseInCapsule('8k')).toBe(8192);
    expect(parseInCapsule('0')).toBe(0);
    for (const text of ['100', '132k']) expect(() => parseInCapsule(text)).toThrow('multiple of 16');
  });
});
