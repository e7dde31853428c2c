// What each driver does for the attacher, which holds the lock of the UUID meanwhile and has written the
// record. All calls are idempotent.
import type { AttachRecord } from './records.js';
import type { AttachDriver, Attached } from './types.js';

export type AttachedNow = Pick<Attached, 'device' | 'sizeBytes' | 'state'>;

export interface Driver {
  readonly name: AttachDriver;
  /**
   * Why it cannot be used on this machine; undefined if it can. Loads what of the kernel can be loaded.
   * `isChosen`: by name, and not because it is the first that can be used.
   */
  unavailable(isChosen: boolean): Promise<string | undefined>;
  /** Finishes or replaces what an earlier call has left. */
  attach(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow>;
  /** Undefined: there is no device. */
  find(record: AttachRecord): Promise<AttachedNow | undefined>;
  /** `others`: what else is attached. */
  detach(record: AttachRecord, others: readonly AttachRecord[], limit: AbortSignal): Promise<void>;
  refresh(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow>;
}
