// Two processes serve one device as one subsystem: paths are moved and killed under load, no I/O fails and no
// write is lost. The device is one file behind two loop devices, for no file is opened twice.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Controller, Engine } from '../../src/native/index.js';
import { ballast, type Target, Workspace } from '../support/ballast.js';

const blockBytes = 4096;
const blocksCount = 2048;
const writers = 8;
const nqn = 'nqn.2026-11.dev.ballast:e2e:multipath';

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, for loop devices';
  try {
    accessSync('/dev/loop-control', constants.W_OK);
    execFileSync('losetup', ['-f'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs loop devices';
  }
}

const missing = whyNot();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** A process that serves the device over a loop device of its own. */
class Node {
  target!: Target;
  readonly #loop: string;

  private constructor(
    readonly workspace: Workspace,
    readonly index: number,
    file: string,
  ) {
    this.#loop = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  }

  static async start(index: number, file: string, uuid: string, state: string): Promise<Node> {
    const node = new Node(await Workspace.create(), index, file);
    node.target = await node.workspace.serve(...node.#options(uuid, state));
    await node.target.api;
    return node;
  }

  async startAgain(uuid: string, state: string): Promise<void> {
    this.target = await this.workspace.serveAt(this.target.port, ...this.#options(uuid, state));
    await this.target.api;
  }

  #options(uuid: string, state: string): string[] {
    const ids = `${1 + this.index * 1000}-${999 + this.index * 1000}`;
    return ['--controller-ids', ids, '--volume', `v=file:${this.#loop},nqn=${nqn},uuid=${uuid},ana=${state}`];
  }

  async setState(state: string): Promise<void> {
    const set = await ballast(['volume', 'ana', 'v', state, '--data', this.workspace.path('state')]);
    expect(set.code, set.stderr).toBe(0);
  }

  async writes(): Promise<number> {
    const shown = await ballast([
      'volume',
      'show',
      'v',
      '-o',
      'json',
      '--data',
      this.workspace.path('state'),
    ]);
    return JSON.parse(shown.stdout.toString('utf8')).counters.writes;
  }

  async remove(): Promise<void> {
    await this.workspace.remove();
    execFileSync('losetup', ['-d', this.#loop]);
  }
}

describe.skipIf(missing !== undefined)(`two processes behind one subsystem${because}`, () => {
  const uuid = randomUUID();
  let engine: Engine;
  let place: Workspace;
  let nodes: Node[] = [];

  beforeEach(async () => {
    engine = await Engine.start({ onLog: () => undefined });
    place = await Workspace.create();
    const file = place.path('shared.img');
    await writeFile(file, '');
    await truncate(file, blocksCount * blockBytes);
    nodes = [await Node.start(0, file, uuid, 'optimized'), await Node.start(1, file, uuid, 'inaccessible')];
  });
  afterEach(async () => {
    await engine.close();
    await Promise.all(nodes.map((node) => node.remove()));
    await place.remove();
  });

  const connect = () =>
    engine.connect({
      host: '127.0.0.1',
      port: nodes[0]!.target.port,
      otherAddresses: [{ host: '127.0.0.1', port: nodes[1]!.target.port }],
      nqn,
      reconnectDelayMs: 200,
    });

  /** Planned: nothing of the old path can take effect any more when the new one is opened. */
  async function move(from: number): Promise<void> {
    await nodes[from]!.setState('inaccessible');
    await nodes[1 - from]!.setState('optimized');
  }

  /** Writes until `ends` has resolved, each writer its own blocks; then everything is there. */
  async function writeThrough(controller: Controller, ends: Promise<unknown>): Promise<number> {
    const [namespace] = controller.namespaces;
    const written = new Map<number, Buffer>();
    let over = false;
    let writes = 0;
    const ended = ends.finally(() => {
      over = true;
    });
    const write = async (writer: number) => {
      while (!over) {
        const block = writer + writers * Math.floor(Math.random() * (blocksCount / writers));
        const data = randomBytes(blockBytes);
        await namespace!.write(BigInt(block), data);
        written.set(block, data);
        writes += 1;
      }
    };
    await Promise.all([ended, ...Array.from({ length: writers }, (_, writer) => write(writer))]);
    for (const [block, data] of written) {
      expect((await namespace!.read(BigInt(block), 1)).equals(data), `block ${block}`).toBe(true);
    }
    return writes;
  }

  it('are two paths of one controller, of which the optimized one is used', async () => {
    const controller = await connect();
    const paths = await controller.paths();
    expect(paths).toMatchObject([
      { port: nodes[0]!.target.port, state: 'live', ana: [{ nsid: 1, state: 'optimized' }] },
      { port: nodes[1]!.target.port, state: 'live', ana: [{ nsid: 1, state: 'inaccessible' }] },
    ]);
    expect(paths.map(({ controllerId }) => Math.floor(controllerId / 1000))).toEqual([0, 1]);
    await controller.close();
  });

  it('lose no write and fail no I/O while the path is moved', async () => {
    const controller = await connect();
    const moves = async () => {
      for (let round = 0; round < 6; round += 1) await move(round % 2);
    };
    expect(await writeThrough(controller, moves())).toBeGreaterThan(0);
    await controller.close();
  });

  it('lose no write and fail no I/O when the process of the used path is killed', async () => {
    const controller = await connect();
    const kills = async () => {
      for (let round = 0; round < 3; round += 1) {
        const victim = nodes[round % 2]!;
        const other = nodes[1 - (round % 2)]!;
        victim.target.signal('SIGKILL');
        await victim.target.exited;
        await other.setState('optimized');
        await victim.startAgain(uuid, 'inaccessible');
        await expect
          .poll(async () => (await controller.paths()).map(({ state }) => state), { timeout: 20_000 })
          .toEqual(['live', 'live']);
      }
    };
    expect(await writeThrough(controller, kills())).toBeGreaterThan(0);
    await controller.close();
  });

  it('are named in one URI, and a verified load of the program goes on over a move', async () => {
    const [first, second] = nodes.map(({ target }) => `127.0.0.1:${target.port}`);
    const load = ballast([
      ...['perf', `tcp://${first},${second}/${nqn}`, '--rw', 'randrw', '--qd', '8', '--time', '4'],
      ...['--verify', '-o', 'json'],
    ]);
    await expect.poll(() => nodes[0]!.writes(), { timeout: 20_000 }).toBeGreaterThan(0);
    await move(0);
    await expect.poll(() => nodes[1]!.writes(), { timeout: 20_000 }).toBeGreaterThan(0);
    await move(1);
    const { code, stdout, stderr } = await load;
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout.toString('utf8'));
    expect(report).toMatchObject({ errors: 0, verifyErrors: 0 });
    expect(report.blocksChecked).toBeGreaterThan(0);
  });
});
