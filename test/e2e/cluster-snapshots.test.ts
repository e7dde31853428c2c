// Snapshots of a volume of a real cluster, a controller and three agents on this machine: taken under load
// while a node is away, carried to it, and the same at all of them, byte for byte.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Controller, Engine } from '../../src/native/index.js';
import { Workspace } from '../support/ballast.js';
import { connectHost } from '../support/cluster-host.js';
import { snapshotsIn } from '../support/cluster-pools.js';
import { ClusterProcesses } from '../support/cluster-processes.js';

const nodes = ['n1', 'n2', 'n3'];
const blockBytes = 4096;
const blocksCount = 1024;

interface SnapshotBody {
  readonly name: string;
  readonly state: string;
  readonly nodes: readonly string[];
}

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

/** Writes numbers to all blocks in turn, until it is stopped. */
class Load {
  /** By block, the last number that was acknowledged. */
  readonly acknowledged = new Array<number>(blocksCount).fill(0);
  /** By block, the last that was begun. */
  readonly begun = new Array<number>(blocksCount).fill(0);
  #isEnding = false;
  readonly #running: Promise<unknown>;

  constructor(host: Controller) {
    const writers = [0, 1, 2, 3].map((writer) => this.#write(host, writer));
    this.#running = Promise.all(writers);
    this.#running.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  async #write(host: Controller, writer: number): Promise<void> {
    const [namespace] = host.namespaces;
    for (let number = 1; !this.#isEnding; number += 1) {
      const block = writer + 4 * (number % (blocksCount / 4));
      this.begun[block] = number;
      await namespace?.write(BigInt(block), blockOf(number));
      this.acknowledged[block] = number;
    }
  }
}

function blockOf(number: number): Buffer {
  const data = randomBytes(blockBytes);
  data.writeUInt32LE(number);
  return data;
}

const snapshots = async () =>
  (await cluster.ask<{ snapshots: SnapshotBody[] }>('volume', 'snapshots', 'db')).snapshots;
const states = async () => (await snapshots()).map(({ name, state, nodes: at }) => [name, state, at.length]);

it('are taken under load, get to a node that was away, and are the same at all', async () => {
  const size = `${blocksCount * blockBytes}`;
  const wishes = ['--replicas', '3', '--min-in-sync', '1'];
  await cluster.ask('volume', 'create', 'db', '--size', size, ...wishes);
  const host = await connectHost(engine, await cluster.volume('db'));
  const load = new Load(host);
  const { head } = await cluster.volume('db');
  const [away = ''] = nodes.filter((name) => name !== head);
  await cluster.ask('volume', 'snapshot', 'db', 's1');
  expect(await states()).toEqual([['s1', 'complete', 3]]);

  cluster.agent(away).kill();
  await cluster.until('it is left out', async () => (await cluster.volume('db')).health === 'degraded');
  const before = [...load.acknowledged];
  await cluster.ask('volume', 'snapshot', 'db', 's2');
  const after = [...load.begun];
  expect(await states()).toEqual([
    ['s1', 'complete', 3],
    ['s2', 'degraded', 2],
  ]);
  const again = await cluster.run('volume', 'snapshot', 'db', 's2');
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("has a snapshot 's2' already")]);
  // Deleted while it is away: it goes there when it is back.
  expect((await cluster.run('volume', 'delete', 'db/s1')).code).toBe(0);
  await cluster.startAgent(away);
  await expect.poll(states, { timeout: 60_000, interval: 100 }).toEqual([['s2', 'complete', 3]]);

  // Its head is killed while the next one is wanted: the one after it takes it.
  cluster.agent(head ?? '').kill();
  await cluster.ask('volume', 'snapshot', 'db', 's3');
  await cluster.startAgent(head ?? '');
  await expect.poll(states, { timeout: 60_000, interval: 100 }).toEqual([
    ['s2', 'complete', 3],
    ['s3', 'complete', 3],
  ]);
  await load.stop();
  await host.close();
  const refused = await cluster.run('volume', 'delete', 'db');
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('it has 2 snapshots')]);
  const { replicas } = await cluster.volume('db');
  for (const name of nodes) expect(await cluster.agent(name).stop()).toBe(0);

  const found = new Map<string, ReadonlyMap<string, Buffer>>();
  for (const { node, uuid } of replicas) {
    found.set(node, await snapshotsIn(engine, workspace.path(`${node}.img`), uuid, blocksCount));
  }
  const [one, ...rest] = found.values();
  expect([...(one?.keys() ?? [])].sort()).toEqual(['', 's2', 's3']);
  for (const other of rest) {
    expect([...other.keys()].sort()).toEqual(['', 's2', 's3']);
    for (const [name, content] of other) expect(content.equals(one?.get(name) ?? Buffer.alloc(0))).toBe(true);
  }
  // All that was acknowledged before it was asked for, and nothing that was begun after it was answered.
  const taken = one?.get('s2') ?? Buffer.alloc(0);
  const numbers = before.map((_, block) => taken.readUInt32LE(block * blockBytes));
  expect(numbers.filter((number, block) => number < (before[block] ?? 0))).toEqual([]);
  expect(numbers.filter((number, block) => number > (after[block] ?? 0))).toEqual([]);
}, 240_000);
