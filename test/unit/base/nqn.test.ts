import { describe, expect, it } from 'vitest';
import { checkNqn, checkSubsystemNqn, discoveryNqn, volumeNqn } from '../../../src/base/nqn.js';

const uuid = '11111111-2222-3333-4444-555555555555';

describe('checkNqn', () => {
  it('refuses 224 bytes and takes 223, counted in bytes', () => {
    const prefix = 'nqn.2026-11.dev.ballast:';
    const longest = prefix + 'x'.repeat(223 - prefix.length);
    expect(checkNqn(longest)).toBe(longest);
    expect(() => checkNqn(`${longest}x`)).toThrow('224 bytes long, more than 223');
    expect(() => checkNqn(`${prefix}${'ä'.repeat(100)}`)).toThrow('is 224 bytes long');
  });

  it.each([
    '',
    'demo',
    'nqn.2026.dev:x',
    'nqn.2026-13.dev.ballast:x',
    'nqn.2026-11.:x',
    'nqn.2026-11.dev.ballast:a b',
    'nqn.2026-11.dev.ballast:a\nb',
    'iqn.2026-11.dev.ballast:x',
  ])('refuses %j', (nqn) => {
    expect(() => checkNqn(nqn)).toThrowError(expect.objectContaining({ code: 'INVALID_NQN' }));
  });

  it.each([
    volumeNqn(uuid),
    `nqn.2014-08.org.nvmexpress:uuid:${uuid}`,
    discoveryNqn,
    'nqn.2026-11.io.spdk:cnode1',
  ])('takes %s', (nqn) => {
    expect(checkNqn(nqn)).toBe(nqn);
  });
});

describe('checkSubsystemNqn', () => {
  it('refuses the discovery name for a volume', () => {
    expect(() => checkSubsystemNqn(discoveryNqn)).toThrow('discovery subsystem');
  });
});
