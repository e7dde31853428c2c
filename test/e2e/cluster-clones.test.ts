// Clones of a volume of a real cluster, a controller and three agents on this machine: made where the
// snapshot is, at once, and on a third node by a copy; the same at all of them, byte for byte, also when one
// of their own snapshots is carried.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClusterClient } from '../../src/client/cluster-client.js';
import { type Controller, Engine } from '../../src/native/index.js';
import { Workspace } from '../support/ballast.js';
import { connectHost } from '../support/cluster-host.js';
import { snapshotsIn } from '../support/cluster-pools.js';
import { ClusterProcesses } from '../support/cluster-processes.js';

const nodes = ['n1', 'n2', 'n3'];
const blockBytes = 4096;
const blocksCount = 1024;
const waiting = { timeout: 60_000, interval: 100 };

let workspace: Workspace;
let cluster: ClusterProcesses;
let engine: Engine;

beforeEach(async () => {
  workspace = await Workspace.create();
  cluster = new ClusterProcesses(workspace);
  await cluster.start(nodes);
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await workspace.remove();
});

async function used<T>(volume: string, work: (host: Controller) => Promise<T>): Promise<T> {
  const host = await connectHost(engine, await cluster.volume(volume));
  return work(host).finally(() => host.close());
}

/** Writes something else to each `step`th block from `first` on, to the volume and to what it has to be. */
async function write(volume: string, content: Buffer, first: number, step: number): Promise<void> {
  await used(volume, async ({ namespaces: [namespace] }) => {
    for (let block = first; block < content.length / blockBytes; block += step) {
      const data = randomBytes(blockBytes);
      await namespace?.write(BigInt(block), data);
      data.copy(content, block * blockBytes);
    }
  });
}

async function read(volume: string, blocks: number): Promise<Buffer> {
  return used(volume, async ({ namespaces: [namespace] }) => {
    const parts: Buffer[] = [];
    for (let block = 0; block < blocks; block += 128) {
      parts.push((await namespace?.read(BigInt(block), 128)) ?? Buffer.alloc(0));
    }
    return Buffer.concat(parts);
  });
}

/** Of its snapshots, and how many nodes have each. */
async function statesOf(volume: string): Promise<readonly (readonly [string, number])[]> {
  const { snapshots } = await cluster.ask<{ snapshots: { state: string; nodes: string[] }[] }>(
    ...['volume', 'snapshots', volume],
  );
  return snapshots.map(({ state, nodes: there }) => [state, there.length]);
}

async function isHealthy(volume: string): Promise<void> {
  const health = async () => (await cluster.volume(volume)).health;
  await expect.poll(health, waiting).toBe('healthy');
}

