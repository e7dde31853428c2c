// What attaching is to those who ask for it: a namespace of a target in, a block device of this machine out.
// Nothing is kept in memory: every call looks at what there is (the kernel, and one file an attachment), so
// that a caller that was killed, and one that comes after it, see the same.
import type { HostPort } from '../base/address.js';

export type AttachDriver = 'kernel' | 'ublk' | 'fuse';

/** Which namespace, where it is, and as which host. */
export interface AttachTarget {
  /** UUID or NGUID of the namespace, in UUID form: what the device is known by. Any case. */
  readonly uuid: string;
  readonly nqn: string;
  /** 1 .. 0xfffffffe */
  readonly nsid: number;
  /** Ways to the same subsystem, at least one; names are resolved at each connect. */
  readonly addresses: readonly HostPort[];
  readonly hostNqn: string;
  readonly hostId: string;
  /** The device refuses writes. Default: false. */
  readonly readOnly?: boolean;
}

/** One attachment as it is now. */
export interface Attached {
  /** In lower case. */
  readonly uuid: string;
  readonly nqn: string;
  readonly driver: AttachDriver;
  /** A path below /dev; another one after the machine, or the process behind it, has started anew. */
  readonly device: string;
  readonly sizeBytes: bigint;
  /**
   * live: its I/O goes through. reconnecting: its I/O waits, for as long as it takes. dead: its I/O fails;
   * the next attach() replaces it, with another device perhaps.
   */
  readonly state: 'live' | 'reconnecting' | 'dead';
}

export interface AttachCallOptions {
  /** Ends the call at the next step with ABORTED; what was begun is finished or undone by the next call. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now; default 30,000. Afterwards as `signal`. */
  readonly deadlineMs?: number;
}

/**
 * All calls are idempotent, and calls of several processes for one UUID take turns. Errors: INVALID_ARGUMENT,
 * INVALID_NQN (nothing was tried), ATTACH_UNAVAILABLE (no driver works on this machine), ATTACH_CONFLICT (the
 * UUID is attached in another way, or the device is in use), ATTACH_FAILED, NAMESPACE_NOT_FOUND, UNREACHABLE,
 * CONNECT_REFUSED, ABORTED.
 */
export interface Attacher {
  /** The device is there and has the size of the namespace when this resolves. */
  attach(target: AttachTarget, options?: AttachCallOptions): Promise<Attached>;
  find(uuid: string, options?: AttachCallOptions): Promise<Attached | undefined>;
  list(options?: AttachCallOptions): Promise<readonly Attached[]>;
  /** Nothing is left of it afterwards; what is not attached is no error. ATTACH_CONFLICT if in use. */
  detach(uuid: string, options?: AttachCallOptions): Promise<void>;
  /** The device has the size that the namespace has now. ATTACH_NOT_FOUND if there is no such attachment. */
  refresh(uuid: string, options?: AttachCallOptions): Promise<Attached>;
}
