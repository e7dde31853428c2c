// One watch over as many streams as it takes: when one breaks the next begins after the last commit that was
// given out, for as long as its reader wants. Silence of the store is silence here.
import { type Clock, pause, systemClock } from '../base/clock.js';
import { ClosedError } from '../base/errors.js';
import type { ChangeSet } from './types.js';

const backoffMsMin = 25;
const backoffMsMax = 1_000;

/** The reader knows everything up to `revision` when it has had `set`. */
export interface WatchStep {
  readonly revision: bigint;
  readonly set?: ChangeSet;
}

export interface WatchStreams {
  /** One stream, of the commits after a revision, until it breaks or the signal aborts. */
  open(after: bigint, signal: AbortSignal): AsyncIterable<WatchStep>;
  /** Whether the next stream may do better; else what the reader hears. `again`: the last one failed too. */
  failed(error: unknown, again: boolean): true | unknown;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
}

export async function* watchOver(
  { open, failed, closing }: WatchStreams,
  after: bigint,
  signal: AbortSignal,
  clock: Clock = systemClock,
): AsyncGenerator<ChangeSet> {
  const ended = AbortSignal.any([signal, closing]);
  let cursor = after;
  let failures = 0;
  while (!ended.aborted) {
    try {
      for await (const { revision, set } of open(cursor, ended)) {
        failures = 0;
        cursor = revision;
        if (set !== undefined) yield set;
      }
    } catch (error) {
      if (ended.aborted) break;
      const outcome = failed(error, failures > 0);
      if (outcome !== true) throw outcome;
    }
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** failures) * (0.5 + Math.random() / 2);
    failures = Math.min(failures + 1, 8);
    await pause(clock, backoffMs, ended);
  }
  if (!signal.aborted) throw new ClosedError('the store');
}
