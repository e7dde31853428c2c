// The route modules there are. Apart from createApp(), so that the doors can be opened without loading them.
export { healthRoutes } from './health.js';
export { nodeRoutes } from './node.js';
export { tokenRoutes } from './tokens.js';
export { volumeRoutes } from './volumes.js';
