// The store of a cluster is lost: its records are made anew from what nodes have on their disks.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ballast, Workspace } from '../support/ballast.js';
import { ClusterProcesses } from '../support/cluster-processes.js';

const nodes = ['n1', 'n2', 'n3'];
const blocks = 64;

interface PlanBody {
  readonly done: boolean;
  readonly silent: readonly string[];
  readonly rebuilt: readonly { readonly name: string; readonly inSync: readonly string[] }[];
  readonly refused: readonly unknown[];
}

let workspace: Workspace;
let cluster: ClusterProcesses;

beforeEach(async () => {
  workspace = await Workspace.create();
  cluster = new ClusterProcesses(workspace);
  await cluster.start(nodes);
});
afterEach(() => workspace.remove());

function isHealth(name: string, health: string): Promise<void> {
  return cluster.until(`${name} is ${health}`, async () => (await cluster.volume(name)).health === health);
}

it('volumes are there again with their data, names and places, and their heads move', async () => {
  await cluster.run('volume', 'create', 'db', '--size', '64MiB', '--replicas', '3');
  await cluster.run('volume', 'create', 'unused', '--size', '16MiB', '--replicas', '2');
  await isHealth('db', 'healthy');
  await isHealth('unused', 'healthy');
  const before = await cluster.volume('db');
  const [uri, data] = [await cluster.uri('db'), randomBytes(blocks * 4096)];
  await ballast(['write', uri, '--lba', '0'], { input: data });
  // One of them misses writes, and says so of itself to nobody.
  const behind = before.replicas.map(({ node }) => node).find((node) => node !== before.head) ?? '';
  await cluster.agent(behind).kill();
  await isHealth('db', 'degraded');
  const newer = randomBytes(blocks * 4096);
  await ballast(['write', uri, '--lba', '0'], { input: newer });

  await cluster.stopController();
  await cluster.loseStore();
  await cluster.startController();
  await cluster.until('it is refused', () => cluster.isRefused());
  const [other = ''] = nodes.filter((node) => node !== behind && node !== before.head);
  await cluster.agent(other).kill();
  await Promise.all([behind, other].map((node) => cluster.startAgent(node)));
  await cluster.until('all say what they have', async () => {
    const plan = await cluster.ask<PlanBody>('cluster', 'rebuild');
    return plan.rebuilt.length === 2 && plan.silent.length === 0;
  });
  const plan = await cluster.ask<PlanBody>('cluster', 'rebuild');
  expect(plan.done).toBe(false);
  expect(plan.refused).toEqual([]);
  expect(plan.rebuilt.find(({ name }) => name === 'db')?.inSync).not.toContain(behind);
  expect(await cluster.isRefused()).toBe(true);

  const done = await cluster.ask<PlanBody>('cluster', 'rebuild', '--yes');
  expect(done).toMatchObject({ done: true, refused: [] });
  await cluster.until('nobody refuses it', async () => !(await cluster.isRefused()));
  await cluster.nodesUp(nodes.length);
  await isHealth('db', 'healthy');
  await isHealth('unused', 'healthy');
  const after = await cluster.volume('db');
  expect([after.uuid, after.nqn]).toEqual([before.uuid, before.nqn]);
  expect(BigInt(after.epoch)).toBeGreaterThan(BigInt(before.epoch));
  expect((await cluster.read(uri, blocks)).equals(newer)).toBe(true);
  for (const node of nodes) {
    await cluster.run('volume', 'move-head', 'db', node);
    await cluster.until(`its head is on ${node}`, async () => {
      const { head, health } = await cluster.volume('db');
      return head === node && health === 'healthy';
    });
    expect((await cluster.read(uri, blocks)).equals(newer)).toBe(true);
  }
}, 240_000);

it('nothing is done while a node that has a replica is silent, and it says which one', async () => {
  await cluster.run('volume', 'create', 'db', '--size', '64MiB', '--replicas', '3');
  await isHealth('db', 'healthy');
  await cluster.stopController();
  await cluster.loseStore();
  await cluster.agent('n3').kill();
  await cluster.startController();
  await cluster.until('it is refused', () => cluster.isRefused());
  const refused = await cluster.run('cluster', 'rebuild', '--yes');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('did not say what they have');
  const { silent } = await cluster.ask<PlanBody>('cluster', 'rebuild');
  const done = await cluster.ask<PlanBody>('cluster', 'rebuild', '--yes', '--without', ...silent);
  expect(done).toMatchObject({ done: true, rebuilt: [{ name: 'db', inSync: ['n1', 'n2'] }] });
  await isHealth('db', 'degraded');
  // It comes back with what nobody asks for any more, and gets a replica anew.
  await cluster.startAgent('n3');
  await isHealth('db', 'healthy');
}, 240_000);
