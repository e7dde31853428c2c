// The room tables of docs/architecture.md, as the rules read them. Change both, with a decision record.

/** Room of native/ -> the rooms it may include. A `.h` names one header only. */
export const nativeRooms = {
  base: [],
  reactor: ['base'],
  nvme: ['base'],
  transport: ['base', 'reactor', 'nvme'],
  bdev: ['base', 'reactor'],
  initiator: ['base', 'reactor', 'nvme', 'transport', 'bdev/bdev.h'],
  target: ['base', 'reactor', 'nvme', 'transport', 'bdev/bdev.h'],
  attach: ['base', 'reactor', 'bdev/bdev.h'],
  engine: ['base', 'reactor', 'nvme', 'transport', 'bdev', 'initiator', 'target', 'attach'],
  addon: [
    ...['engine', 'base', 'history', 'reactor/mailbox.h'],
    ...['attach/fuse_mount.h', 'attach/loop_device.h', 'attach/ublk_device.h'],
  ],
  tools: ['base', 'reactor', 'nvme', 'initiator', 'engine'],
  history: ['base'],
};

/** Room of src/ -> the rooms it may import, and those it may import types from. */
export const sourceRooms = {
  base: { values: [], types: [] },
  native: { values: ['base'], types: [] },
  store: { values: ['base', 'rpc'], types: [] },
  auth: { values: ['base'], types: ['store'] },
  keys: { values: ['base'], types: [] },
  pools: { values: ['base'], types: ['native', 'store', 'keys'] },
  mirrors: { values: ['base'], types: ['native', 'store'] },
  cluster: { values: ['base', 'store'], types: [] },
  trust: { values: ['base', 'rpc', 'auth', 'cluster'], types: ['store'] },
  agent: { values: ['base', 'cluster', 'mirrors', 'store'], types: ['native'] },
  controller: { values: ['base', 'cluster', 'mirrors', 'store'], types: ['native'] },
  api: { values: ['base', 'auth'], types: ['pools', 'mirrors', 'trust', 'controller'] },
  client: { values: ['base'], types: ['api'] },
  rpc: { values: ['base'], types: [] },
  metrics: { values: ['base'], types: ['native', 'pools', 'mirrors'] },
  attach: { values: ['base'], types: ['native'] },
  csi: { values: ['base', 'rpc', 'client'], types: ['attach'] },
  drills: { values: ['base'], types: [] },
  manifests: { values: ['base'], types: [] },
  cli: { values: ['base', 'client', 'drills', 'metrics', 'manifests'], types: ['native', 'api', 'attach'] },
  main: { values: ['*'], types: ['*'] },
};

/** Where locks, threads and shared ownership may stand outside reactor/ and addon/: path prefix -> reason. */
export const sharingAllowed = {
  'native/reactor/': 'it makes the threads',
  'native/addon/': 'JavaScript runs on a thread of its own',
  'native/engine/': 'control calls from JavaScript hand over ownership between threads; no I/O passes here',
  'native/base/log.': 'any thread logs',
  'native/bdev/': 'shared_ptr<Bdev> only: a device outlives its channels on all reactors',
  'native/target/': 'shared_ptr only: the configuration owns the device, who reads counters keeps them',
  'native/initiator/': 'shared_ptr of handles only: a controller outlives the call that closes it',
  'native/tools/': 'shared_ptr of the handle of a controller only',
};

/** Of the above, where only shared_ptr is meant: a lock or a thread is still refused. */
export const sharedOwnershipOnly = ['native/bdev/', 'native/target/', 'native/initiator/', 'native/tools/'];
