// A namespace as a block device of this machine, served by this process. Made by Engine.attach().
import { binding, type NativeAttached, type NativeResults } from './binding.js';
import type { NativeFailure } from './operations.js';
import { operate } from './operations.js';
import type { AttachmentInfo } from './types.js';

export class Attachment {
  readonly #engine: number;
  readonly #id: number;
  readonly #toError: (failure: NativeFailure) => Error;
  #info: AttachmentInfo;

  constructor(engine: number, { id, ...info }: NativeAttached, toError: (failure: NativeFailure) => Error) {
    this.#engine = engine;
    this.#id = id;
    this.#info = info;
    this.#toError = toError;
  }

  get info(): AttachmentInfo {
    return this.#info;
  }

  /** Asks the target for the size of the namespace, and gives it to the device. */
  async refresh(): Promise<AttachmentInfo> {
    const { id: _, ...info } = await operate<NativeResults['attachment']>(
      (op) => binding.attachmentRefresh(this.#engine, op, this.#id),
      this.#toError,
    );
    this.#info = info;
    return info;
  }

  /** Takes the device away; ATTACH_CONFLICT, and nothing has changed, if somebody uses it. Idempotent. */
  async detach(): Promise<void> {
    await operate<void>((op) => binding.attachmentStop(this.#engine, op, this.#id), this.#toError);
  }
}
