// Whether a store that is reached over a network still is the one that it was: it says that it is the same,
// and its revisions did not go back. One that was restored from an old copy has forgotten commits that were
// acknowledged; whoever goes on with it would grant epochs and leases twice. So it is refused, by everything,
// until somebody has looked.
import { StoreFailedError } from '../base/control-errors.js';

/** How far a store was: to be kept by who wants to know at the next start whether it went back. */
export interface StoreMark {
  /** Of the store, in its own words. */
  readonly identity: string;
  readonly revision: bigint;
}

/** It is not the store that it was. `floor`: the highest revision that was seen of that one. */
export class StoreWentBackError extends StoreFailedError {
  constructor(
    operation: string,
    reason: string,
    readonly floor: bigint,
  ) {
    super(operation, reason);
  }
}

export class Lineage {
  #identity: string | undefined;
  #revision: bigint;
  #broken: StoreFailedError | undefined;

  /** `what`: the store as a person calls it. */
  constructor(
    readonly what: string,
    mark?: StoreMark,
  ) {
    this.#identity = mark?.identity;
    this.#revision = mark?.revision ?? 0n;
  }

  /** Undefined before the first answer. */
  get mark(): StoreMark | undefined {
    return this.#identity === undefined ? undefined : { identity: this.#identity, revision: this.#revision };
  }

  /** The highest revision known: what an answer to a question that is asked now must have at least. */
  get floor(): bigint {
    return this.#revision;
  }

  /** Fails with what was found wrong once. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  /**
   * Judges an answer and returns its revision. `floor`: from before it was asked for; absent: of a server
   * that may be behind others, as in a watch.
   */
  note({ identity, revision }: StoreMark, floor?: bigint): bigint {
    this.check();
    if (this.#identity !== undefined && this.#identity !== identity) {
      throw this.fail(`this is ${this.what} ${identity}, and it was ${this.#identity}`);
    }
    if (floor !== undefined && revision < floor) {
      throw this.fail(
        `${this.what} is at revision ${revision} and was at ${floor}: it was restored from an old copy`,
        floor,
      );
    }
    this.#identity = identity;
    if (revision > this.#revision) this.#revision = revision;
    return revision;
  }

  /** From now on it is refused. */
  fail(reason: string, floor = this.#revision): StoreFailedError {
    this.#broken = new StoreWentBackError(`check ${this.what}`, reason, floor);
    return this.#broken;
  }

  /** Nothing is known of it any more, as at the beginning. */
  forget(): void {
    this.#identity = undefined;
    this.#revision = 0n;
    this.#broken = undefined;
  }
}
