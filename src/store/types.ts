// What a store is: keys with bytes under them, a revision that grows with every commit, changes that
// can be watched from a revision, and leases. Called by everything of the control plane that remembers; no
// code outside src/store knows which store it has. What every implementation must do is said by the one
// conformance suite, test/unit/store/contract.ts.

export interface Versioned {
  readonly key: string;
  /** A copy of its own: changing it changes nothing in the store. Callers encode. */
  readonly value: Uint8Array;
  /** Of the commit that wrote it last; above 0. */
  readonly revision: bigint;
}

export interface Listing {
  /** Of the whole store when the list was taken: what to watch after. */
  readonly revision: bigint;
  /** In the order of their keys. */
  readonly entries: readonly Versioned[];
}

/** True when the key was last written at this revision; 0: when there is no such key. */
export interface Compare {
  readonly key: string;
  readonly revision: bigint;
}

export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly lease?: string }
  | { readonly type: 'delete'; readonly key: string };

export interface CommitResult {
  /** False: a comparison failed, and nothing was written. */
  readonly ok: boolean;
  /** Of this commit if it changed something, else that of the store. */
  readonly revision: bigint;
}

export type Change =
  | ({ readonly type: 'put' } & Versioned)
  | { readonly type: 'delete'; readonly key: string; readonly revision: bigint };

/** What one commit changed under the watched prefix: never a part of it. */
export interface ChangeSet {
  readonly revision: bigint;
  readonly changes: readonly Change[];
}

export interface Lease {
  readonly id: string;
  readonly ttlMs: number;
  /** Aborts when the lease ends, for whatever reason. */
  readonly ended: AbortSignal;
  /** Starts the time again. Fails with LEASE_EXPIRED when it was too late. */
  renew(): Promise<void>;
  /** Ends it now; resolves when the keys written under it are gone. */
  revoke(): Promise<void>;
}

export interface Store {
  get(key: string): Promise<Versioned | undefined>;
  /** Every key that begins so; an empty prefix is all of them. */
  list(prefix: string): Promise<Listing>;
  /**
   * All comparisons hold and all writes are done, or nothing is. Resolves when it is on stable media (where
   * the store has such); nobody sees it before. A key may be written once in a commit. Commits with a key in
   * common are judged in the order they were asked for. Of a store that is reached over a network: fails with
   * STORE_UNAVAILABLE where it was not made, with STORE_IN_DOUBT where the answer was lost.
   */
  commit(compare: readonly Compare[], write: readonly Write[]): Promise<CommitResult>;
  /**
   * The commits after a revision, in order, without a gap; waits for further ones until the signal aborts,
   * which ends it. Fails with STORE_GAP where the store cannot tell all of them: list again, and watch after
   * the revision of that list.
   */
  watch(prefix: string, after: bigint, signal: AbortSignal): AsyncIterable<ChangeSet>;
  /**
   * Keys written under it are deleted when it ends. It ends for its holder first, `ttlMs` after the last
   * renewal was asked for; the keys may go later. Leases of an embedded store end with its process.
   */
  lease(ttlMs: number): Promise<Lease>;
  /** Commits under way finish; everything after fails with CLOSED. Idempotent. */
  close(): Promise<void>;
}
