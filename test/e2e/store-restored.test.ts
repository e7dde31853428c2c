// The store of a cluster is put back to an old copy, as files, under processes that run (row D18 of the
// table of faults): it is refused, and nothing is lost.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ballast, Workspace } from '../support/ballast.js';
import { ClusterProcesses } from '../support/cluster-processes.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../support/etcd.js';

const nodes = ['n1', 'n2', 'n3'];
const blocks = 64;

let workspace: Workspace;
let cluster: ClusterProcesses;
let etcd: EtcdHarness | undefined;

beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
  await etcd?.close();
  etcd = undefined;
});

async function startCluster(store?: string): Promise<void> {
  cluster = new ClusterProcesses(workspace, store);
  await cluster.start(nodes);
}

async function makeVolume(name: string): Promise<void> {
  await cluster.nodesUp(nodes.length);
  const made = await cluster.run('volume', 'create', name, '--size', '64MiB', '--replicas', '3');
  expect(made.stderr).toBe('');
  await cluster.until(`${name} is healthy`, async () => (await cluster.volume(name)).health === 'healthy');
}

async function write(uri: string, data: Buffer): Promise<void> {
  const written = await ballast(['write', uri, '--lba', '0'], { input: data });
  expect([written.code, written.stderr]).toEqual([0, `${blocks} blocks written\n`]);
}

it.each([
  ['by the controller, which remembers more', false],
  ['by the nodes, where the controller remembers as little', true],
])(
  'D18: an old copy is refused %s; heads go on, nothing is deleted, and the right one is taken again',
  async (_who, withMark) => {
    await startCluster();
    await makeVolume('old');
    await cluster.stopController();
    await cluster.copyStore('old-store');
    await cluster.startController();
    await makeVolume('db'); // which the copy knows nothing of
    await cluster.run('volume', 'delete', 'old');
    const [uri, data] = [await cluster.uri('db'), randomBytes(blocks * 4096)];
    await write(uri, data);
    await cluster.stopController();
    await cluster.copyStore('right-store');
    await cluster.putStoreBack('old-store', withMark);
    await cluster.startController();

    await cluster.until('it is refused', () => cluster.isRefused());
    const { checks } = await cluster.status();
    expect(checks.find(({ code }) => code === 'STORE_RESTORED')?.text).toContain('old copy');
    const refused = await cluster.run('volume', 'delete', 'old', '--force');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is refused')]);
    // An agent that starts meanwhile waits; the others serve on.
    expect((await cluster.read(uri, blocks)).equals(data)).toBe(true);
    const more = randomBytes(blocks * 4096);
    await write(uri, more);

    await cluster.stopController();
    await cluster.putStoreBack('right-store', withMark);
    await cluster.startController();
    await cluster.until('nobody refuses it', async () => !(await cluster.isRefused()));
    await cluster.until('db is healthy', async () => (await cluster.volume('db')).health === 'healthy');
    expect((await cluster.read(uri, blocks)).equals(more)).toBe(true);
    // A takeover works as before.
    const { head = '' } = await cluster.volume('db');
    await cluster.agent(head).kill();
    await cluster.until('another node is head', async () => {
      const { head: next, health } = await cluster.volume('db');
      return next !== undefined && next !== head && health === 'degraded';
    });
    expect((await cluster.read(uri, blocks)).equals(more)).toBe(true);
  },
  240_000,
);

it.skipIf(withoutEtcd)(
  `D18: an old copy of etcd's files is refused by all, the right one is taken again ${needsEtcd}`,
  async () => {
    etcd = await new EtcdHarness().start();
    await startCluster(`etcd://127.0.0.1:${etcd.address.port}/cluster`);
    await makeVolume('old');
    await etcd.copyAs('old');
    await makeVolume('db');
    const [uri, data] = [await cluster.uri('db'), randomBytes(blocks * 4096)];
    await write(uri, data);
    await etcd.putBack('old', 'right');

    await cluster.until('it is refused', () => cluster.isRefused());
    const refused = await cluster.run('volume', 'create', 'new', '--size', '64MiB', '--replicas', '3');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is refused')]);
    expect((await cluster.read(uri, blocks)).equals(data)).toBe(true);
    const more = randomBytes(blocks * 4096);
    await write(uri, more);

    await etcd.putBack('right', 'wrong');
    await cluster.until('nobody refuses it', async () => !(await cluster.isRefused()));
    await cluster.until('db is healthy', async () => (await cluster.volume('db')).health === 'healthy');
    expect((await cluster.read(uri, blocks)).equals(more)).toBe(true);
  },
  240_000,
);
