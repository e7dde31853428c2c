import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSize, parseDeviceSize, parseSize } from '../../../src/base/sizes.js';

describe('parseSize', () => {
  it.each(['', ' ', 'x', '-1', '+1', '1e6', '0x10', '4kk', '4 k b', 'NaN', '1.', '.5', '10EiB', '4k,'])(
    'refuses %j',
    (text) => {
      expect(() => parseSize(text)).toThrowError(expect.objectContaining({ code: 'INVALID_SIZE' }));
    },
  );

  it('refuses a fraction of a byte and what no file offset holds', () => {
    expect(() => parseSize('1.5')).toThrow('not a whole number of bytes');
    expect(() => parseSize('8192P')).toThrow('above 2^63');
    expect(parseSize('8191P')).toBe(8191n * 1024n ** 5n);
  });

  it.each([
    ['0', 0n],
    ['4096', 4096n],
    ['4k', 4096n],
    ['4K', 4096n],
    ['4KiB', 4096n],
    ['512MiB', 512n << 20n],
    ['10GiB', 10n << 30n],
    ['10G', 10n << 30n],
    ['1.5g', 1536n << 20n],
    ['1GB', 1_000_000_000n],
    ['1 TiB', 1n << 40n],
    ['100b', 100n],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it('reads back every size that formatSize shows exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1023n }), fc.integer({ min: 0, max: 5 }), (value, unit) => {
        const bytes = value << BigInt(10 * unit);
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  it('never throws anything but its own error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseSize(text)).toBeTypeOf('bigint');
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_SIZE' });
        }
      }),
    );
  });
});

describe('parseDeviceSize', () => {
  it('refuses zero and what is not a multiple of the block size', () => {
    expect(() => parseDeviceSize('0', 512)).toThrow('is zero');
    expect(() => parseDeviceSize('513', 512)).toThrow('multiple of the block size 512');
    expect(() => parseDeviceSize('512', 4096)).toThrow('multiple of the block size 4096');
    expect(parseDeviceSize('512', 512)).toBe(512n);
  });
});

describe('formatSize', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1 << 20, '1 MiB'],
    [1536, '1.5 KiB'],
    [(1 << 30) + 1, '1.0 GiB'],
  ])('shows %d as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
