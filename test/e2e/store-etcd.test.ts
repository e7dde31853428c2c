// A daemon that keeps what it remembers in etcd: I/O goes on without it (row D17), and nothing is guessed.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import { ballast, type Target, Workspace } from '../support/ballast.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../support/etcd.js';

describe.skipIf(withoutEtcd)(`serve --store etcd://... ${needsEtcd}`, () => {
  let workspace: Workspace;
  let etcd: EtcdHarness;
  let engine: Engine;
  beforeEach(async () => {
    workspace = await Workspace.create();
    etcd = await new EtcdHarness().start();
    engine = await Engine.start({ onLog: () => undefined });
  });
  afterEach(async () => {
    await engine.close();
    await workspace.remove();
    await etcd.close();
  });

  const store = () => `etcd://127.0.0.1:${etcd.address.port}/e2e`;
  const run = (...argv: string[]) =>
    ballast(argv, { environment: { BALLAST_DATA: workspace.path('state') } });
  const serve = async (): Promise<Target> => {
    const target = await workspace.serve('--store', store());
    await target.api;
    return target;
  };
  const done = async (...argv: string[]) => {
    const { code, stdout, stderr } = await run(...argv, '-o', 'json');
    if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}: ${stderr}`);
    return JSON.parse(stdout.toString());
  };

  it('D17: serves its volumes while etcd is down, and knows them after a restart of both', async () => {
    const target = await serve();
    await done('pool', 'create', 'p', '--device', `${workspace.path('disk')}:1GiB`);
    const { nqn } = await done('volume', 'create', 'v', '--size', '64MiB');
    const controller = await engine.connect({ host: '127.0.0.1', port: target.port, nqn });
    const [namespace] = controller.namespaces;
    await etcd.server.kill();
    const data = randomBytes(64 << 10);
    await namespace?.write(0n, data);
    expect((await namespace?.read(0n, 16))?.equals(data)).toBe(true);
    const created = await run('pool', 'create', 'q', '--device', `${workspace.path('disk2')}:1GiB`);
    expect([created.code, created.stderr]).toEqual([3, expect.stringContaining('nobody can be reached')]);
    await etcd.server.start();
    expect(await done('pool', 'show', 'p')).toMatchObject({ state: 'open', volumes: 1 });
    await controller.close();
    expect(await target.stop()).toBe(0);

    await etcd.server.kill();
    const starting = serve();
    await etcd.server.start();
    const again = await starting;
    expect(again.nqn('v')).toBe(nqn);
    expect(await again.stop()).toBe(0);
  });

  it('ends with a clear line when another daemon has the prefix', async () => {
    const target = await serve();
    const other = ['--data', workspace.path('other'), '--listen', 'tcp://127.0.0.1:0', '--store', store()];
    const { code, stderr } = await run('serve', ...other);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is of another daemon')]);
    expect(await target.stop()).toBe(0);
  });
});
