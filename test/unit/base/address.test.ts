import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatTcp,
  parseHostPort,
  parseListenAddress,
  parseTargetAddress,
  resolveHost,
} from '../../../src/base/address.js';

const invalid = expect.objectContaining({ code: 'INVALID_URI' });

describe('parseTargetAddress', () => {
  it.each([
    '127.0.0.1:4420',
    'rdma://127.0.0.1:4420',
    'tcp://',
    'tcp://:4420',
    'tcp://host:port',
    'tcp://host:65536',
    'tcp://host:0',
    'tcp://a b:1',
    'tcp://[::1:4420',
    'tcp://[1.2.3]:4420',
    'tcp://::1:4420',
    'tcp://a,',
    'tcp://,a',
    'tcp://a,b:0',
    'tcp://a:4420,b,a',
    `tcp://${Array.from({ length: 17 }, (_, i) => `h${i}`).join(',')}`,
  ])('refuses %s', (uri) => {
    expect(() => parseTargetAddress(uri)).toThrowError(invalid);
  });

  it('refuses a malformed NQN', () => {
    expect(() => parseTargetAddress('tcp://127.0.0.1/demo')).toThrowError(
      expect.objectContaining({ code: 'INVALID_NQN' }),
    );
  });

  it('takes the NQN behind the first slash, colons and all', () => {
    expect(parseTargetAddress('tcp://[::1]:4421/nqn.2026-11.dev.ballast:volume:a')).toEqual({
      host: '::1',
      port: 4421,
      nqn: 'nqn.2026-11.dev.ballast:volume:a',
    });
  });

  it('takes several addresses of one subsystem', () => {
    expect(parseTargetAddress('tcp://10.0.0.1,[::1]:4421,c:1/nqn.2026-11.dev.ballast:volume:a')).toEqual({
      host: '10.0.0.1',
      port: 4420,
      others: [
        { host: '::1', port: 4421 },
        { host: 'c', port: 1 },
      ],
      nqn: 'nqn.2026-11.dev.ballast:volume:a',
    });
  });

  it('uses port 4420 where none is given', () => {
    expect(parseTargetAddress('tcp://storage.example')).toEqual({ host: 'storage.example', port: 4420 });
    expect(parseTargetAddress('TCP://10.0.0.1/')).toEqual({ host: '10.0.0.1', port: 4420 });
  });

  it('reads back what formatTcp writes', () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes('.')),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (address, port) => {
        expect(parseTargetAddress(formatTcp({ host: address, port }))).toEqual({ host: address, port });
      }),
    );
  });
});

describe('parseListenAddress', () => {
  it.each([
    'tcp://storage.example:4420',
    'tcp://127.0.0.1:4420/x',
    'tcp://127.0.0.1:99999',
    'udp://127.0.0.1:1',
  ])('refuses %s', (uri) => {
    expect(() => parseListenAddress(uri)).toThrowError(invalid);
  });

  it('takes port 0, wildcards and localhost', () => {
    expect(parseListenAddress('tcp://127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 });
    expect(parseListenAddress('tcp://[::]:4420')).toEqual({ host: '::', port: 4420 });
    expect(parseListenAddress('tcp://localhost')).toEqual({ host: '127.0.0.1', port: 4420 });
  });
});

describe('parseHostPort', () => {
  it('refuses a missing port where there is no default', () => {
    expect(() => parseHostPort('host')).toThrow('the port is missing');
  });
});

describe('resolveHost', () => {
  it('gives numeric addresses back as they are', async () => {
    expect(await resolveHost('::1')).toBe('::1');
  });
  it('refuses a name that does not exist as unreachable', async () => {
    await expect(resolveHost('no-such-host.invalid')).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});
