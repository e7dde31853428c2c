// What other rooms import of src/native. Importing it loads the addon.
import { binding } from './binding.js';

export { Attachment } from './attachment.js';
export { connect, parseUri, type UriConnectOptions } from './connect.js';
export { Controller, type StateCallback } from './controller.js';
export { Engine } from './engine.js';
export { checkHistory, type HistoryVerdict } from './history.js';
export { kernelCalls } from './kernel-calls.js';
export type * from './mirror-types.js';
export { Namespace } from './namespace.js';
export type * from './pool-types.js';
export type * from './types.js';

/** Tells the service manager, as sd_notify(3) does, e.g. READY=1; false when there is none. */
export function sdNotify(state: string): boolean {
  return binding.notifyServiceManager(state);
}
