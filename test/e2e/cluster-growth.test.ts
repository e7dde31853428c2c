// A volume of a real cluster, a controller and three agents on this machine, becomes larger while a host uses
// it: what was written before is there, the host sees the size, and a node that is killed only delays it.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clusterApi } from '../../src/cli/drill/cluster-api.js';
import { ClusterClient, type ClusterVolumeBody } from '../../src/client/cluster-client.js';
import { DrillCluster } from '../../src/drills/cluster/drill-cluster.js';
import { Supervisor } from '../../src/drills/processes/supervisor.js';
import { type Controller, Engine, type Namespace } from '../../src/native/index.js';
import { ballast, projectTop, Workspace } from '../support/ballast.js';
import { connectHost } from '../support/cluster-host.js';

const mib = 1 << 20;
const blockBytes = 4096;
const waiting = { timeout: 60_000, interval: 100 };

let workspace: Workspace;
let supervisor: Supervisor;
let cluster: DrillCluster;
let engine: Engine;
let client: ClusterClient;

beforeEach(async () => {
  workspace = await Workspace.create();
  supervisor = new Supervisor();
  cluster = await DrillCluster.start(
    {
      ...{ directory: workspace.path('c'), logDirectory: workspace.path('logs'), nodes: 3, store: 'level' },
      ...{ program: [`${projectTop}/bin/ballast`], supervisor, api: clusterApi },
    },
    AbortSignal.timeout(50_000),
  );
  client = new ClusterClient({ socketPath: workspace.path('c/controller/api.sock') });
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await supervisor.endAll();
  await workspace.remove();
});

const command = (...argv: string[]) => ballast([...argv, '--data', workspace.path('c/controller')]);
const resize = (size: string) => command('volume', 'resize', 'db', size, '-o', 'json');

async function volume(): Promise<ClusterVolumeBody> {
  const [found] = await client.volumes();
  if (found === undefined) throw new Error('the volume is not there');
  return found;
}

/** All in sync, and nothing is waited for. */
async function inOrder(sizeMib: number): Promise<void> {
  const now = async () => {
    const { sizeBytes, health, waitingFor } = await volume();
    return { sizeBytes, health, waitingFor };
  };
  const expected = { sizeBytes: sizeMib * mib, health: 'healthy', waitingFor: undefined };
  await expect.poll(now, waiting).toEqual(expected);
}

async function connect(): Promise<Controller> {
  return connectHost(engine, await volume());
}

/** Of Identify Namespace, on one path of several: its first field is NSZE. */
async function sizeSeen(host: Controller): Promise<number> {
  const data = Buffer.alloc(4096);
  await host.adminPassthrough({ opcode: 0x06, nsid: 1, data });
  return Number(data.readBigUInt64LE(0)) * blockBytes;
}

/** A host with one path finds the same size by each of them. */
async function allSay(sizeMib: number): Promise<void> {
  const { nqn, addresses } = await volume();
  for (const address of addresses) {
    const said = async () => {
      const path = await engine.connect({ ...address, nqn, ctrlLossTimeoutMs: 0 });
      return sizeSeen(path).finally(() => path.close());
    };
    await expect.poll(() => said().catch(String), waiting).toBe(sizeMib * mib);
  }
}

it('grows under a host, while a node is killed, and while its head is', { timeout: 240_000 }, async () => {
  await client.createVolume({ name: 'db', sizeBytes: 32 * mib, replicas: 3, minInSync: 2 });
  await inOrder(32);
  const host = await connect();
  let told = 0;
  host.onNamespaces(() => {
    told += 1;
  });
  // What a kernel asks for when it is told that a namespace has changed.
  const sees = (sizeMib: number) => expect.poll(() => sizeSeen(host), waiting).toBe(sizeMib * mib);
  const use = async <T>(work: (namespace: Namespace) => Promise<T>): Promise<T> => {
    const connection = await connect();
    const [namespace] = connection.namespaces;
    if (namespace === undefined) throw new Error('the host sees no namespace');
    return work(namespace).finally(() => connection.close());
  };
  const write = (block: number, value: number) =>
    use((namespace) => namespace.write(BigInt(block), Buffer.alloc(blockBytes, value)));
  const read = (block: number) => use(async (namespace) => (await namespace.read(BigInt(block), 1))[17]);
  const last = (sizeMib: number) => (sizeMib * mib) / blockBytes - 1;
  await sees(32);
  await write(0, 1);
  await write(last(32), 2);

  // All replicas are there: it is so large when the command ends.
  const done = await resize('48MiB');
  expect([done.code, done.stderr]).toEqual([0, '']);
  expect(JSON.parse(done.stdout.toString('utf8'))).toMatchObject({ sizeBytes: 48 * mib });
  await sees(48);
  await expect.poll(() => told, waiting).toBeGreaterThan(0);
  await allSay(48);
  expect([await read(0), await read(last(32)), await read(last(48))]).toEqual([1, 2, 0]);
  await write(last(48), 3);

  // One is away: it waits, and says so; the host goes on with what there is.
  const { head } = await volume();
  const away = cluster.nodes.find(({ name }) => name !== head)?.name ?? '';
  await cluster.kill(away);
  await write(1, 4); // the member has left the set when it is acknowledged
  const waits = await resize('64MiB');
  expect(JSON.parse(waits.stdout.toString('utf8'))).toMatchObject({
    ...{ sizeBytes: 48 * mib, wantedSizeBytes: 64 * mib },
    waitingFor: expect.stringContaining(`'${away}'`),
  });
  const explained = (await command('volume', 'explain', 'db')).stdout.toString('utf8');
  expect(explained).toContain('it has 48 MiB, and is to have 64 MiB');
  const shown = (await command('volume', 'show', 'db')).stdout.toString('utf8');
  expect(shown).toContain('48 MiB, to become 64 MiB');
  await cluster.startNode(away);
  await inOrder(64);
  await sees(64);
  await write(last(64), 5);

  // Its head is killed as it begins: another node goes on, and ends what was begun.
  const { head: killed = '' } = await volume();
  const growing = resize('96MiB');
  await cluster.kill(killed);
  await growing;
  await cluster.startNode(killed);
  await inOrder(96);
  await sees(96);
  await allSay(96);
  expect(await read(last(96))).toBe(0);
  await write(last(96), 6);
  const written = [0, last(32), last(48), 1, last(64), last(96)];
  expect(await Promise.all(written.map(read))).toEqual([1, 2, 3, 4, 5, 6]);

  const smaller = await resize('64MiB');
  expect([smaller.code, smaller.stderr]).toEqual([
    1,
    expect.stringContaining("volume 'db' is never made smaller"),
  ]);
  const tooLarge = await resize('8GiB'); // of pools of 2 GiB
  expect([tooLarge.code, tooLarge.stderr]).toEqual([
    1,
    expect.stringContaining('of at most 3.9 GiB promised'),
  ]);
  const events = (await command('cluster', 'events')).stdout.toString('utf8');
  expect(events).toContain('it has 48 MiB, and had 32 MiB');

  // A head that comes after all of it has all of it.
  const other = (await volume()).replicas.find(({ node }) => node !== killed)?.node ?? '';
  await client.moveHead('db', other);
  await expect.poll(async () => (await volume()).head, waiting).toBe(other);
  await inOrder(96);
  expect(await Promise.all(written.map(read))).toEqual([1, 2, 3, 4, 5, 6]);
  await host.close();
});
