import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeService } from '../../../src/cli/serve.js';
import { CliHarness } from '../../support/cli-harness.js';

let cli: CliHarness;
let directory: string;
beforeEach(async () => {
  cli = new CliHarness();
  directory = await mkdtemp(join(tmpdir(), 'ballast-serve-'));
});
afterEach(() => rm(directory, { recursive: true }));

const quiet = ['--log-level', 'silent', '--listen', 'tcp://127.0.0.1:0'];

function serve(...argv: string[]): Promise<number> {
  return cli.run('serve', '--data', join(directory, 'data'), ...quiet, ...argv);
}

describe('serve refuses before it changes anything', () => {
  it.each([
    ['a pool without a name', ['--ensure-pool', '/x:1GiB'], 2, "NAME=PATH[:SIZE]; got '/x:1GiB'"],
    ['a pool without a path', ['--ensure-pool', 'p=:1GiB'], 2, 'PATH or PATH:SIZE'],
    ['a volume without a size', ['--ensure-volume', 'v'], 2, "NAME=SIZE; got 'v'"],
    ['a volume of odd size', ['--ensure-volume', 'v=1000'], 2, 'not a multiple'],
    ['two sources of keys', ['--key-file', 'a', '--key-command', 'b'], 2, 'not both'],
    ['an unknown SPEC', ['--volume', 'a=ram:1M'], 2, "unknown kind 'ram'"],
    ['size 0', ['--volume', 'a=mem:0'], 2, 'is zero'],
    [
      'a size that is not a multiple of the block',
      ['--volume', 'a=mem:5000'],
      2,
      'multiple of the block size',
    ],
    ['duplicate names', ['--volume', 'a=mem:1M', '--volume', 'a=mem:2M'], 2, 'given twice'],
    [
      'an NQN over 223 bytes',
      ['--volume', `a=mem:1M,nqn=nqn.2026-11.x:${'y'.repeat(220)}`],
      2,
      'more than 223',
    ],
    ['a path that is a directory', ['--volume', 'a=file:/tmp:1M'], 1, '/tmp is a directory'],
    [
      'a missing file without a size',
      ['--volume', 'a=file:/tmp/no-such-file'],
      1,
      'does not exist; give a size',
    ],
    ['a missing directory', ['--volume', 'a=file:/no/such/dir/a:1M'], 1, 'no directory /no/such/dir'],
    [
      'a character device',
      ['--volume', 'a=file:/dev/null:1M'],
      1,
      'neither a regular file nor a block device',
    ],
    ['a bad address', ['--volume', 'a=mem:1M', '--listen', 'tcp://nowhere:1'], 2, 'is not a numeric address'],
    [
      'an address of another machine',
      ['--volume', 'a=mem:1M', '--listen', 'tcp://192.0.2.1:4420'],
      1,
      'EADDRNOTAVAIL',
    ],
    ['a missing configuration', ['--config', '/no/such.yaml'], 2, 'cannot be read'],
    ['a bad API address', ['--volume', 'a=mem:1M', '--api-listen', 'nowhere:1'], 2, 'not a numeric address'],
    ['bad reactors', ['--volume', 'a=mem:1M', '--reactors', '0'], 2, 'reactors'],
  ])('%s', async (_what, argv, code, reason) => {
    expect(await serve(...argv)).toBe(code);
    expect(cli.stderr.text).toContain(reason);
    expect(cli.stderr.text.trimEnd()).not.toContain('\n');
    expect(cli.enginesStarted).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  it('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const argv = ['--volume', 'a=mem:1M', '--listen', `tcp://127.0.0.1:${port}`];
    expect(await serve(...argv)).toBe(1);
    expect(cli.stderr.text).toBe(`ballast: tcp://127.0.0.1:${port}: another process listens there\n`);
    expect(await readdir(directory)).toEqual([]);
    other.close();
  });

  it('an existing file of another size, or not of whole blocks', async () => {
    const path = join(directory, 'a.img');
    await writeFile(path, '');
    await truncate(path, 5000);
    expect(await serve('--volume', `a=file:${path}:1M`)).toBe(1);
    expect(cli.stderr.text).toContain('has 4.9 KiB, not 1 MiB');
    expect(await serve('--volume', `a=file:${path}`)).toBe(1);
    expect(cli.stderr.text).toContain('not a multiple of its 4096-byte blocks');
    expect((await stat(path)).size).toBe(5000);
    expect(await readdir(directory)).toEqual(['a.img']);
  });

  it('one file under two paths', async () => {
    const path = join(directory, 'a.img');
    await writeFile(path, Buffer.alloc(4096));
    const other = join(directory, 'sub', '..', 'a.img');
    expect(await serve('--volume', `a=file:${path}`, '--volume', `b=file:${directory}/./a.img`)).toBe(2);
    expect(cli.stderr.text).toContain("the same file as volume 'a'");
    expect(other).toBe(path);
  });
});

describe('serve', () => {
  it('adds volumes before it listens, prints how to connect, drains at SIGTERM and exits 0', async () => {
    const running = serve('--volume', 'a=mem:1MiB', '--volume', 'b=null:1GiB,block=512', '--reactors', '2');
    await cli.printed('ready\n');
    await cli.printed('api ');
    const started = ['control', 'volume a', 'volume b', 'pools', 'listen', 'api'];
    expect(cli.engine.steps).toEqual(started);
    expect(cli.notifications).toEqual(['READY=1']);
    cli.signal();
    expect(await running).toBe(0);
    expect(cli.engine.steps).toEqual([...started, 'close api', 'close', 'close control']);
    expect(cli.notifications).toEqual(['READY=1', 'STOPPING=1']);
    expect(cli.listensToSignals).toBe(false);

    const [a, b] = cli.engine.volumes;
    expect(a).toMatchObject({ name: 'a', kind: 'memory', sizeBytes: 1n << 20n, blockSizeBytes: 4096 });
    expect(b).toMatchObject({ name: 'b', kind: 'null', sizeBytes: 1n << 30n, blockSizeBytes: 512 });
    expect(cli.stdout.text).toBe(
      [
        'listening on tcp://127.0.0.1:40001',
        `volume a: 1 MiB, 4096-byte blocks, not durable, namespace 1 of ${a?.nqn}`,
        `  nvme connect -t tcp -a 127.0.0.1 -s 40001 -n ${a?.nqn}`,
        `volume b: 1 GiB, 512-byte blocks, not durable, namespace 1 of ${b?.nqn}`,
        `  nvme connect -t tcp -a 127.0.0.1 -s 40001 -n ${b?.nqn}`,
        'ready',
        'api http://127.0.0.1:1/v1/, unix:/s',
        '',
      ].join('\n'),
    );
    const state = JSON.parse(await readFile(join(directory, 'data', 'volumes.json'), 'utf8'));
    expect(a?.nqn).toContain(state.volumes.a.subsystemUuid);
  });

  it('tells the API what it serves, and where the API may listen', async () => {
    const running = serve('--volume', 'a=mem:1MiB', '--api-listen', 'localhost:9');
    await cli.printed('api ');
    expect(cli.control).toMatchObject({
      stateDirectory: join(directory, 'data'),
      apiListen: { address: { host: '127.0.0.1', port: 9 }, chosen: true },
    });
    expect(cli.dataPlane?.volumes()).toMatchObject([{ name: 'a', sizeBytes: 1n << 20n }]);
    expect(cli.dataPlane?.listeners()).toEqual([{ host: '127.0.0.1', port: 40_001 }]);
    expect(cli.dataPlane?.counters()).toMatchObject({ controllers: 0 });
    cli.signal();
    expect(await running).toBe(0);
  });

  it('serves what is in pools, and says what is not served', async () => {
    const nqn = 'nqn.2026-11.dev.ballast:volume:x';
    const volume = { nqn, nsid: 1, sizeBytes: 1n << 30n, blockSizeBytes: 4096, durable: true };
    cli.pools = {
      volumes: Array.from({ length: 23 }, (_, index) => ({ name: `v${index}`, ...volume })),
      problems: ['pool q is missing: there is no /dev/sdx'],
    };
    const running = serve('--volume', 'a=mem:1MiB', '--volume', `f=file:${join(directory, 'f')}:1MiB`);
    await cli.printed('api ');
    expect(cli.others).toEqual([{ name: 'a' }, { name: 'f', path: join(directory, 'f') }]);
    expect(cli.stdout.text).toContain(
      `volume v19: 1 GiB, 4096-byte blocks, durable, namespace 1 of ${nqn}\n`,
    );
    expect(cli.stdout.text).not.toContain('volume v20');
    expect(cli.stdout.text).toContain(
      'and 3 more volumes: ballast volume list\nNOT SERVED: pool q is missing: there is no /dev/sdx\n',
    );
    cli.signal();
    expect(await running).toBe(0);
  });

  it('waits for pools where there is nothing yet, and says how to make one', async () => {
    const pool = ['--ensure-pool', 'p=pool0:10GiB', '--ensure-volume', 'demo=1GiB'];
    const running = serve('--key-command', '/usr/bin/kms', ...pool);
    await cli.printed('api ');
    expect(cli.stdout.text).toContain('no volumes yet: ballast pool create');
    expect(cli.control?.keySource).toEqual({ command: '/usr/bin/kms' });
    expect(cli.ensured).toEqual({
      pool: { name: 'p', device: { path: join(process.cwd(), 'pool0'), sizeBytes: 10n << 30n } },
      volume: { name: 'demo', sizeBytes: 1n << 30n },
    });
    cli.signal();
    expect(await running).toBe(0);
  });

  it('serves on when the API cannot be loaded', async () => {
    cli.failApi = new Error('no such module');
    const running = serve('--volume', 'a=mem:1MiB');
    await cli.printed('ready\n');
    while (!cli.engine.steps.includes('api')) await new Promise((resolve) => setImmediate(resolve));
    expect(cli.engine.closed).toBe(0);
    cli.signal();
    expect(await running).toBe(0);
    expect(cli.stdout.text).not.toContain('api');
  });

  it('exits at once at the second signal', async () => {
    const running = serve('--volume', 'a=mem:1MiB');
    await cli.printed('ready\n');
    cli.signal();
    cli.signal('SIGINT');
    expect(cli.exitedNow).toBe(1);
    await running;
  });

  it('closes the engine when a volume cannot be opened', async () => {
    cli.engine.addVolume = () => Promise.reject(new Error('locked'));
    expect(await serve('--volume', 'a=mem:1MiB')).toBe(1);
    expect(cli.engine.closed).toBe(1);
    expect(cli.engine.steps.slice(-2)).toEqual(['close', 'close control']);
    expect(cli.stdout.text).toBe('');
  });

  it('takes volumes and settings from the configuration and the environment', async () => {
    const file = join(directory, 'ballast.yaml');
    await writeFile(
      file,
      'spinUs: 7\ninCapsule: 16k\ncontrollerIds: 1-99\npoolMapMemory: 1GiB\n' +
        'volumes:\n  a: mem:1MiB,read-only,ana=change\n',
    );
    cli.environment.BALLAST_CONFIG = file;
    cli.environment.BALLAST_ADVERTISE = '10.0.2.2:9';
    const running = serve('--spin-us', 'max');
    await cli.printed('ready\n');
    cli.signal();
    await running;
    expect(cli.engine.started).toMatchObject({
      spinUs: Number.POSITIVE_INFINITY,
      inCapsuleBytes: 16_384,
      controllerIds: { first: 1, last: 99 },
      poolMapBytes: 1n << 30n,
    });
    expect(cli.engine.volumes[0]).toMatchObject({ readOnly: true, anaState: 'change' });
    expect(cli.engine.listeners[0]).toEqual({
      host: '127.0.0.1',
      port: 0,
      advertisedHost: '10.0.2.2',
      advertisedPort: 9,
    });
    expect(cli.engine.volumes[0]).toMatchObject({ readOnly: true });
    expect(cli.stdout.text).toContain('-a 10.0.2.2 -s 9');
  });
});

describe('describeService', () => {
  it('shows an address that can be connected to in place of a wildcard', () => {
    const volume = {
      name: 'a',
      kind: 'file' as const,
      nqn: 'nqn.2026-11.dev.x:s',
      nsid: 2,
      uuid: '',
      sizeBytes: 1n << 30n,
      blockSizeBytes: 4096,
      durable: true,
    };
    const text = describeService([volume], [{ host: '0.0.0.0', port: 1 }]);
    expect(text).toContain('listening on tcp://0.0.0.0:1\n');
    expect(text).toContain('durable, namespace 2 of nqn.2026-11.dev.x:s');
    expect(text).not.toContain('-a 0.0.0.0');
  });
});
