// Deadlines of calls, and waiting for a state of the kernel, which tells nobody when it changes.
import { setTimeout as delay } from 'node:timers/promises';
import { AbortedError } from '../base/errors.js';
import type { AttachCallOptions } from './types.js';

const deadlineMsDefault = 30_000;
const lookEveryMs = 20;

/** The caller's signal and its deadline as one. */
export function limitOf({ signal, deadlineMs = deadlineMsDefault }: AttachCallOptions = {}): AbortSignal {
  const deadline = AbortSignal.timeout(deadlineMs);
  return signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
}

export function checkGoesOn(limit: AbortSignal, operation: string): void {
  if (limit.aborted) throw new AbortedError(operation, { cause: limit.reason });
}

/** What `look` answers first that is not undefined. ABORTED when the limit comes before. */
export async function until<T>(
  operation: string,
  limit: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    checkGoesOn(limit, operation);
    await delay(lookEveryMs, undefined, { signal: limit }).catch(() => undefined);
  }
}
