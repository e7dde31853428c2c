// Everything that is under a prefix of the store, as it was at the beginning and as it changes, each key in
// order; through gaps, outages and restarts of the store. While the store is away nothing is told, and
// nothing is taken back.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Store, Versioned } from './types.js';

export interface RecordWatchOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly prefix: string;
  /** Also of what has not changed, after the store was away. */
  readonly onPut: (put: Versioned) => void;
  readonly onDelete?: (key: string) => void;
  /** All that there was has been told, for the first time or again. */
  readonly onListed?: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between a watch that ended and the next list. */
export const relistMs = 500;

export class RecordWatch {
  readonly #options: RecordWatchOptions;
  readonly #end = new AbortController();
  readonly #keys = new Set<string>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: RecordWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, prefix } = this.#options;
    while (!this.#end.signal.aborted) {
      try {
        await this.#follow();
      } catch (err) {
        if (!this.#end.signal.aborted)
          log.warn({ room: 'store', err }, `what the store has under ${prefix} is read again`);
      }
      await this.#pause();
    }
  }

  async #follow(): Promise<void> {
    const { store, prefix, onListed } = this.#options;
    const { entries, revision } = await store.list(prefix);
    const there = new Set(entries.map(({ key }) => key));
    for (const key of this.#keys) {
      if (!there.has(key)) this.#delete(key);
    }
    for (const entry of entries) this.#put(entry);
    onListed?.();
    for await (const { changes } of store.watch(prefix, revision, this.#end.signal)) {
      for (const change of changes) {
        if (change.type === 'put') this.#put(change);
        else this.#delete(change.key);
      }
    }
  }

  #put(put: Versioned): void {
    this.#keys.add(put.key);
    this.#options.onPut(put);
  }

  #delete(key: string): void {
    if (this.#keys.delete(key)) this.#options.onDelete?.(key);
  }

  #pause(): Promise<void> {
    const { signal } = this.#end;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const forget = this.#options.clock.after(relistMs, done);
      function done(): void {
        forget();
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }
}
