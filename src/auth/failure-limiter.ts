// Bounds how many failed attempts an address gets an honest answer to, and the log a line: ten at once, then
// one a second. It does not stand before a right token: secrets of 256 bits need no such help, and whoever
// shares an address with a broken client should not be locked out by it.
import type { Clock } from '../base/clock.js';

export const failuresAtOnceMax = 10;
const refillMs = 1000;
const addressesMax = 1024;

interface Bucket {
  left: number;
  sinceMs: number;
}

export class FailureLimiter {
  // The longest unused is the first.
  readonly #buckets = new Map<string, Bucket>();

  constructor(readonly clock: Clock) {}

  /** Counts a failure; false when there were too many. */
  take(address: string): boolean {
    const nowMs = this.clock.steadyMs();
    const bucket = this.#buckets.get(address) ?? { left: failuresAtOnceMax, sinceMs: nowMs };
    const refill = Math.floor((nowMs - bucket.sinceMs) / refillMs);
    bucket.left = Math.min(failuresAtOnceMax, bucket.left + refill);
    bucket.sinceMs += refill * refillMs;
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > addressesMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    if (bucket.left === 0) return false;
    bucket.left -= 1;
    return true;
  }

  get addressesCount(): number {
    return this.#buckets.size;
  }
}
