// The main job on real sockets: serve, find, identify, write, read, stop.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ballast, type RunOptions, Workspace } from '../support/ballast.js';

let workspace: Workspace;
let host: RunOptions;
beforeEach(async () => {
  workspace = await Workspace.create();
  host = { environment: { BALLAST_DATA: workspace.path('host') } };
});
afterEach(() => workspace.remove());

describe('ballast serve', () => {
  it('prints its port and the nvme connect line of each volume, exits 0 at SIGTERM and SIGINT', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const target = await workspace.serve('--volume', 'a=mem:64MiB', '--volume', 'b=null:1GiB,block=512');
      expect(target.port).toBeGreaterThan(0);
      for (const volume of ['a', 'b']) {
        const line = `  nvme connect -t tcp -a 127.0.0.1 -s ${target.port} -n ${target.nqn(volume)}\n`;
        expect(target.stdout).toContain(line);
      }
      expect(target.stdout).toMatch(/\nready\n/);
      target.signal(signal);
      expect((await target.exited).code).toBe(0);
    }
  });

  it('keeps NQN and UUID of a file over a restart; a memory volume keeps its NQN only', async () => {
    const volumes = ['--volume', `f=file:${workspace.path('f.img')}:4MiB`, '--volume', 'm=mem:4MiB'];
    const seen: Record<string, unknown>[] = [];
    for (let run = 0; run < 2; run += 1) {
      const target = await workspace.serve(...volumes);
      const uuids: string[] = [];
      for (const name of ['f', 'm']) {
        const outcome = await ballast(['identify', target.volumeUri(name), '-o', 'json'], host);
        uuids.push(JSON.parse(outcome.stdout.toString()).namespaces[0].uuid);
      }
      seen.push({ f: target.nqn('f'), m: target.nqn('m'), fileUuid: uuids[0], memoryUuid: uuids[1] });
      expect(await target.stop()).toBe(0);
    }
    expect(seen[1]).toMatchObject({ f: seen[0]?.f, m: seen[0]?.m, fileUuid: seen[0]?.fileUuid });
    expect(seen[1]?.memoryUuid).not.toBe(seen[0]?.memoryUuid);
  });

  it('offers volumes of one NQN as namespaces 1 and 2', async () => {
    const nqn = 'nqn.2026-11.dev.ballast:shared';
    const target = await workspace.serve(
      '--volume',
      `a=mem:1MiB,nqn=${nqn}`,
      '--volume',
      `b=mem:2MiB,nqn=${nqn}`,
    );
    const outcome = await ballast(['identify', `${target.uri}/${nqn}`, '-o', 'json'], host);
    expect(JSON.parse(outcome.stdout.toString()).namespaces).toMatchObject([
      { nsid: 1, sizeBytes: 1 << 20 },
      { nsid: 2, sizeBytes: 2 << 20 },
    ]);
  });

  it('tells hosts the advertised address', async () => {
    const target = await workspace.serve('--volume', 'a=mem:1MiB', '--advertise', '10.0.2.2:7777');
    expect(target.stdout).toContain('-a 10.0.2.2 -s 7777');
    const outcome = await ballast(['discover', target.uri, '-o', 'json'], host);
    expect(JSON.parse(outcome.stdout.toString()).records).toContainEqual(
      expect.objectContaining({
        subnqn: target.nqn('a'),
        traddr: '10.0.2.2',
        trsvcid: '7777',
        trtype: 'tcp',
      }),
    );
  });

  it('serves what a configuration file says', async () => {
    const config = workspace.path('ballast.yaml');
    await writeFile(
      config,
      'listen: ["tcp://127.0.0.1:0"]\nspinUs: 0\nvolumes:\n  a: mem:1MiB\n  b: null:1GiB\n',
    );
    const target = await workspace.start('bin/ballast', ['serve', '--config', config]);
    await target.ready;
    const outcome = await ballast(['discover', target.uri], host);
    expect(outcome.stdout.toString()).toContain(target.nqn('b'));
    expect(await target.stop()).toBe(0);
  });

  it('is what npm start runs: a volume demo of a pool in a sparse file, the same each time', async () => {
    const nqns: string[] = [];
    for (let run = 0; run < 2; run += 1) {
      const target = await workspace.start('scripts/start', ['--listen', 'tcp://127.0.0.1:0']);
      await target.ready;
      expect(target.stdout).toContain('volume demo: 1 GiB, 4096-byte blocks, durable, namespace 1');
      nqns.push(target.nqn('demo'));
      expect(await target.stop()).toBe(0);
    }
    expect(nqns[1]).toBe(nqns[0]);
    const { size, blocks } = await stat(workspace.path('state/pool0'));
    expect(size).toBe(10 * 2 ** 30);
    expect(blocks * 512).toBeLessThan(2 ** 30);
  });

  it('says READY=1 to the service manager', async (context) => {
    context.skip(spawnSync('python3', ['--version']).status !== 0, 'no python3 to receive a datagram with');
    const socket = workspace.path('notify');
    const script = [
      'import socket, sys',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      's.bind(sys.argv[1])',
      'print("bound", flush=True)',
      'while True: print(s.recv(99).decode(), flush=True)',
    ].join('\n');
    const manager = await workspace.start('python3', ['-c', script, socket]);
    await expect.poll(() => manager.stdout).toContain('bound');
    const argv = ['serve', ...workspace.serveOptions(), '--volume', 'a=mem:1MiB'];
    const target = await workspace.start('bin/ballast', argv, { NOTIFY_SOCKET: socket });
    await target.ready;
    await expect.poll(() => manager.stdout).toContain('READY=1');
    expect(await target.stop()).toBe(0);
    await expect.poll(() => manager.stdout).toContain('STOPPING=1');
  });
});

