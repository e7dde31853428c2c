// Processes that are killed at once, and started again.
import type { DrillDefinition, Fault, Scene } from '../fault.js';
import { nodeBesideHead } from './nodes.js';

export const killHead: DrillDefinition = {
  name: 'kill-head',
  what: 'SIGKILL to the agent of the node that is head; later it is started again.',
  gapTargetMs: 2_000,
  fault: (scene) => killed(scene, [scene.before.head]),
};

export const killReplica: DrillDefinition = {
  name: 'kill-replica',
  what: 'SIGKILL to the agent of a node that is not head; later it is started again.',
  gapTargetMs: 2_000,
  fault: (scene) => killed(scene, [nodeBesideHead(scene)]),
};

export const powerCut: DrillDefinition = {
  name: 'power-cut',
  what:
    'SIGKILL to all agents, the controller and etcd at once, later all are started again. It shows ' +
    'that nothing that was acknowledged was only in their memory. The page cache of the kernel stays, as ' +
    'it does not in a power failure: that acknowledged writes are on stable media is what the simulations ' +
    'of disks and the tests of pools check.',
  fault: (scene) => {
    const others = scene.cluster.storeProcess === 'etcd' ? ['etcd', 'controller'] : ['controller'];
    return killed(scene, [...scene.cluster.nodes.map(({ name }) => name), ...others]);
  },
};

function killed({ cluster, timeline }: Scene, names: readonly string[]): Fault {
  const list = names.join(', ');
  return {
    async inject() {
      timeline.add('fault', `SIGKILL to ${list}`);
      await Promise.all(names.map((name) => cluster.kill(name)));
    },
    async heal() {
      timeline.add('heal', `${list} started again`);
      if (names.includes('etcd')) await cluster.startStoreProcess();
      if (names.includes('controller')) await cluster.startController();
      const nodes = cluster.nodes.map(({ name }) => name).filter((name) => names.includes(name));
      await Promise.all(nodes.map((name) => cluster.startNode(name)));
    },
  };
}
