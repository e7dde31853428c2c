// What attaching needs of the kernel and Node.js has no call for. Any process may call these, also for what
// another one has left.

import { AttachConflictError, AttachUnavailableError } from '../base/attach-errors.js';
import { NativeError } from '../base/errors.js';
import { binding, type NativeResults } from './binding.js';
import { operate } from './operations.js';

export const kernelCalls = {
  /** Unmounts what is dead, in use or not. A path that is no mount point is no error. */
  async unmountDead(path: string): Promise<void> {
    await operate<void>(
      (op) => binding.unmountPath(op, path, true),
      ({ text, code }) => new NativeError(`unmount ${path}`, text || code),
    );
  },

  /** ATTACH_CONFLICT if it is in use, unless `evenIfUsed`; a device that has another file is left alone. */
  async removeLoop(device: string, file: string, evenIfUsed: boolean): Promise<void> {
    await operate<void>(
      (op) => binding.loopRemove(op, device, file, evenIfUsed),
      ({ text, code }) =>
        code === 'IN_USE' ? new AttachConflictError(file, text) : new NativeError(`remove ${device}`, text),
    );
  },

  /** What the ublk driver can do, as bits of UBLK_F_*; ATTACH_UNAVAILABLE with why it cannot be used. */
  async ublkFeatures(): Promise<bigint> {
    return operate<NativeResults['ublkFeatures']>(
      (op) => binding.ublkFeatures(op),
      ({ text, code }) => new AttachUnavailableError('ublk', text || code),
    );
  },

  /** Removes the ublk devices of this UUID, in use or not. */
  async removeUblk(uuid: string): Promise<void> {
    await operate<void>(
      (op) => binding.ublkRemove(op, uuid),
      ({ text, code }) => new NativeError(`remove the ublk device of ${uuid}`, text || code),
    );
  },

  /** flock(2), exclusive, without waiting. */
  tryLock: (descriptor: number): boolean => binding.lockDescriptor(descriptor),
};
