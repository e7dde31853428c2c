// The route modules there are. Apart from createApp(), so that the doors can be opened without loading them.
export { anaRoutes } from './ana.js';
export { clusterNodeRoutes } from './cluster-nodes.js';
export { clusterVolumeRoutes } from './cluster-volumes.js';
export { healthRoutes } from './health.js';
export { hostRoutes } from './hosts.js';
export { joinTokenRoutes } from './join-tokens.js';
export { keyRoutes } from './keys.js';
export { metricsRoutes } from './metrics.js';
export { mirrorRoutes } from './mirrors.js';
export { nodeRoutes } from './node.js';
export { podRoutes } from './pods.js';
export { poolRoutes } from './pools.js';
export { qosRoutes } from './qos.js';
export { snapshotRoutes } from './snapshots.js';
export { statsRoutes } from './stats.js';
export { tokenRoutes } from './tokens.js';
export { volumeRoutes } from './volumes.js';
