// What happened in the cluster, written to the store for people (src/cluster/model/event.ts). That one cannot
// be written is no reason to do anything else: it goes to the log, where all of them stand, too.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import {
  type ClusterEvent,
  decodeEvent,
  encodeEvent,
  eventKey,
  eventsPrefix,
  eventsToForget,
} from '../cluster/model/event.js';
import type { Store } from '../store/types.js';

/** With each so many, old ones are looked for. */
const sweepEvery = 64;
const forgetAtOnce = 100;
/** Waiting to be written; more are in the log only. */
const waitingMax = 256;

export class Events {
  readonly #options: { readonly store: Store; readonly clock: Clock; readonly log: Log };
  #waiting: ClusterEvent[] = [];
  #writing: Promise<void> | undefined;
  #count = 0;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#options = options;
  }

  tell(event: Omit<ClusterEvent, 'at'>): void {
    const { clock, log } = this.#options;
    const { level, subject, name, reason, text } = event;
    const known = level === 'warning' ? 'warn' : level;
    log[known]({ room: 'controller', [subject]: name, reason }, `${subject} '${name}': ${text}`);
    if (this.#waiting.length >= waitingMax) return;
    this.#waiting.push({ at: clock.date().toISOString(), ...event });
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** The newest last. */
  async list(): Promise<readonly ClusterEvent[]> {
    const { entries } = await this.#options.store.list(eventsPrefix);
    return entries.flatMap(({ key, value }) => {
      try {
        return [decodeEvent(key, value)];
      } catch {
        return []; // of another version; nothing hangs on it
      }
    });
  }

  /** What was told is written, or that was tried. */
  async close(): Promise<void> {
    await this.#writing;
  }

  /** Never fails. */
  async #write(): Promise<void> {
    const { store, log } = this.#options;
    while (this.#waiting.length > 0) {
      const events = this.#waiting;
      this.#waiting = [];
      try {
        await store.commit(
          [],
          events.map((event) => ({
            type: 'put',
            key: eventKey(event, randomUUID().slice(0, 8)),
            value: encodeEvent(event),
          })),
        );
        this.#count += events.length;
        if (this.#count >= sweepEvery) await this.#sweep();
      } catch (err) {
        log.warn({ room: 'controller', err }, `${events.length} events are in the log only`);
      }
    }
  }

  async #sweep(): Promise<void> {
    const { store } = this.#options;
    this.#count = 0;
    const { entries } = await store.list(eventsPrefix);
    const keys = eventsToForget(
      entries.map(({ key }) => key),
      forgetAtOnce,
    );
    await store.commit(
      [],
      keys.map((key) => ({ type: 'delete', key })),
    );
  }
}
