// Leases of a store that is reached over a network. Each has two ends: here, at its time after the moment
// before its last renewal was sent, and at the store, later. So its holder stops before anybody else can
// begin. When it has ended here, the store is told to end it too; where it cannot be told, it ends there by
// its time.
import type { Clock } from '../base/clock.js';
import { LeaseExpiredError, StoreUnavailableError } from '../base/control-errors.js';
import type { Lease } from './types.js';

/** What the store does; each may be done twice. */
export interface LeaseCalls {
  /** Resolves with its name. The store does not end it before `ttlMs` after this was called. */
  grant(ttlMs: number): Promise<string>;
  /** False: there is no such lease any more. */
  renew(id: string): Promise<boolean>;
  /** Resolves when it and the keys under it are gone; so also when there was none. */
  revoke(id: string): Promise<void>;
}

export const leasesMax = 4096;

export class DistantLeases {
  readonly #alive = new Map<string, () => Promise<void>>();

  constructor(
    readonly calls: LeaseCalls,
    readonly clock: Clock,
  ) {}

  async make(ttlMs: number): Promise<Lease> {
    if (this.#alive.size >= leasesMax) {
      throw new StoreUnavailableError('lease', `there are ${leasesMax} already`);
    }
    const sentMs = this.clock.steadyMs();
    // Granted twice, the first one ends by its time.
    return this.#begin(await this.calls.grant(ttlMs), ttlMs, sentMs);
  }

  check(lease: string): void {
    if (!this.#alive.has(lease)) throw new LeaseExpiredError(lease);
  }

  /** Resolves when the store was told of all, or does not answer. */
  async endAll(): Promise<void> {
    await Promise.allSettled([...this.#alive.values()].map((end) => end()));
  }

  #begin(id: string, ttlMs: number, sentMs: number): Lease {
    const controller = new AbortController();
    let gone: Promise<void> | undefined;
    let stopTimer: () => void = () => undefined;
    const end = (): Promise<void> => {
      if (gone === undefined) {
        this.#alive.delete(id); // first: no write under it may be sent any more
        stopTimer();
        gone = this.calls.revoke(id);
        gone.catch(() => undefined); // nobody may wait for it
        controller.abort(new LeaseExpiredError(id));
      }
      return gone;
    };
    const start = (beganMs: number) => {
      stopTimer();
      const leftMs = ttlMs - (this.clock.steadyMs() - beganMs);
      stopTimer = this.clock.after(Math.max(0, leftMs), () => void end().catch(() => undefined));
    };
    this.#alive.set(id, end);
    start(sentMs);
    return {
      id,
      ttlMs,
      ended: controller.signal,
      renew: async () => {
        this.check(id);
        const renewedMs = this.clock.steadyMs();
        if (!(await this.calls.renew(id))) void end().catch(() => undefined);
        this.check(id);
        start(renewedMs);
      },
      revoke: end,
    };
  }
}
