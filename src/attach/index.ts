// What src/main puts together.
export { LocalAttacher } from './attacher.js';
export { FuseDriver } from './fuse-driver.js';
export { KernelDriver } from './kernel-driver.js';
export { KernelTree } from './kernel-tree.js';
export { NvmeTree } from './nvme-tree.js';
export type { KernelCalls, KernelRoots, ProcessCalls } from './ports.js';
export { AttachRecords } from './records.js';
export { type ServerEngine, type ServerParts, serveAttachment } from './server.js';
export type * from './types.js';
export { UblkDriver } from './ublk-driver.js';
