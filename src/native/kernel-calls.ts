// What attaching needs of the kernel and Node.js has no call for. Any process may call these, also for what
// another one has left.

import { AttachConflictError } from '../base/attach-errors.js';
import { NativeError } from '../base/errors.js';
import { binding } from './binding.js';
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

  /** flock(2), exclusive, without waiting. */
  tryLock: (descriptor: number): boolean => binding.lockDescriptor(descriptor),
};