it('begin as the snapshot at all of their replicas, and stay equal', async () => {
  const origin = Buffer.alloc(blocksCount * blockBytes);
  const wishes = ['--replicas', '2', '--min-in-sync', '1'];
  await cluster.ask('volume', 'create', 'db', '--size', `${origin.length}`, ...wishes);
  await write('db', origin, 0, 3);
  await cluster.ask('volume', 'snapshot', 'db', 's');
  const at = (await cluster.volume('db')).replicas.map(({ node }) => node).sort();
  const before = Buffer.from(origin);
  await write('db', origin, 1, 3);

  const { uuid } = await cluster.ask<{ uuid: string }>('volume', 'clone', 'db/s', 'copy');
  const clone = await cluster.volume('copy');
  expect(clone.replicas.map(({ node }) => node).sort()).toEqual(at);
  expect(clone.replicas.every(({ inSync }) => inSync)).toBe(true);
  expect((await read('copy', blocksCount)).equals(before)).toBe(true);
  expect((await read('db', blocksCount)).equals(origin)).toBe(true);

  // Larger, with a replica more than nodes have the snapshot: that is copied to.
  const larger = Buffer.concat([before, Buffer.alloc(128 * blockBytes)]);
  await cluster.ask('volume', 'clone', 'db/s', 'wide', '--size', `${larger.length}`, '--replicas', '3');
  expect((await cluster.run('volume', 'delete', 'db/s')).code).toBe(0); // clones stay
  await isHealthy('wide');
  expect((await cluster.volume('wide')).replicas.map(({ node }) => node).sort()).toEqual(nodes);

  // Blocks of the clone are written and zeroed while a node is away; its snapshot is carried there.
  const { head } = await cluster.volume('wide');
  const [away = ''] = at.filter((name) => name !== head);
  cluster.agent(away).kill();
  await cluster.until('it is left out', async () => (await cluster.volume('wide')).health === 'degraded');
  await write('wide', larger, 5, 7);
  await used('wide', async ({ namespaces: [namespace] }) => {
    await namespace?.writeZeroes(0n, 64);
    larger.fill(0, 0, 64 * blockBytes);
  });
  await cluster.ask('volume', 'snapshot', 'wide', 't');
  const taken = Buffer.from(larger);
  await write('wide', larger, 2, 11);
  await cluster.startAgent(away);
  await isHealthy('wide');
  await expect.poll(() => statesOf('wide'), waiting).toEqual([['complete', 3]]);
  const blocks = larger.length / blockBytes;
  expect((await read('wide', blocks)).equals(larger)).toBe(true);

  // All is the same on the disks: of each node what it has of the clones.
  const replicas = new Map<string, string>();
  for (const name of ['copy', 'wide']) {
    for (const one of (await cluster.volume(name)).replicas) replicas.set(`${name} ${one.node}`, one.uuid);
  }
  for (const name of nodes) expect(await cluster.agent(name).stop()).toBe(0);
  for (const node of nodes) {
    const replica = replicas.get(`wide ${node}`) ?? '';
    const found = await snapshotsIn(engine, workspace.path(`${node}.img`), replica, blocks);
    expect(found.get('t')?.equals(taken), `${node} t`).toBe(true);
    expect(found.get('')?.equals(larger), `${node} now`).toBe(true);
    const copied = replicas.get(`copy ${node}`);
    if (copied === undefined) continue;
    const copy = await snapshotsIn(engine, workspace.path(`${node}.img`), copied, blocksCount);
    expect(copy.get('')?.equals(before), `${node} copy`).toBe(true);
  }
  expect(uuid).toBe(clone.uuid);
}, 240_000);

it('have snapshots that only a replica has which was copied to, later the others too', async () => {
  const content = Buffer.alloc(blocksCount * blockBytes);
  const wishes = ['--replicas', '2', '--min-in-sync', '1'];
  await cluster.ask('volume', 'create', 'db', '--size', `${content.length}`, ...wishes);
  await write('db', content, 0, 2);
  await cluster.ask('volume', 'snapshot', 'db', 's');
  const client = new ClusterClient({ socketPath: workspace.path('c/api.sock') });
  const source = { volume: 'db', snapshot: 's' };
  await client.createVolume({ name: 'copy', source, replicas: 3, minInSync: 1 });
  await isHealthy('copy');
  const clones = (await cluster.volume('db')).replicas.map(({ node }) => node);
  const [other = ''] = nodes.filter((name) => !clones.includes(name));
  await cluster.ask('volume', 'move-head', 'copy', other);
  await cluster.until('its head has moved', async () => (await cluster.volume('copy')).head === other);
  for (const name of clones) cluster.agent(name).kill();
  await write('copy', content, 0, 5);
  await used('copy', async ({ namespaces: [namespace] }) => {
    await namespace?.writeZeroes(100n, 200);
    content.fill(0, 100 * blockBytes, 300 * blockBytes);
  });
  await cluster.ask('volume', 'snapshot', 'copy', 't');
  for (const name of clones) await cluster.startAgent(name);
  await expect.poll(() => statesOf('copy'), waiting).toEqual([['complete', 3]]);
  await isHealthy('copy');
  const { replicas } = await cluster.volume('copy');
  for (const name of nodes) expect(await cluster.agent(name).stop()).toBe(0);
  for (const { node, uuid } of replicas) {
    const found = await snapshotsIn(engine, workspace.path(`${node}.img`), uuid, blocksCount);
    expect(found.get('t')?.equals(content), `${node} t`).toBe(true);
    expect(found.get('')?.equals(content), `${node} now`).toBe(true);
  }
}, 240_000);
