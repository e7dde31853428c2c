// What everything that wraps data keys must do, whatever is behind it.
import { describe, expect, it } from 'vitest';
import { makeDataKey } from '../../../src/keys/data-key.js';
import type { KeyProvider } from '../../../src/keys/types.js';
import { VolumeKeys } from '../../../src/keys/volume-keys.js';

export function providerContract(name: string, make: () => Promise<KeyProvider>): void {
  describe(name, () => {
    it('gives back what it wrapped, and never the same bytes as the key', async () => {
      const provider = await make();
      const dataKey = makeDataKey();
      const before = Buffer.from(dataKey);
      const wrapped = await provider.wrap(dataKey);
      expect(dataKey).toEqual(before);
      expect(wrapped.keyId).toBe(await provider.currentKeyId());
      expect(Buffer.from(wrapped.wrapped).includes(dataKey.subarray(0, 16))).toBe(false);
      expect(await provider.unwrap(wrapped)).toEqual(dataKey);
    });

    it('finds every changed bit of a wrapped key', async () => {
      const keys = new VolumeKeys(await make());
      const wrapped = await keys.make();
      const begin = wrapped.length - 40;
      for (let index = begin; index < wrapped.length; index += 7) {
        const damaged = Uint8Array.from(wrapped);
        damaged[index] = (damaged[index] ?? 0) ^ 0x10;
        await expect(keys.unwrap(damaged)).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
      }
      expect(await keys.unwrap(wrapped)).toHaveLength(64);
    });

    it('does not unwrap what a key wrapped that it does not have', async () => {
      const provider = await make();
      const wrapped = await provider.wrap(makeDataKey());
      const foreign = { ...wrapped, keyId: 'ffffffffffffffffffffffffffffffff' };
      await expect(provider.unwrap(foreign)).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
    });

    it('serves many at once', async () => {
      const keys = new VolumeKeys(await make());
      const wrapped = await Promise.all(Array.from({ length: 8 }, () => keys.make()));
      const unwrapped = await Promise.all(wrapped.map((one) => keys.unwrap(one)));
      expect(new Set(unwrapped.map((key) => key.toString('hex'))).size).toBe(8);
    });
  });
}
