// A mirrored volume of three processes: each of them may be killed under load, and nothing that was
// acknowledged is lost. Afterwards all members are equal, byte for byte.
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../src/base/errors.js';
import { Engine } from '../../src/native/index.js';
import { ballast, type Workspace } from '../support/ballast.js';
import {
  ask,
  blockBytes,
  blocksCount,
  contentOf,
  inSync,
  mirror,
  type Node,
  Nodes,
  size,
  startAgain,
} from '../support/mirror-processes.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const writers = 8;
const rounds = Number(process.env.BALLAST_MIRROR_ROUNDS ?? 1);

let engine: Engine;
const nodes = new Nodes();

beforeEach(async () => {
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await nodes.remove();
});

const replica = (workspace: Workspace) => ['--replica', `r=file:${workspace.path('r.img')}:${size}`];

async function startMirror(way = async (uri: string): Promise<string> => uri): Promise<Node> {
  const first = await nodes.start(replica);
  const second = await nodes.start(replica);
  const members = [first.target.replicaUri('r'), await way(second.target.replicaUri('r'))].join(',');
  const own = (workspace: Workspace) => `file:${workspace.path('r.img')}:${size}`;
  return nodes.start((workspace) => ['--mirror', `v=${own(workspace)},${members},lease=200`]);
}

/** What was acknowledged of each block, and what may be there instead because its write had no answer. */
class Written {
  readonly acknowledged = new Map<number, Buffer>();
  readonly unsettled = new Map<number, Buffer>();

  async check(head: Node): Promise<void> {
    const controller = await engine.connect({
      host: '127.0.0.1',
      port: head.target.port,
      nqn: head.target.nqn('v'),
    });
    for (const [block, data] of this.acknowledged) {
      const found = await controller.namespaces[0]!.read(BigInt(block), 1);
      const sent = this.unsettled.get(block);
      const kept = found.equals(data) || (sent !== undefined && found.equals(sent));
      expect(kept, `block ${block} of ${this.acknowledged.size} acknowledged ones`).toBe(true);
    }
    await controller.close();
  }
}

