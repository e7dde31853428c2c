// The leases of a store that has them in its own process. A lease ends once, by its time, by revoke() or with
// the store; whoever made the store says what to do then.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { LeaseExpiredError } from '../base/control-errors.js';
import type { Lease } from './types.js';

export class Leases {
  readonly #alive = new Map<string, () => void>();

  /** `deleteKeys` resolves when the keys of a lease that has ended are gone. */
  constructor(
    readonly clock: Clock,
    readonly deleteKeys: (lease: string) => Promise<void>,
  ) {}

  make(ttlMs: number): Lease {
    const id = randomUUID();
    const controller = new AbortController();
    let gone: Promise<void> | undefined;
    let stopTimer: () => void = () => undefined;
    const end = (): Promise<void> => {
      if (gone === undefined) {
        this.#alive.delete(id); // first: no write under it may come after the deletion
        stopTimer();
        gone = this.deleteKeys(id);
        controller.abort(new LeaseExpiredError(id));
      }
      return gone;
    };
    // A store that failed or was closed has told its callers: there is nobody to tell here.
    const expire = () => void end().catch(() => undefined);
    const start = () => {
      stopTimer();
      stopTimer = this.clock.after(ttlMs, expire);
    };
    this.#alive.set(id, expire);
    start();
    return {
      id,
      ttlMs,
      ended: controller.signal,
      renew: async () => {
        this.check(id);
        start();
      },
      revoke: end,
    };
  }

  check(lease: string): void {
    if (!this.#alive.has(lease)) throw new LeaseExpiredError(lease);
  }

  endAll(): void {
    for (const expire of [...this.#alive.values()]) expire();
  }
}
