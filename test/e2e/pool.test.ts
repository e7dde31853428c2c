// Pools and volumes as a user has them: by the command line against a daemon, over NVMe/TCP, over restarts
// and SIGKILL.
import { randomBytes } from 'node:crypto';
import { copyFile, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../src/base/errors.js';
import { type Controller, Engine, type Namespace } from '../../src/native/index.js';
import { ballast, type Target, Workspace } from '../support/ballast.js';

let workspace: Workspace;
let engine: Engine;
beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await workspace.remove();
});

const blockBytes = 4096;
const disk = (name = 'disk') => workspace.path(name);

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer
async function run(...argv: string[]): Promise<any> {
  const environment = { BALLAST_DATA: workspace.path('state') };
  const { code, stdout, stderr } = await ballast([...argv, '-o', 'json'], { environment });
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}: ${stderr}`);
  return JSON.parse(stdout.toString());
}

async function refused(...argv: string[]): Promise<string> {
  const environment = { BALLAST_DATA: workspace.path('state') };
  const { code, stdout, stderr } = await ballast(argv, { environment });
  expect([code, stdout.toString()], stderr).toEqual([1, '']);
  return stderr;
}

async function serve(...argv: string[]): Promise<Target> {
  const target = await workspace.serve(...argv);
  await target.api;
  return target;
}

/** A daemon with a pool of one file and a volume `v` of 64 MiB in it. */
async function serveVolume(...options: string[]): Promise<{ target: Target; nqn: string }> {
  const target = await serve();
  await run('pool', 'create', 'p', '--device', `${disk()}:1GiB`);
  const { nqn } = await run('volume', 'create', 'v', '--size', '64MiB', ...options);
  return { target, nqn };
}

async function withNamespace<T>(
  target: Target,
  nqn: string,
  use: (namespace: Namespace) => Promise<T>,
): Promise<T> {
  const controller: Controller = await engine.connect({
    host: '127.0.0.1',
    port: target.port,
    nqn,
    ctrlLossTimeoutMs: 0,
  });
  try {
    return await use(controller.namespaces[0]!);
  } finally {
    await controller.close();
  }
}

const write = (target: Target, nqn: string, lba: bigint, data: Buffer) =>
  withNamespace(target, nqn, (namespace) => namespace.write(lba, data));
const read = (target: Target, nqn: string, lba: bigint, blocks: number) =>
  withNamespace(target, nqn, (namespace) => namespace.read(lba, blocks));

describe('a volume of a pool', () => {
  it('is served, holds what is written, and is there after a restart under its NQN', async () => {
    const { target, nqn } = await serveVolume();
    const data = randomBytes(1 << 20);
    await write(target, nqn, 100n, data);
    expect((await read(target, nqn, 100n, 256)).equals(data)).toBe(true);
    expect((await read(target, nqn, 0n, 100)).every((byte) => byte === 0)).toBe(true);
    const shown = await run('volume', 'show', 'v');
    expect(shown).toMatchObject({ nqn, kind: 'pool', pool: 'p', state: 'serving', durable: true });
    expect(Number(shown.counters.writeBytes)).toBe(1 << 20);
    const pool = await run('pool', 'show', 'p');
    expect(pool).toMatchObject({ state: 'open', volumes: 1, checksums: true });
    expect(Number(pool.usedBytes)).toBeGreaterThanOrEqual(1 << 20);
    expect(Number(pool.usedBytes)).toBeLessThan(64 << 20);
    expect(await target.stop()).toBe(0);

    const again = await serve();
    expect(again.nqn('v')).toBe(nqn);
    expect((await read(again, nqn, 100n, 256)).equals(data)).toBe(true);
    expect(await again.stop()).toBe(0);
  });

  it('has snapshots and clones that keep what was there', async () => {
    const { target, nqn } = await serveVolume();
    const before = randomBytes(64 * blockBytes);
    const after = randomBytes(16 * blockBytes);
    await write(target, nqn, 0n, before);
    await run('volume', 'snapshot', 'v', 's1');
    await write(target, nqn, 8n, after);
    await run('volume', 'snapshot', 'v', 's2');
    const clone = await run('volume', 'clone', 'v/s1', 'c');
    expect((await read(target, clone.nqn, 0n, 64)).equals(before)).toBe(true);
    await write(target, clone.nqn, 0n, randomBytes(blockBytes));
    expect((await read(target, nqn, 0n, 8)).equals(before.subarray(0, 8 * blockBytes))).toBe(true);
    expect((await read(target, nqn, 8n, 16)).equals(after)).toBe(true);

    const changed = await run('volume', 'diff', 'v', '--since', 's1', '--snapshot', 's2');
    expect(changed.extents).toEqual([{ offsetBytes: 8 * blockBytes, lengthBytes: 16 * blockBytes }]);
    expect(changed.totalBytes).toBe(after.length);
    await run('volume', 'revert', 'v', 's1');
    expect((await read(target, nqn, 0n, 64)).equals(before)).toBe(true);
    expect(await refused('volume', 'delete', 'v')).toContain('it has 2 snapshots; delete them first');
    for (const snapshot of ['v/s1', 'v/s2']) await run('volume', 'delete', snapshot);
    await run('volume', 'delete', 'v');
    const kept = await read(target, clone.nqn, 1n, 63);
    expect(kept.equals(before.subarray(blockBytes))).toBe(true);
    await expect(read(target, nqn, 0n, 1)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    expect(await target.stop()).toBe(0);
  });

  it('grows and shrinks while it is served, and loses no data', async () => {
    const { target, nqn } = await serveVolume();
    await write(target, nqn, 15n * 256n, randomBytes(blockBytes)); // at 15 MiB
    expect((await run('volume', 'resize', 'v', '128MiB')).sizeBytes).toBe(128 << 20);
    await withNamespace(target, nqn, async (namespace) => {
      expect(namespace.info.blocksCount).toBe(32_768n);
      await namespace.write(32_767n, randomBytes(blockBytes));
    });
    const environment = { BALLAST_DATA: workspace.path('state') };
    const shrunk = await ballast(['volume', 'resize', 'v', '16MiB'], { environment });
    expect(shrunk.code).not.toBe(0);
    await withNamespace(target, nqn, (namespace) => namespace.deallocate(32_767n, 1));
    expect((await run('volume', 'resize', 'v', '16MiB')).sizeBytes).toBe(16 << 20);
    expect(await target.stop()).toBe(0);
  });

  it('keeps its NQN under a new name, which needs force while a host is connected', async () => {
    const { target, nqn } = await serveVolume();
    await withNamespace(target, nqn, async () => {
      expect(await refused('volume', 'rename', 'v', 'w')).toContain('force');
    });
    expect(await run('volume', 'rename', 'v', 'w')).toMatchObject({ name: 'w', nqn, state: 'serving' });
    await read(target, nqn, 0n, 1);
    expect(await target.stop()).toBe(0);
  });

  it('that is full answers Capacity Exceeded, and works again when there is room', async () => {
    const target = await serve();
    await run('pool', 'create', 'p', '--device', `${disk()}:64MiB`);
    const { nqn } = await run('volume', 'create', 'v', '--size', '1GiB');
    const piece = randomBytes(1 << 20);
    let written = 0n;
    const full = withNamespace(target, nqn, async (namespace) => {
      for (; ; written += 256n) await namespace.write(written, piece);
    });
    await expect(full).rejects.toMatchObject({ status: { statusCodeType: 0, statusCode: 0x81 } });
    expect((await read(target, nqn, 0n, 256)).equals(piece)).toBe(true);
    await run('pool', 'add-device', 'p', `${disk('more')}:64MiB`);
    await write(target, nqn, written, piece);
    expect((await read(target, nqn, written, 256)).equals(piece)).toBe(true);
    expect(await target.stop()).toBe(0);
    const again = await serve();
    expect((await read(again, nqn, written, 256)).equals(piece)).toBe(true);
    expect(await again.stop()).toBe(0);
  });
});

describe('a daemon killed with SIGKILL during writes', () => {
  it('has every acknowledged block, snapshot and clone of its pool after a restart', async () => {
    const { target, nqn } = await serveVolume();
    const blocksCount = 1024;
    const writers = 16;
    const acknowledged = new Map<number, Buffer>();
    const unsettled = new Map<number, Buffer>();
    const first = randomBytes(blocksCount * blockBytes);
    await write(target, nqn, 0n, first);
    await run('volume', 'snapshot', 'v', 's');
    const clone = await run('volume', 'clone', 'v/s', 'c');

    let writes = 0;
    await withNamespace(target, nqn, async (namespace) => {
      const writer = async (index: number) => {
        for (let turn = 0; ; turn += 1) {
          const block = index + writers * (turn % (blocksCount / writers));
          const data = randomBytes(blockBytes);
          unsettled.set(block, data);
          try {
            await namespace.write(BigInt(block), data);
          } catch (error) {
            expect(error).toBeInstanceOf(DomainError);
            return;
          }
          unsettled.delete(block);
          acknowledged.set(block, data);
          writes += 1;
          if (writes === 600) target.signal('SIGKILL');
        }
      };
      await Promise.all(Array.from({ length: writers }, (_, index) => writer(index)));
    });
    await target.exited;

    const again = await serve();
    expect(again.nqn('v')).toBe(nqn);
    const found = await read(again, nqn, 0n, blocksCount);
    for (let block = 0; block < blocksCount; block += 1) {
      const at = found.subarray(block * blockBytes, (block + 1) * blockBytes);
      const old = first.subarray(block * blockBytes, (block + 1) * blockBytes);
      const kept = at.equals(acknowledged.get(block) ?? old);
      const sent = unsettled.get(block);
      expect(kept || (sent !== undefined && at.equals(sent)), `block ${block}`).toBe(true);
    }
    expect((await read(again, clone.nqn, 0n, blocksCount)).equals(first)).toBe(true);
    expect((await run('volume', 'snapshots', 'v')).snapshots).toMatchObject([{ name: 's' }]);
    expect(await again.stop()).toBe(0);
  });
});

describe('a pool', () => {
  it('of several files is exported, moved, and imported in another order by another daemon', async () => {
    const target = await serve();
    await run('pool', 'create', 'p', '--device', `${disk('a')}:256MiB`, '--device', `${disk('b')}:256MiB`);
    const { nqn } = await run('volume', 'create', 'v', '--size', '128MiB');
    const data = randomBytes(32 << 20);
    await write(target, nqn, 0n, data);
    await run('pool', 'export', 'p');
    expect((await run('volume', 'list')).volumes).toEqual([]);
    expect(await target.stop()).toBe(0);
    await rename(disk('a'), disk('x'));
    await rename(disk('b'), disk('y'));
    await rm(workspace.path('state'), { recursive: true });

    const other = await serve();
    expect(await refused('pool', 'import', disk('y'))).toMatch(/missing/i);
    const imported = await run('pool', 'import', disk('y'), disk('x'));
    expect(imported).toMatchObject({ name: 'p', state: 'open' });
    expect((await read(other, nqn, 0n, data.length / blockBytes)).equals(data)).toBe(true);
    expect(await refused('pool', 'import', disk('x'))).toContain("belongs to the open pool 'p'");
    expect(await refused('pool', 'destroy', 'p')).toContain('it has 1 volume');
    await run('volume', 'delete', 'v');
    await run('pool', 'destroy', 'p');
    expect((await run('pool', 'list')).pools).toEqual([]);
    expect(await other.stop()).toBe(0);
  });

  it('that is missing keeps no other from being served, and comes back', async () => {
    const target = await serve();
    for (const name of ['p', 'q']) {
      await run('pool', 'create', name, '--device', `${disk(name)}:128MiB`);
      await run('volume', 'create', `v-${name}`, '--size', '16MiB', '--pool', name);
    }
    expect(await target.stop()).toBe(0);
    await rename(disk('p'), disk('elsewhere'));
    const again = await serve();
    expect(again.stdout).toContain(`NOT SERVED: pool p is missing: there is no ${disk('p')}`);
    expect(again.nqn('v-q')).not.toBe('');
    expect(await run('pool', 'show', 'p')).toMatchObject({ state: 'missing' });
    expect(await run('pool', 'import', disk('elsewhere'))).toMatchObject({ state: 'open' });
    const names = (await run('volume', 'list')).volumes.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual(['v-p', 'v-q']);
    expect(await again.stop()).toBe(0);
  });

  it('on a disk is not overwritten, nor opened twice', async () => {
    const { target } = await serveVolume();
    const again = ['pool', 'create', 'new', '--device', disk()];
    expect(await refused(...again)).toContain("belongs to pool 'p'");
    await copyFile(disk(), disk('copy'));
    expect(await refused('pool', 'import', disk('copy'))).not.toBe('');
    await run('pool', 'export', 'p');
    expect(await refused(...again)).toMatch(/pool/);
    expect(await run(...again, '--force')).toMatchObject({ name: 'new', volumes: 0 });
    expect(await target.stop()).toBe(0);
  });

  it('finds what rotted on its disk', async () => {
    const { target, nqn } = await serveVolume();
    const pattern = Buffer.from('this block will rot; '.repeat(200)).subarray(0, blockBytes);
    await write(target, nqn, 5n, pattern);
    expect(await target.stop()).toBe(0);
    const content = await readFile(disk());
    const at = content.indexOf(pattern.subarray(0, 64));
    expect(at).toBeGreaterThan(0);
    const file = await open(disk(), 'r+');
    await file.write(Buffer.from('x'), 0, 1, at + 9);
    await file.close();

    const again = await serve();
    await expect(read(again, nqn, 5n, 1)).rejects.toMatchObject({
      status: { statusCodeType: 2, statusCode: 0x81 },
    });
    const environment = { BALLAST_DATA: workspace.path('state') };
    const scrub = await ballast(['pool', 'scrub', 'p', '--wait', '-o', 'json'], { environment });
    expect([scrub.code, JSON.parse(scrub.stdout.toString()).errors]).toEqual([1, 1]);
    await write(again, nqn, 5n, pattern);
    expect((await run('pool', 'scrub', 'p', '--wait')).errors).toBe(0);
    expect(await again.stop()).toBe(0);
  });
});

describe('an encrypted volume', () => {
  it('leaves nothing readable on the disk, and is served after a restart', async () => {
    const { target, nqn } = await serveVolume('--encrypted');
    const plain = await run('volume', 'create', 'plain', '--size', '16MiB');
    const secret = Buffer.from('attack at dawn; '.repeat(256));
    const report = Buffer.from('weather report; '.repeat(256));
    await write(target, nqn, 0n, secret);
    await write(target, plain.nqn, 0n, report);
    expect(await target.stop()).toBe(0);
    const content = await readFile(disk());
    expect(content.includes('weather report')).toBe(true);
    expect(content.includes('attack at dawn')).toBe(false);
    expect((await stat(workspace.path('state/volume-keys'))).mode & 0o777).toBe(0o600);

    const again = await serve();
    expect((await read(again, nqn, 0n, 1)).equals(secret)).toBe(true);
    expect(await run('key', 'rotate', '--drop-old')).toMatchObject({ rewrapped: 1, dropped: 1 });
    expect(await again.stop()).toBe(0);
    const rotated = await serve();
    expect((await read(rotated, nqn, 0n, 1)).equals(secret)).toBe(true);
    expect(await run('volume', 'erase-key', 'v')).toMatchObject({ state: 'erased' });
    await expect(read(rotated, nqn, 0n, 1)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    expect(await rotated.stop()).toBe(0);
    const key = (await readFile(workspace.path('state/volume-keys'))).toString('hex').slice(0, 32);
    for (const { stdout, stderr } of [target, again, rotated]) expect(stdout + stderr).not.toContain(key);
  });

  it('is locked without its key, and keeps no other from being served', async () => {
    const { target, nqn } = await serveVolume('--encrypted');
    await run('volume', 'create', 'plain', '--size', '16MiB');
    expect(await target.stop()).toBe(0);
    await rename(workspace.path('state/volume-keys'), disk('keys'));
    const again = await serve();
    expect(again.stdout).toMatch(/^NOT SERVED: volume v: key file \S+: does not exist/m);
    expect(again.nqn('plain')).not.toBe('');
    expect(await refused('volume', 'serve', 'v')).toContain('does not exist; restore it');
    await rename(disk('keys'), workspace.path('state/volume-keys'));
    expect(await run('volume', 'serve', 'v')).toMatchObject({ state: 'serving', nqn });
    expect((await read(again, nqn, 0n, 1)).every((byte) => byte === 0)).toBe(true);
    expect(await again.stop()).toBe(0);
  });
});
