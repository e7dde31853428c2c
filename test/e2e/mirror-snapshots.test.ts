// Snapshots of a mirrored volume get to members that were away or are new, whatever ends meanwhile.
// Afterwards each member has in its pool what the volume was at that moment, byte for byte.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import { ballast } from '../support/ballast.js';
import {
  ask,
  blockBytes,
  blocksCount,
  contentOf,
  inSync,
  type Node,
  Nodes,
  startAgain,
} from '../support/mirror-processes.js';

interface Snapshot {
  readonly name: string;
  readonly state: string;
  readonly members: readonly string[];
  readonly carry?: { readonly to: string; readonly doneBytes: number | string };
}

let engine: Engine;
const nodes = new Nodes();

beforeEach(async () => {
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await nodes.remove();
});

/** The volume as its user knows it, and its snapshots as they must be. */
class User {
  readonly #head: Node;
  readonly #content = Buffer.alloc(blocksCount * blockBytes);
  readonly snapshots = new Map<string, Buffer>();

  constructor(head: Node) {
    this.#head = head;
  }

  /** Something else to some blocks from `first` on, each `step`. */
  async write(first: number, count: number, step = 1): Promise<void> {
    const { target } = this.#head;
    const controller = await engine.connect({ host: '127.0.0.1', port: target.port, nqn: target.nqn('v') });
    for (let i = 0; i < count; i += 1) {
      const block = first + i * step;
      const data = randomBytes(blockBytes);
      await controller.namespaces[0]!.write(BigInt(block), data);
      data.copy(this.#content, block * blockBytes);
    }
    await controller.close();
  }

  async snapshot(name: string): Promise<void> {
    await ask(this.#head.workspace, 'mirror', 'snapshot', 'v', name);
    this.snapshots.set(name, Buffer.from(this.#content));
  }

  async listed(): Promise<readonly Snapshot[]> {
    return JSON.parse(await ask(this.#head.workspace, 'mirror', 'snapshots', 'v', '-o', 'json')).snapshots;
  }

  async allComplete(members: number): Promise<void> {
    const found = async () =>
      (await this.listed()).map(({ name, state, members: who }) => [name, state, who.length]);
    const wanted = [...this.snapshots.keys()].map((name) => [name, 'complete', members]);
    await expect.poll(found, { timeout: 60_000, interval: 200 }).toEqual(wanted);
  }

  /** Until one is under way. */
  async beingCarried(): Promise<void> {
    const isCarried = async () =>
      (await this.listed()).some(({ carry }) => Number(carry?.doneBytes ?? 0) > 0);
    await expect.poll(isCarried, { timeout: 60_000, interval: 50 }).toBe(true);
  }

  /** Ends all, and looks into their pools. */
  async check(all: readonly Node[]): Promise<void> {
    for (const { target } of all) expect(await target.stop()).toBe(0);
    for (const node of all) {
      const checked = await ballast(['pool', 'check', node.workspace.path('disk')]);
      expect([checked.code, checked.stderr]).toEqual([0, '']);
      node.target = await node.workspace.serve();
      await node.target.api;
      const { snapshots } = JSON.parse(await ask(node.workspace, 'volume', 'snapshots', 'r', '-o', 'json'));
      const names = snapshots.map(({ name }: { name: string }) => name);
      expect(names).toEqual([...this.snapshots.keys()]);
      for (const [name, content] of this.snapshots) {
        expect((await contentOf(engine, node, name)).equals(content), `${name} of ${node.target.port}`).toBe(
          true,
        );
      }
      expect(await node.target.stop()).toBe(0);
    }
  }
}

describe('snapshots of a mirrored volume', () => {
  it('get to a member that was away, while the volume is written', { timeout: 180_000 }, async () => {
    const { head, members } = await nodes.startPoolMirror();
    const user = new User(head);
    await user.write(0, 600);
    await user.snapshot('before');
    await members[0]!.target.kill();
    await user.write(100, 200, 3);
    await user.snapshot('one');
    await user.write(50, 200, 2);
    await user.write(2000, 48);
    await user.snapshot('two');
    await user.write(0, 300, 5);
    expect((await user.listed()).map(({ state }) => state)).toEqual(['complete', 'degraded', 'degraded']);
    await startAgain(members[0]!);
    await user.write(7, 100, 11);
    await user.allComplete(3);
    await user.write(0, 100);
    await user.check([head, ...members]);
  });

  it('get to a new member', { timeout: 180_000 }, async () => {
    const { head, members } = await nodes.startPoolMirror();
    const user = new User(head);
    await user.write(0, 500);
    await user.snapshot('one');
    await user.write(250, 500);
    await user.snapshot('two');
    await user.write(10, 20, 7);
    const added = await nodes.replicaInPool();
    await ask(head.workspace, 'mirror', 'add-member', 'v', added.target.replicaUri('r'));
    await user.allComplete(4);
    await user.check([head, ...members, added]);
  });

  it('get there though the member and the head are killed meanwhile', { timeout: 240_000 }, async () => {
    const { head, members } = await nodes.startPoolMirror(',resync-rate=1MiB');
    const user = new User(head);
    await user.write(0, 100);
    await user.snapshot('before');
    await members[0]!.target.kill();
    await user.write(0, 1000);
    await user.snapshot('one');
    await user.write(500, 10);
    await startAgain(members[0]!);
    await user.beingCarried();
    // One that all have is newer than what is carried below it.
    await user.write(600, 10);
    await user.snapshot('two');
    await members[0]!.target.kill();
    await user.write(505, 10);
    await startAgain(members[0]!);
    await user.beingCarried();
    await head.target.kill();
    await startAgain(head);
    await inSync(head);
    await user.allComplete(3);
    await user.check([head, ...members]);
  });

  it('are deleted while they are carried, and nothing is left', { timeout: 180_000 }, async () => {
    const { head, members } = await nodes.startPoolMirror(',resync-rate=1MiB');
    const user = new User(head);
    await members[0]!.target.kill();
    await user.write(0, 1000);
    await user.snapshot('one');
    await startAgain(members[0]!);
    await user.beingCarried();
    await ask(head.workspace, 'mirror', 'snapshot-delete', 'v', 'one');
    user.snapshots.delete('one');
    expect(await user.listed()).toEqual([]);
    await inSync(head);
    await user.check([head, ...members]);
  });
});
