// Keeps the certificate of a node valid: asked for anew after half of its life, so that months are left to
// reach the controller, and again every hour until it is there. Started by an agent that has joined.

import type { HostPort } from '../base/address.js';
import { type Clock, systemClock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { renewMembership } from './join.js';
import { type Membership, readMembership } from './membership.js';

const checkMs = 3_600_000;

export interface RenewalOptions {
  readonly stateDirectory: string;
  readonly log: Log;
  /** The new one is on stable media; connections that are made from now on should have it. */
  readonly renewed?: (membership: Membership) => void;
  readonly clock?: Clock;
  /** Where the store is, if elsewhere than the node learned when it joined. */
  readonly at?: HostPort;
  readonly renew?: typeof renewMembership;
}

export class MembershipRenewal {
  readonly #options: RenewalOptions;
  readonly #clock: Clock;
  #forget: () => void = () => undefined;
  #isClosed = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RenewalOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Looks now, and an hour after each look. */
  start(): void {
    this.#running = this.#look().then(() => {
      if (!this.#isClosed) this.#forget = this.#clock.after(checkMs, () => this.start());
    });
  }

  /** Resolves when it is not looking. */
  idle(): Promise<void> {
    return this.#running;
  }

  /** Resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#forget();
    await this.#running;
  }

  async #look(): Promise<void> {
    const { stateDirectory, log, renewed, at, renew = renewMembership } = this.#options;
    try {
      const member = await readMembership(stateDirectory);
      if (member === undefined || !isDue(member, this.#clock.date())) return;
      const next = await renew(stateDirectory, at);
      log.info(
        { room: 'trust' },
        `the certificate of this node is valid until ${next.validTo.toISOString()}`,
      );
      renewed?.(next);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(
        { room: 'trust', reason },
        'the certificate of this node could not be renewed; again in an hour',
      );
    }
  }
}

export function isDue({ validFrom, validTo }: Pick<Membership, 'validFrom' | 'validTo'>, now: Date): boolean {
  return now.getTime() >= (validFrom.getTime() + validTo.getTime()) / 2;
}
