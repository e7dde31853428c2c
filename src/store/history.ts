// The last commits, for those who watch. A watcher keeps no queue of its own: it reads here from where it is,
// and one that is slower than the bounds allow gets STORE_GAP instead of memory that grows.
import { StoreGapError } from '../base/control-errors.js';
import type { Change, ChangeSet } from './types.js';

export const historyCommitsMax = 4096;
export const historyBytesMax = 16 << 20;

export class History {
  readonly #sets: ChangeSet[] = [];
  /** Index of the oldest that counts; what is before it is cut off now and then. */
  #begin = 0;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  /** `revision`: of the store when this began; changes up to it are not known here. */
  constructor(private revision: bigint) {}

  push(set: ChangeSet): void {
    this.#sets.push(set);
    this.revision = set.revision;
    this.#bytes += bytesOf(set);
    while (this.#sets.length - this.#begin > historyCommitsMax || this.#bytes > historyBytesMax) {
      const oldest = this.#sets[this.#begin];
      if (oldest !== undefined) this.#bytes -= bytesOf(oldest);
      this.#begin += 1;
    }
    if (this.#begin > historyCommitsMax) {
      this.#sets.splice(0, this.#begin);
      this.#begin = 0;
    }
    this.wake();
  }

  /** The first commit after a revision, or undefined when there is none yet. */
  after(revision: bigint): ChangeSet | undefined {
    if (revision > this.revision) {
      throw new StoreGapError(revision, `the store is at ${this.revision} and never was there`);
    }
    if (revision === this.revision) return undefined;
    // Revisions here have no holes: one for each commit that changed something.
    const index = this.#sets.length - Number(this.revision - revision);
    const set = index < this.#begin ? undefined : this.#sets[index];
    if (set === undefined) throw new StoreGapError(revision, 'these changes are no longer kept');
    return set;
  }

  /** Resolves at the next push, or wake, or when the signal aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

function bytesOf({ changes }: ChangeSet): number {
  return changes.reduce((sum, change) => sum + sizeOf(change), 64);
}

function sizeOf(change: Change): number {
  return 64 + change.key.length + (change.type === 'put' ? change.value.byteLength : 0);
}
