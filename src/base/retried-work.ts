// Work that is looked for when something has changed, by one worker at a time, and after a failure again,
// ever later; not while nothing happens.
import { type Clock, pause } from './clock.js';

const retryFirstMs = 1_000;
const retryMaxMs = 60_000;

export interface RetriedWorkOptions {
  /** Does what is to be done. True: nothing is left until it is woken. False: tried again. Never fails. */
  readonly pass: () => Promise<boolean>;
  /** Nothing is begun while it holds; who ends that wakes it. */
  readonly isHeld: () => boolean;
  /** Nothing is left, and nothing has changed meanwhile. */
  readonly onRest?: () => void;
  readonly clock: Clock;
}

export class RetriedWork {
  readonly #options: RetriedWorkOptions;
  #running: Promise<void> | undefined;
  /** Since it was looked at. */
  #isChanged = false;
  #failures = 0;
  /** Ends the time until the next attempt. */
  #waiting = new AbortController();

  constructor(options: RetriedWorkOptions) {
    this.#options = options;
  }

  /** Of what is going on; undefined: nothing. Never fails. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Something has changed: returns at once. */
  wake(): void {
    this.#isChanged = true;
    this.#failures = 0;
    this.#waiting.abort();
    this.#start();
  }

  /** Does not wait for the next attempt any more: for who holds it, and waits for what is going on. */
  interrupt(): void {
    this.#waiting.abort();
  }

  #start(): void {
    if (this.#running !== undefined || this.#options.isHeld()) return;
    // Later than this call: a pass that wakes it finds it running.
    const begun = Promise.resolve().then(() => this.#work());
    this.#running = begun.finally(() => {
      this.#running = undefined;
      if (this.#isChanged) this.#start();
      else this.#options.onRest?.();
    });
  }

  async #work(): Promise<void> {
    const { pass, isHeld, clock } = this.#options;
    while (!isHeld()) {
      this.#isChanged = false;
      const isDone = await pass();
      if (isDone && !this.#isChanged) return;
      if (isDone || this.#isChanged || isHeld()) continue;
      this.#waiting = new AbortController();
      const ms = Math.min(retryFirstMs * 2 ** this.#failures, retryMaxMs);
      this.#failures += 1;
      await pause(clock, ms, this.#waiting.signal);
    }
  }
}
