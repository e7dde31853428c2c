// The store as one process sees it over a network that breaks (test/support/flaky-store.ts), and that takes
// its time.
import type { ChangeSet, Store } from '../../../src/store/types.js';
import { FlakyStore } from '../../support/flaky-store.js';
import type { Random } from '../../support/random.js';
import type { ProcessClock } from './sim-clock.js';

export class StoreLink extends FlakyStore {
  /** Of a hundred calls so many take seconds. */
  slowPercent = 0;

  constructor(
    behind: Store,
    override readonly clock: ProcessClock,
    readonly random: Random,
  ) {
    super(behind, clock);
  }

  /** Its process is gone: its watches end, its leases by their time. */
  cut(): void {
    this.link = 'down';
  }

  /** Ends with the link: whoever watches begins anew, as after any failure. */
  override watch(prefix: string, after: bigint, signal: AbortSignal): AsyncGenerator<ChangeSet> {
    return this.changes(prefix, after, signal);
  }

  /** Of a process that is gone for ever. */
  protected override pass(): Promise<void> {
    const isSlow = this.random.below(100) < this.slowPercent;
    return this.clock.sleep(isSlow ? 200 + this.random.below(6_000) : 1 + this.random.below(3));
  }
}
