// The store is away. I/O goes on; what needs a change of membership waits.
import type { DrillDefinition } from '../fault.js';

export const storeOutage: DrillDefinition = {
  name: 'store-outage',
  what:
    'SIGKILL to the store: etcd, or the controller that has it; later it is started again. No node fails ' +
    'meanwhile, so nothing has to wait for it.',
  gapTargetMs: 200,
  fault: ({ cluster, timeline }) => ({
    async inject() {
      timeline.add('fault', `SIGKILL to ${cluster.storeProcess}`);
      await cluster.kill(cluster.storeProcess);
    },
    async heal() {
      timeline.add('heal', `${cluster.storeProcess} started again`);
      await cluster.startStoreProcess();
    },
  }),
};
