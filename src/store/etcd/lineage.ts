// Whether etcd still is the store that it was: its cluster is the same, and its revisions did not go back.
// One that was restored from an old copy has forgotten commits that were acknowledged; whoever goes on with
// it would grant epochs and leases twice. So it is refused, by everything, until somebody has looked.
import { StoreFailedError } from '../../base/control-errors.js';
import type { ResponseHeader } from './messages.js';

/** How far an etcd was: to be kept by who wants to know at the next start whether it went back. */
export interface EtcdMark {
  readonly clusterId: string;
  readonly revision: bigint;
}

export class Lineage {
  #clusterId: string | undefined;
  #revision: bigint;
  #broken: StoreFailedError | undefined;

  constructor(mark?: EtcdMark) {
    this.#clusterId = mark?.clusterId;
    this.#revision = mark?.revision ?? 0n;
  }

  /** Undefined before the first answer. */
  get mark(): EtcdMark | undefined {
    return this.#clusterId === undefined
      ? undefined
      : { clusterId: this.#clusterId, revision: this.#revision };
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
   * Judges an answer and returns its revision. `floor`: from before it was asked for; absent: of a member
   * that may be behind the others, as a watch is.
   */
  note(header: ResponseHeader | null, floor?: bigint): bigint {
    this.check();
    if (header === null) throw this.#fail('an answer of etcd has no header');
    const revision = BigInt(header.revision);
    if (this.#clusterId !== undefined && this.#clusterId !== header.clusterId) {
      throw this.#fail(
        `this is etcd cluster ${hex(header.clusterId)}, and the store was in cluster ${hex(this.#clusterId)}`,
      );
    }
    if (floor !== undefined && revision < floor) {
      throw this.#fail(
        `etcd is at revision ${revision} and was at ${floor} before: it was restored from an old copy`,
      );
    }
    this.#clusterId = header.clusterId;
    if (revision > this.#revision) this.#revision = revision;
    return revision;
  }

  #fail(reason: string): StoreFailedError {
    this.#broken = new StoreFailedError('check etcd', reason);
    return this.#broken;
  }
}

function hex(clusterId: string): string {
  return BigInt(clusterId).toString(16);
}
