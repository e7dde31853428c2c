import { beforeEach, describe, expect, it } from 'vitest';
import { CliHarness } from '../../support/cli-harness.js';

let cli: CliHarness;
beforeEach(() => {
  cli = new CliHarness();
});

/** Until the signal, which is sent when it is ready. */
async function running(...argv: string[]): Promise<number> {
  const ended = cli.run(...argv);
  while (!cli.stdout.text.includes('ready')) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  cli.signal();
  return ended;
}

const controller = ['--controller', '127.0.0.1:8430'];

describe('ballast agent', () => {
  it('is there for the cluster before hosts can come, and hands over before it closes', async () => {
    expect(await running('agent', ...controller, '--listen', 'tcp://127.0.0.1:4431', '--zone', 'z')).toBe(0);
    expect(cli.engine.steps).toEqual([
      ...['control', 'join cluster', 'pools', 'start node', 'listen', 'announce node', 'api'],
      ...['stop node', 'close api', 'close', 'close node', 'close control'],
    ]);
    // Of several nodes that serve a volume no two give the same controller ID.
    expect(cli.engine.started?.controllerIds).toEqual({ first: 1025, last: 2048 });
    expect(cli.cluster).toMatchObject({
      source: { kind: 'controller', address: { host: '127.0.0.1', port: 8430 } },
      ...{ zone: 'z', labels: {}, reached: { host: '127.0.0.1', port: 4431 } },
    });
  });

  it('keeps what is its own in its state directory, with the cluster in etcd', async () => {
    const store = ['--store', 'etcd://127.0.0.1:2379/c'];
    await running('agent', ...store, '--label', 'disk=fast', '--advertise', '10.0.0.1');
    expect(cli.cluster).toMatchObject({
      source: { kind: 'etcd', prefix: 'c/' },
      ...{ labels: { disk: 'fast' }, reached: { host: '10.0.0.1', port: 4420 } },
    });
    expect(cli.control?.storeSource).toEqual({ kind: 'level' });
  });

  it.each([
    ['no store', [], 'or a node that has joined'],
    ['two stores', [...controller, '--store', 'etcd://h:1'], 'one of --controller'],
    ['a port that nobody knows', [...controller, '--listen', 'tcp://127.0.0.1:0'], 'a port: others'],
    ['an address that nobody reaches', [...controller, '--listen', 'tcp://0.0.0.0:4420'], 'others reach'],
    ['a bad label', [...controller, '--label', 'x'], 'KEY=VALUE'],
  ])('with %s is refused before anything is opened', async (_what, argv, text) => {
    expect(await cli.run('agent', ...argv)).toBe(2);
    expect(cli.stderr.text).toContain(text);
    expect(cli.engine.steps).toEqual([]);
  });
});

describe('ballast controller', () => {
  it('says where it is reached, and ends with a signal', async () => {
    expect(await running('controller', '--replace-after', '2', '--api-listen', 'off')).toBe(0);
    expect(cli.stdout.text).toBe('store for agents 127.0.0.1:8430\nready\n');
    expect(cli.controller).toMatchObject({
      ...{ listen: { host: '127.0.0.1', port: 8430 }, storeSource: { kind: 'level' } },
      ...{ replaceAfterMs: 120_000, apiListen: { chosen: true } },
    });
  });

  it('refuses a time of nothing', async () => {
    expect(await cli.run('controller', '--replace-after', '0')).toBe(2);
    expect(cli.stderr.text).toContain('1 to 99999 minutes');
  });
});
