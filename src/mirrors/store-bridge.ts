// Between heads in the engine and the store: a head asks for a compare-and-swap of its record and hears
// whether it was done, or that nobody knows. Nothing is acknowledged to hosts that depends on it before.
//
// What must stay true: `stored` is said only of a commit that the store has said it made. One commit of a
// volume is in the store at a time, so a late one cannot pass one that was asked for after it; all that is
// asked for meanwhile is answered when its time is over.
import { type Clock, systemClock } from '../base/clock.js';
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { MirrorRecord, StoreAnswer, StoreRequest } from '../native/mirror-types.js';
import { realMembers } from './record.js';
import type { MirrorRecords } from './records.js';

export interface StoreBridgeOptions {
  readonly records: Pick<MirrorRecords, 'get' | 'swap'>;
  readonly log: Log;
  readonly answer: (volume: string, answer: StoreAnswer) => void;
  /** What a member is called in the log. */
  readonly memberName?: (volume: string, uuid: string) => string;
  /** Called when the record of a volume is another one than was known. */
  readonly onRecord?: (volume: string) => void;
  /** After which nobody waits for the store any more. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

export const storeTimeoutMs = 5_000;

interface Served {
  readonly volumeUuid: string;
  /** What the store was last known to say. */
  known: MirrorRecord;
  /** Settles when the commit that is in the store has ended. */
  busy: Promise<unknown> | undefined;
  /** The number of what was asked for last. */
  asked: number;
}

const unavailable: StoreAnswer = { kind: 'unavailable' };

export class StoreBridge {
  readonly #options: StoreBridgeOptions;
  readonly #served = new Map<string, Served>();
  #closed = false;

  constructor(options: StoreBridgeOptions) {
    this.#options = options;
  }

  /**
   * Before the engine has a head of the volume. What a head before asked for is answered to nobody: the next
   * one would take it for its own. A commit of it that is in the store still comes first.
   */
  serve(volume: string, volumeUuid: string, known: MirrorRecord): void {
    const before = this.#served.get(volume);
    if (before !== undefined) before.asked += 1;
    this.#served.set(volume, { volumeUuid, known, busy: before?.busy, asked: 0 });
  }

  /** Never fails; the answer comes within the time, by `answer`. */
  request({ volume, expectedRevision, wanted }: StoreRequest): void {
    const served = this.#served.get(volume);
    if (served === undefined || this.#closed) {
      this.#options.answer(volume, unavailable);
      return;
    }
    served.asked += 1;
    void this.#work(volume, served, { ...wanted, revision: expectedRevision }, served.asked);
  }

  /** Takes nothing new, and resolves when no commit of it is in the store, or its time is over. */
  async close(): Promise<void> {
    this.#closed = true;
    const busy = [...this.#served.values()].flatMap(({ busy: one = [] }) => one);
    await this.#within(Promise.allSettled(busy));
  }

  async #work(volume: string, served: Served, wanted: MirrorRecord, number: number): Promise<void> {
    const done = { inTime: true };
    const working = this.#after(served, () => {
      // It was answered already, or the head has asked for something else: not to be done any more.
      if (!done.inTime || served.asked !== number) return Promise.resolve(unavailable);
      return this.#commit(volume, served, wanted);
    });
    let answer: StoreAnswer;
    try {
      answer = (await this.#within(working)) ?? unavailable;
      done.inTime = false;
      if (answer.kind === 'unavailable') this.#warn(volume, 'the store does not answer');
    } catch (error) {
      answer = unavailable;
      this.#warn(volume, textOf(error), error);
    }
    if (served.asked !== number) return; // a later one has the answer
    if (answer.kind !== 'unavailable') this.#tell(volume, served, answer.current);
    this.#options.answer(volume, answer);
  }

  /** Runs `work` when the commit before it has ended, however that did. */
  #after(served: Served, work: () => Promise<StoreAnswer>): Promise<StoreAnswer> {
    const before = served.busy;
    const working = before === undefined ? work() : before.then(work, work);
    const settled = working.then(
      () => undefined,
      () => undefined,
    );
    served.busy = settled;
    void settled.then(() => {
      if (served.busy === settled) served.busy = undefined;
    });
    return working;
  }

  async #commit(volume: string, { volumeUuid }: Served, wanted: MirrorRecord): Promise<StoreAnswer> {
    const { records } = this.#options;
    const stored = await records.swap(volume, { volumeUuid, record: wanted });
    if (stored !== undefined) return { kind: 'stored', current: stored };
    const found = await records.get(volume);
    if (found === undefined) {
      this.#warn(volume, 'its record is gone from the store');
      return unavailable;
    }
    return { kind: 'differs', current: found.record };
  }

  /** Undefined: it took too long, and goes on. */
  async #within<T>(work: Promise<T>): Promise<T | undefined> {
    const { clock = systemClock, timeoutMs = storeTimeoutMs } = this.#options;
    let forget = () => {};
    const late = new Promise<undefined>((resolve) => {
      forget = clock.after(timeoutMs, () => resolve(undefined));
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      forget();
    }
  }

  /** Who left and who is back, in the log: from the records, which are the truth. */
  #tell(volume: string, served: Served, current: MirrorRecord): void {
    const { log, memberName = (_volume, uuid) => uuid } = this.#options;
    const before = served.known;
    served.known = current;
    this.#options.onRecord?.(volume);
    const members = realMembers(current);
    const count = members.filter(({ inSync }) => inSync).length;
    const sum = `${count} of ${members.length} in sync`;
    const fields = { room: 'mirrors', volume };
    if (current.epoch !== before.epoch) {
      const level = count === members.length ? 'debug' : 'info'; // all is well: of thousands at a start
      log[level](fields, `volume '${volume}': epoch ${current.epoch}, ${sum}`);
    }
    for (const { uuid } of realMembers(before)) {
      if (members.some((member) => member.uuid === uuid)) continue;
      log.info(fields, `volume '${volume}': ${memberName(volume, uuid)} is no member any more; ${sum}`);
    }
    for (const { uuid, inSync } of members) {
      const was = before.members.find((member) => member.uuid === uuid)?.inSync;
      if (was === inSync) continue;
      const name = memberName(volume, uuid);
      if (was === undefined) {
        log.info(fields, `volume '${volume}': ${name} is a member now; ${sum}`);
        continue;
      }
      if (inSync) log.info(fields, `volume '${volume}': member ${name} is in sync again; ${sum}`);
      else log.warn(fields, `volume '${volume}': member ${name} left the in-sync set; ${sum}`);
    }
  }

  #warn(volume: string, reason: string, err?: unknown): void {
    const text = `volume '${volume}': its record cannot be changed now: ${reason}`;
    this.#options.log.warn({ room: 'mirrors', volume, ...(err !== undefined && { err }) }, text);
  }
}

function textOf(error: unknown): string {
  if (error instanceof DomainError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
