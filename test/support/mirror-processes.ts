// Mirrored volumes of several processes whose members are volumes of pools or files: what tests start, ask
// and read afterwards.
import { expect } from 'vitest';
import type { Engine } from '../../src/native/index.js';
import { ballast, type Target, Workspace } from './ballast.js';

export const blockBytes = 4096;
export const blocksCount = 2048; // 8 MiB: eight regions
export const size = `${blocksCount * blockBytes}`;

export interface Node {
  readonly workspace: Workspace;
  target: Target;
  options: readonly string[];
}

export class Nodes {
  readonly all: Node[] = [];

  async remove(): Promise<void> {
    for (const { workspace } of this.all.splice(0)) await workspace.remove();
  }

  async start(options: (workspace: Workspace) => string[]): Promise<Node> {
    const workspace = await Workspace.create();
    const given = options(workspace);
    const node = { workspace, options: given, target: await workspace.serve(...given) };
    this.all.push(node);
    return node;
  }

  /** A node whose replica is the volume `r` of a pool. */
  async inPool(options: () => string[]): Promise<Node> {
    const workspace = await Workspace.create();
    const target = await workspace.serve();
    await target.api;
    await ask(workspace, 'pool', 'create', 'p', '--device', `${workspace.path('disk')}:1GiB`);
    await ask(workspace, 'volume', 'create', 'r', '--pool', 'p', '--size', size);
    expect(await target.stop()).toBe(0);
    const given = options();
    const node = { workspace, options: given, target: await workspace.serve(...given) };
    this.all.push(node);
    return node;
  }

  replicaInPool(): Promise<Node> {
    return this.inPool(() => ['--replica', 'r=pool:p/r']);
  }

  /** In sync; its own replica, too, is a volume of a pool. `options`: of the mirror. */
  async startPoolMirror(options = ''): Promise<{ head: Node; members: Node[] }> {
    const members = [await this.replicaInPool(), await this.replicaInPool()];
    const others = members.map(({ target }) => target.replicaUri('r')).join(',');
    const head = await this.inPool(() => ['--mirror', `v=pool:p/r,${others},lease=200${options}`]);
    await inSync(head);
    return { head, members };
  }
}

export async function startAgain(node: Node): Promise<void> {
  node.target = await node.workspace.serveAt(node.target.port, ...node.options);
}

/** A command that ends well: what it printed. */
export async function ask(workspace: Workspace, ...argv: string[]): Promise<string> {
  const done = await ballast([...argv, '--data', workspace.path('state')]);
  expect(done.code, done.stderr).toBe(0);
  return done.stdout.toString('utf8');
}

export interface Shown {
  readonly state: string;
  readonly members: readonly {
    readonly uuid: string;
    readonly place: string;
    readonly state: string;
    readonly inSync: boolean;
  }[];
}

export async function mirror(head: Node): Promise<Shown> {
  const shown = await ballast(['mirror', 'show', 'v', '-o', 'json', '--data', head.workspace.path('state')]);
  expect(shown.code, shown.stderr).toBe(0);
  return JSON.parse(shown.stdout.toString('utf8'));
}

/** Until all members are in sync, for a minute at most. */
export async function inSync(head: Node): Promise<void> {
  await head.target.api;
  await expect
    .poll(async () => (await mirror(head)).members.map((member) => member.inSync), {
      timeout: 60_000,
      interval: 200,
    })
    .toEqual([true, true, true]);
}

/** Of a snapshot of the volume `r` of a pool that is served again as a volume, by a clone of it. */
export async function contentOf(engine: Engine, node: Node, snapshot: string): Promise<Buffer> {
  const clone = `c-${snapshot}`;
  await ask(node.workspace, 'volume', 'clone', `r/${snapshot}`, clone);
  const { nqn } = JSON.parse(await ask(node.workspace, 'volume', 'show', clone, '-o', 'json'));
  const controller = await engine.connect({ host: '127.0.0.1', port: node.target.port, nqn });
  const parts: Buffer[] = [];
  for (let block = 0; block < blocksCount; block += 128) {
    parts.push(await controller.namespaces[0]!.read(BigInt(block), 128));
  }
  await controller.close();
  return Buffer.concat(parts);
}