describe('discover and identify', () => {
  it('list the subsystems and describe a controller and its namespace', async () => {
    const target = await workspace.serve('--volume', 'a=mem:64MiB,block=512');
    const found = await ballast(['discover', target.uri], host);
    expect(found.code).toBe(0);
    expect(found.stdout.toString()).toMatch(
      new RegExp(`^${target.nqn('a')} +nvme +tcp +127\\.0\\.0\\.1 +${target.port}$`, 'm'),
    );
    const outcome = await ballast(['identify', target.volumeUri('a'), '-o', 'json', '-g', '-G'], host);
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({
      subsystemNqn: target.nqn('a'),
      namespaces: [{ nsid: 1, blockSizeBytes: 512, blocksCount: 131_072, sizeBytes: 64 << 20 }],
    });
  });

  it('identify the discovery controller where no subsystem is named', async () => {
    const target = await workspace.serve('--volume', 'a=mem:1MiB');
    const outcome = await ballast(['identify', target.uri, '-o', 'json'], host);
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({ namespaces: [] });
  });
});

describe('write and read', () => {
  it.each([
    ['memory', (): string => 'mem:32MiB', []],
    ['file', (): string => `file:${workspace.path('a.img')}:32MiB`, ['-g', '-G']],
    ['file with 512-byte blocks', (): string => `file:${workspace.path('b.img')}:32MiB,block=512`, []],
  ] as const)('bring back what was written to a volume: %s', async (_kind, spec, digests) => {
    const target = await workspace.serve('--volume', `a=${spec()}`);
    const uri = target.volumeUri('a');
    const data = randomBytes(5 << 20);
    const written = await ballast(['write', uri, '--lba', '7', ...digests], { ...host, input: data });
    expect(written.stderr).toMatch(/^\d+ blocks written\n$/);
    const blocks = Number(/^\d+/.exec(written.stderr)?.[0]);
    const read = await ballast(['read', uri, '--lba', '7', '--blocks', String(blocks), ...digests], host);
    expect(read.code).toBe(0);
    expect(read.stdout.equals(data)).toBe(true);
    const before = await ballast(['read', uri, '--lba', '0', '--blocks', '7'], host);
    expect(before.stdout.every((byte) => byte === 0)).toBe(true);
  });

  it('put the bytes of a file volume at their place in the file', async () => {
    const path = workspace.path('a.img');
    const target = await workspace.serve('--volume', `a=file:${path}:1MiB`);
    const data = randomBytes(8192);
    expect(
      (await ballast(['write', target.volumeUri('a'), '--lba', '3'], { ...host, input: data })).code,
    ).toBe(0);
    expect((await readFile(path)).subarray(3 * 4096, 5 * 4096).equals(data)).toBe(true);
  });
});
