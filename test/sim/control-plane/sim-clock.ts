// Virtual time of a whole simulated cluster. Nothing happens by itself: run() goes to the next timer, fires
// all that are due at that moment, and lets what they began come to rest. The clock of a process ends with
// it.
import type { Clock } from '../../../src/base/clock.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** 2026-11-22 */
const dateOfBeginMs = Date.UTC(2026, 10, 22);
/** A commit of the store in memory takes one turn of the event loop, and may be asked for in one before. */
const turnsToRest = 2;
/** Before time jumps: several commits, each asked for after the one before. */
const jumpMs = 20;
const turnsBeforeJump = 24;

export class SimClock implements Clock {
  #nowMs = 0;
  /** By time, and by when they were asked for. */
  readonly #timers: Timer[] = [];

  steadyMs(): number {
    return this.#nowMs;
  }

  date(): Date {
    return new Date(dateOfBeginMs + this.#nowMs);
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, Math.ceil(ms)), callback };
    let [low, high] = [0, this.#timers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle]?.dueMs ?? 0) <= timer.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** Until all that is due within `ms` has happened. */
  async run(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await rest(turnsToRest);
      if (this.#isJump(endMs)) await rest(turnsBeforeJump);
      const next = this.#timers[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = next.dueMs;
      // What is asked for at once meanwhile comes after a rest.
      const due = this.#timers.filter(({ dueMs }) => dueMs === next.dueMs);
      for (const timer of due) {
        const index = this.#timers.indexOf(timer);
        if (index < 0) continue; // an earlier one took it back
        this.#timers.splice(index, 1);
        timer.callback();
      }
    }
    this.#nowMs = endMs;
  }

  #isJump(endMs: number): boolean {
    return Math.min(this.#timers[0]?.dueMs ?? endMs, endMs) - this.#nowMs > jumpMs;
  }
}

async function rest(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** When the process is killed nothing of it goes on: what it waits for never comes. */
export class ProcessClock implements Clock {
  #alive = true;

  constructor(readonly world: Clock) {}

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  steadyMs(): number {
    return this.world.steadyMs();
  }

  date(): Date {
    return this.world.date();
  }

  after(ms: number, callback: () => void): () => void {
    if (!this.#alive) return () => {};
    return this.world.after(ms, () => {
      if (this.#alive) callback();
    });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }
}
