// The data key of a volume: two AES-256 keys for XTS, which must differ (IEEE 1619: with equal ones XTS is
// not secure; OpenSSL refuses them).
import { randomBytes, timingSafeEqual } from 'node:crypto';

export const dataKeyBytes = 64;

export function makeDataKey(): Buffer {
  for (;;) {
    const key = randomBytes(dataKeyBytes);
    if (isDataKey(key)) return key;
  }
}

export function isDataKey(key: Uint8Array): boolean {
  if (key.length !== dataKeyBytes) return false;
  return !timingSafeEqual(key.subarray(0, dataKeyBytes / 2), key.subarray(dataKeyBytes / 2));
}
