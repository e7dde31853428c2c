// Waits for what becomes so by itself, asking again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import { DrillTimeoutError } from '../base/drill-errors.js';
import { AbortedError } from '../base/errors.js';

export interface UntilOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly intervalMs?: number;
}

/**
 * Until `look` says nothing; it says how things stand otherwise, which the error tells when time is up. What
 * it throws ends the waiting.
 */
export async function until(
  awaited: string,
  { timeoutMs, signal, intervalMs = 100 }: UntilOptions,
  look: () => Promise<string | undefined>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    if (signal.aborted) throw new AbortedError(awaited);
    const stands = await look();
    if (stands === undefined) return;
    if (performance.now() >= endMs) throw new DrillTimeoutError(awaited, timeoutMs / 1000, stands);
    await sleep(intervalMs);
  }
}

/** Ends early, with an error, when the signal does. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((cause) => {
    throw new AbortedError('pause', { cause });
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
