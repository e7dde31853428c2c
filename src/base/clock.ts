// Time, as everything that waits or dates something gets it: by constructor, so that a test can replace it.
// Called by leases, limits of rates and records with a date. Steady time never goes back; dates may.

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  steadyMs(): number;
  date(): Date;
  /** Calls back once, unless the returned function was called before. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void;
}

/** Its steady time begins with the process. */
export const systemClock: Clock = {
  steadyMs: () => performance.now(),
  date: () => new Date(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = clock.after(ms, done);
    function done(): void {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