/** Writes until `ends` has resolved; each writer owns every eighth block. */
async function load(head: Node, written: Written, ends: Promise<unknown>): Promise<number> {
  const at = { host: '127.0.0.1', port: head.target.port, nqn: head.target.nqn('v'), ctrlLossTimeoutMs: 0 };
  const controller = await engine.connect(at);
  let over = false;
  let writes = 0;
  void ends.then(() => {
    over = true;
  });
  const write = async (writer: number) => {
    while (!over) {
      const block = writer + writers * Math.floor(Math.random() * (blocksCount / writers));
      const data = randomBytes(blockBytes);
      // What an earlier one without an answer left there may be there no more.
      written.unsettled.set(block, data);
      try {
        await controller.namespaces[0]!.write(BigInt(block), data);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
        return;
      }
      written.unsettled.delete(block);
      written.acknowledged.set(block, data);
      writes += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  await controller.close();
  return writes;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a mirrored volume of three processes', () => {
  it(`loses nothing when each is killed in turn under load, ${rounds} times`, {
    timeout: 120_000 * rounds,
  }, async () => {
    const head = await startMirror();
    await inSync(head);
    const written = new Written();
    for (let round = 0; round < rounds; round += 1) {
      for (const member of [nodes.all[0]!, nodes.all[1]!]) {
        const kill = pause(300).then(() => member.target.kill());
        // Writes go on without it.
        const writes = await load(
          head,
          written,
          kill.then(() => pause(700)),
        );
        expect(writes).toBeGreaterThan(0);
        await startAgain(member);
        await inSync(head);
        await written.check(head);
      }
      await load(
        head,
        written,
        pause(500).then(() => head.target.kill()),
      );
      await startAgain(head);
      await inSync(head);
      await written.check(head);
    }
    for (const { target } of [head, nodes.all[0]!, nodes.all[1]!]) expect(await target.stop()).toBe(0);
    const images = await Promise.all(nodes.all.map(({ workspace }) => readFile(workspace.path('r.img'))));
    expect(images[1]!.equals(images[0]!)).toBe(true);
    expect(images[2]!.equals(images[0]!)).toBe(true);
  });

  it('changes its members under load, and starts again with those that it has then', {
    timeout: 120_000,
  }, async () => {
    const head = await startMirror();
    await inSync(head);
    const third = await nodes.start(replica);
    const written = new Written();
    const change = async (...words: string[]) => {
      const done = await ballast(['mirror', ...words, '--data', head.workspace.path('state')]);
      expect(done.code, done.stderr).toBe(0);
    };
    const writes = await load(
      head,
      written,
      change('add-member', 'v', third.target.replicaUri('r')).then(() =>
        change('remove-member', 'v', nodes.all[0]!.target.replicaUri('r')),
      ),
    );
    expect(writes).toBeGreaterThan(0);
    await inSync(head);
    await written.check(head);
    // With the command line of before.
    await head.target.kill();
    await startAgain(head);
    await inSync(head);
    await written.check(head);
    for (const { target } of [head, nodes.all[1]!, third]) expect(await target.stop()).toBe(0);
    const [, second, own, added] = await Promise.all(
      nodes.all.map(({ workspace }) => readFile(workspace.path('r.img'))),
    );
    expect(second!.equals(own!)).toBe(true);
    expect(added!.equals(own!)).toBe(true);
  });

  it('stores nothing that changes on the way to a member', { timeout: 120_000 }, async () => {
    let network: TcpProxy | undefined;
    const head = await startMirror(async (uri) => {
      const { hostname: host, port } = new URL(uri);
      network = await new TcpProxy({ host, port: Number(port) }).open();
      return uri.replace(`:${port}/`, `:${network.address.port}/`);
    });
    await inSync(head);
    const written = new Written();
    const begin = async () => {
      network!.spoil(1 / (32 * blockBytes));
      await pause(4000);
      network!.spoil(0);
    };
    expect(await load(head, written, begin())).toBeGreaterThan(0);
    expect(network!.spoiltBits).toBeGreaterThan(0);
    await inSync(head);
    await written.check(head);
    for (const { target } of nodes.all) expect(await target.stop()).toBe(0);
    await network!.close();
    const images = await Promise.all(nodes.all.map(({ workspace }) => readFile(workspace.path('r.img'))));
    expect(images[1]!.equals(images[0]!)).toBe(true);
    expect(images[2]!.equals(images[0]!)).toBe(true);
  });

  it('says in what its members differ, under load, and which of three is another', {
    timeout: 120_000,
  }, async () => {
    const head = await startMirror();
    await inSync(head);
    const verify = async () => {
      const argv = ['mirror', 'verify', 'v', '--wait', '-o', 'json', '--data', head.workspace.path('state')];
      const { code, stdout } = await ballast(argv);
      return { code, ...JSON.parse(stdout.toString('utf8')) };
    };
    const written = new Written();
    let found: Awaited<ReturnType<typeof verify>> | undefined;
    const writes = await load(
      head,
      written,
      verify().then((said) => {
        found = said;
      }),
    );
    expect(writes).toBeGreaterThan(0);
    expect(found).toMatchObject({ code: 0, state: 'done', doneBytes: Number(size), differentBytes: 0 });
    // Behind the back of the second one.
    const image = await open(nodes.all[1]!.workspace.path('r.img'), 'r+');
    await image.write(randomBytes(10), 0, 10, 700 * blockBytes + 9);
    await image.sync();
    await image.close();
    const shown = await mirror(head);
    const odd = shown.members.find(({ place }) => place.includes(`:${nodes.all[1]!.target.port}`))?.uuid;
    expect(odd).toBeDefined();
    expect(await verify()).toMatchObject({
      ...{ code: 1, state: 'done', differentBytes: blockBytes, unreadableBytes: 0, unable: [] },
      differences: [{ offsetBytes: 700 * blockBytes, sizeBytes: blockBytes, odd: [odd] }],
    });
    for (const { target } of nodes.all) expect(await target.stop()).toBe(0);
  });

  it('becomes larger under load, also while a member is away', {
    timeout: 120_000,
  }, async () => {
    const { head, members } = await nodes.startPoolMirror();
    const resize = async (bytes: number) =>
      ballast(['mirror', 'resize', 'v', `${bytes}`, '--data', head.workspace.path('state')]);
    const written = new Written();
    const grown = 3 * blocksCount * blockBytes;
    const writes = await load(
      head,
      written,
      resize(grown).then((done) => expect(done.code, done.stderr).toBe(0)),
    );
    expect(writes).toBeGreaterThan(0);
    const controller = await engine.connect({
      host: '127.0.0.1',
      port: head.target.port,
      nqn: head.target.nqn('v'),
    });
    const namespace = controller.namespaces[0]!;
    expect(namespace.blocksCount).toBe(BigInt(grown / blockBytes));
    const last = BigInt(grown / blockBytes - 1);
    expect(await namespace.read(last, 1)).toEqual(Buffer.alloc(blockBytes));
    await members[0]!.target.kill();
    const data = randomBytes(blockBytes);
    await namespace.write(last, data);
    const again = await resize(2 * grown);
    expect(again.code, again.stderr).toBe(0);
    await startAgain(members[0]!);
    await inSync(head);
    const end = BigInt((2 * grown) / blockBytes - 1);
    await namespace.write(end, data).catch(() => undefined); // the size of before, perhaps
    await controller.close();
    const smaller = await resize(grown);
    expect([smaller.code, smaller.stderr]).toEqual([
      1,
      "ballast: mirror 'v': a volume is never made smaller\n",
    ]);
    await written.check(head);
    const verified = [
      'mirror',
      'verify',
      'v',
      '--wait',
      '-o',
      'json',
      '--data',
      head.workspace.path('state'),
    ];
    const { code, stdout } = await ballast(verified);
    expect([code, JSON.parse(stdout.toString('utf8'))]).toMatchObject([
      0,
      { state: 'done', totalBytes: 2 * grown, differentBytes: 0 },
    ]);
    // All start again with the size that they have.
    for (const node of [head, ...members]) expect(await node.target.stop()).toBe(0);
    for (const node of [...members, head]) await startAgain(node);
    await inSync(head);
    await written.check(head);
    for (const { target } of [head, ...members]) expect(await target.stop()).toBe(0);
  });

  it('has snapshots that are the same at all members, taken under load', {
    timeout: 180_000,
  }, async () => {
    const { head, members } = await nodes.startPoolMirror();
    const state = ['--data', head.workspace.path('state')];
    const snapshot = async (name: string) =>
      JSON.parse(await ask(head.workspace, 'mirror', 'snapshot', 'v', name, '-o', 'json'));
    const written = new Written();
    const during: Promise<{ state: string; members: string[] }> = snapshot('busy');
    const writes = await load(
      head,
      written,
      during.catch(() => undefined),
    );
    expect(writes).toBeGreaterThan(0);
    expect(await during).toMatchObject({
      state: 'complete',
      members: [{}, {}, {}].map(() => expect.any(String)),
    });
    const known = new Map(written.acknowledged);
    expect(await snapshot('quiet')).toMatchObject({ state: 'complete' });
    const twice = await ballast(['mirror', 'snapshot', 'v', 'quiet', ...state]);
    expect([twice.code, twice.stderr]).toEqual([1, "ballast: volume 'v' has a snapshot 'quiet' already\n"]);

    // One that is away has none of the time in which it was, and not of all that is deleted.
    await members[0]!.target.kill();
    await load(head, written, snapshot('away'));
    const listed = async () =>
      JSON.parse(await ask(head.workspace, 'mirror', 'snapshots', 'v', '-o', 'json')).snapshots.map(
        (one: { name: string; state: string; members: string[] }) => [
          one.name,
          one.state,
          one.members.length,
        ],
      );
    expect(await listed()).toEqual([
      ['busy', 'complete', 3],
      ['quiet', 'complete', 3],
      ['away', 'degraded', 2],
    ]);
    await snapshot('gone');
    const refused = await ballast(['mirror', 'snapshot-delete', 'v', 'busy', ...state]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('may have of it')]);
    await startAgain(members[0]!);
    await inSync(head);
    await ask(head.workspace, 'mirror', 'snapshot-delete', 'v', 'gone');
    // It gets it now.
    await expect.poll(listed, { timeout: 30_000 }).toEqual([
      ['busy', 'deleting', 1],
      ['quiet', 'complete', 3],
      ['away', 'complete', 3],
    ]);
    expect(await ask(head.workspace, 'mirror', 'show', 'v')).toMatch(/^away +complete/m);
    await written.check(head);

    // As volumes of their pools: what each member has of them.
    const all = [head, ...members];
    for (const { target } of all) expect(await target.stop()).toBe(0);
    const found: Map<string, Buffer>[] = [];
    for (const node of all) {
      node.target = await node.workspace.serve();
      await node.target.api;
      const names = JSON.parse(
        await ask(node.workspace, 'volume', 'snapshots', 'r', '-o', 'json'),
      ).snapshots.map(({ name }: { name: string }) => name);
      const contents = new Map<string, Buffer>();
      for (const name of names) contents.set(name, await contentOf(engine, node, name));
      found.push(contents);
      expect(await node.target.stop()).toBe(0);
    }
    expect(found.map((contents) => [...contents.keys()].sort())).toEqual([
      ['away', 'quiet'],
      ['away', 'busy', 'quiet'],
      ['away', 'quiet'],
    ]);
    for (const name of ['away', 'quiet']) {
      const contents = found.flatMap((one) => one.get(name) ?? []);
      expect(contents.every((one) => one.equals(contents[0]!))).toBe(true);
    }
    for (const [block, data] of known) {
      const kept = found[0]!.get('quiet')!.subarray(block * blockBytes, (block + 1) * blockBytes);
      expect(kept.equals(data), `block ${block}`).toBe(true);
    }
  });

  it('takes no snapshot where a member is a file, and goes on', { timeout: 60_000 }, async () => {
    const head = await startMirror();
    await inSync(head);
    const state = ['--data', head.workspace.path('state')];
    const refused = await ballast(['mirror', 'snapshot', 'v', 'monday', ...state]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(
        /mirror 'v': no snapshot was taken: member \S+ takes no snapshots: it is not a volume of a pool/,
      ),
    ]);
    expect(JSON.parse(await ask(head.workspace, 'mirror', 'snapshots', 'v', '-o', 'json'))).toEqual({
      snapshots: [],
    });
    const written = new Written();
    await load(head, written, ask(head.workspace, 'mirror', 'show', 'v'));
    await written.check(head);
    for (const { target } of nodes.all) expect(await target.stop()).toBe(0);
  });
});
