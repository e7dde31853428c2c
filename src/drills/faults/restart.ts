// Restarts in order, one node after the other, each when all is in sync again.
import type { ClusterApi } from '../cluster/api.js';
import type { DrillDefinition, Scene } from '../fault.js';
import { until } from '../until.js';

const movedMsMax = 30_000;

export const rollingRestart: DrillDefinition = {
  name: 'rolling-restart',
  what: 'Each agent in turn gets SIGTERM and is started again; then the controller.',
  gapTargetMs: 200,
  fault: (scene) => ({
    inject: () => inTurn(scene, async () => undefined),
    heal: async () => undefined,
  }),
};

export const upgrade: DrillDefinition = {
  name: 'upgrade',
  what:
    'Each node in turn is drained, which moves its heads, its agent stopped and started, and the node ' +
    'taken back; then the controller is restarted. It is the order of an upgrade; both programs are of ' +
    'this version.',
  gapTargetMs: 200,
  fault: (scene) => ({
    inject: () => inTurn(scene, (node) => drained(scene, node)),
    heal: async () => undefined,
  }),
};

async function inTurn(
  scene: Scene,
  before: (node: string) => Promise<(() => Promise<void>) | undefined>,
): Promise<void> {
  const { cluster, timeline, whole } = scene;
  for (const { name } of cluster.nodes) {
    const after = await before(name);
    timeline.add('fault', `SIGTERM to ${name}`);
    await cluster.stop(name);
    timeline.add('heal', `${name} started again`);
    await cluster.startNode(name);
    await after?.();
    await whole();
  }
  timeline.add('fault', 'SIGTERM to controller');
  await cluster.stop('controller');
  timeline.add('heal', 'controller started again');
  await cluster.startController();
}

/** Returns what takes it back. */
async function drained(scene: Scene, node: string): Promise<() => Promise<void>> {
  const { cluster, timeline, volume, signal } = scene;
  timeline.add('fault', `${node} is drained`);
  await cluster.api.drain(node);
  await until(`the head leaves ${node}`, { timeoutMs: movedMsMax, signal, intervalMs: 20 }, () =>
    whoIsHead(cluster.api, volume, node),
  );
  return async () => {
    timeline.add('heal', `${node} is taken back`);
    await cluster.api.uncordon(node);
  };
}

async function whoIsHead(api: ClusterApi, volume: string, node: string): Promise<string | undefined> {
  const { head } = await api.volume(volume);
  if (head === undefined) return 'there is none';
  return head === node ? `${node} is head` : undefined;
}

/** Without a restart: what a move itself takes. */
export const moveHead: DrillDefinition = {
  name: 'move-head',
  what: 'The head is moved to another node, which is what drain, upgrade and rebalancing do to a volume.',
  gapTargetMs: 200,
  fault: (scene) => ({
    async inject() {
      const { cluster, timeline, volume, before, round, signal } = scene;
      const others = before.replicas.map(({ node }) => node).filter((node) => node !== before.head);
      const to = others[round % Math.max(1, others.length)] ?? before.head;
      timeline.add('fault', `the head is moved from ${before.head} to ${to}`);
      await cluster.api.moveHead(volume, to);
      await until(`${to} is head`, { timeoutMs: movedMsMax, signal, intervalMs: 20 }, async () => {
        const { head } = await cluster.api.volume(volume);
        return head === to ? undefined : `${head ?? 'none'} is`;
      });
      timeline.add('heal', `${to} is head`);
    },
    heal: async () => undefined,
  }),
};
