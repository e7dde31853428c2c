// Everything that is put under a prefix of the store, as it was at the beginning and as it changes, each key
// in order; through gaps, outages and restarts of the store, after which all is told again. Deletions are not
// told: who needs them lists.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Store, Versioned } from '../store/types.js';

export interface RecordWatchOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly prefix: string;
  readonly onPut: (put: Versioned) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between a watch that ended and the next list. */
export const relistMs = 500;

export class RecordWatch {
  readonly #options: RecordWatchOptions;
  readonly #end = new AbortController();
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
          log.warn({ room: 'agent', err }, `the store's ${prefix} is listed again`);
      }
      await this.#pause();
    }
  }

  async #follow(): Promise<void> {
    const { store, prefix, onPut } = this.#options;
    const { entries, revision } = await store.list(prefix);
    for (const entry of entries) onPut(entry);
    for await (const { changes } of store.watch(prefix, revision, this.#end.signal)) {
      for (const change of changes) {
        if (change.type === 'put') onPut(change);
      }
    }
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
