// Debian's fio, through our engine and initiator, against a target of ours. Without fio or the source of its
// version there is no engine: the tests are skipped, and their names say why.
import { spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ballast, type Target, Workspace } from '../support/ballast.js';
import { buildFioEngine, FioRun, fioEngine, runFio } from '../support/fio.js';

const missing = buildFioEngine();
const because = missing === undefined ? '' : ` (${missing})`;

const blockBytes = 4096;
const volumeBytes = 16 << 20;
const blocks = volumeBytes / blockBytes;
const randomWrites = ['--rw=randwrite', '--bs=4k', '--iodepth=32'];
const verified = [...randomWrites, '--verify=crc32c', '--verify_fatal=1'];

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

/** The report of a job that ended well: stdout is JSON and nothing else, stderr is empty. */
async function jobOf(target: Target, volume: string, ...argv: string[]) {
  const outcome = await runFio([`--uri=${target.volumeUri(volume)}`, ...argv], workspace.directory);
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const [job] = JSON.parse(outcome.stdout).jobs;
  expect(job.error).toBe(0);
  return job;
}

/** The file volume f is created with holes only. */
async function firstWrites() {
  const written = async () => (await stat(workspace.path('f.img'))).blocks;
  await expect.poll(written, { timeout: 20_000, interval: 10 }).toBeGreaterThan(0);
}

describe.skipIf(missing !== undefined)(`fio through our engine${because}`, () => {
  it.each([[[]], [['--hdgst=1', '--ddgst=1']], [['--numjobs=2', '--size=50%', '--offset_increment=50%']]])(
    'finds with CRC32C what it wrote at random to all of a volume %j',
    async (options) => {
      const target = await workspace.serve('--volume', 'm=mem:16MiB');
      const job = await jobOf(target, 'm', ...verified, '--group_reporting', ...options);
      expect(job.write.total_ios).toBe(blocks);
      expect(job.read.total_ios).toBe(blocks);
    },
  );

  it('fails to verify a block that another host has written', async () => {
    const target = await workspace.serve('--volume', 'm=mem:16MiB');
    await jobOf(target, 'm', ...verified, '--do_verify=0');
    const argv = ['write', target.volumeUri('m'), '--lba', '7'];
    const environment = { BALLAST_DATA: workspace.path('host') };
    const written = await ballast(argv, { input: Buffer.alloc(blockBytes, 1), environment });
    expect(written.code).toBe(0);
    const outcome = await runFio(
      [`--uri=${target.volumeUri('m')}`, ...verified, '--rw=read', '--verify_only=1'],
      workspace.directory,
    );
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain(`offset ${7 * blockBytes}`);
  });

  it('reads, writes, flushes and trims a file volume, in processes too', async () => {
    const file = `f=file:${workspace.path('f.img')}:16MiB,block=512`;
    const target = await workspace.serve('--volume', file);
    const mixed = await jobOf(target, 'f', '--rw=randrw', '--bs=512', '--io_size=1m', '--fsync=8');
    expect(mixed.read.total_ios + mixed.write.total_ios).toBe(2048);
    expect(mixed.sync.total_ios).toBeGreaterThan(0);
    const trimmed = await jobOf(target, 'f', '--rw=randtrim', '--bs=64k', '--iodepth=4', '--thread=0');
    expect(trimmed.trim.total_ios).toBe(volumeBytes / (64 << 10));
  });

  it('waits for a target that was killed, and finds every write afterwards', async () => {
    const volume = ['--volume', `f=file:${workspace.path('f.img')}:16MiB`];
    const target = await workspace.serve(...volume);
    const { port } = target;
    const slow = ['--rate_iops=1000', '--io_size=16m'];
    const run = new FioRun([`--uri=${target.volumeUri('f')}`, ...verified, ...slow], workspace.directory);
    await firstWrites(); // of four seconds of writing
    await target.kill();
    const argv = ['serve', '--data', workspace.path('state'), '--listen', `tcp://127.0.0.1:${port}`];
    const again = await workspace.start('bin/ballast', [...argv, ...volume]);
    await again.ready;
    const outcome = await run.ended;
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stderr).toMatch(/(?:connection lost|closed by the target)\n/);
    expect(outcome.stderr).toMatch(/back after \d+ ms\n/);
    const [job] = JSON.parse(outcome.stdout).jobs;
    expect(job).toMatchObject({ error: 0, write: { total_ios: blocks }, read: { total_ios: blocks } });
  });

  it('can be interrupted while its target is away', async () => {
    const target = await workspace.serve('--volume', `f=file:${workspace.path('f.img')}:16MiB`);
    const endless = [...randomWrites, '--time_based', '--runtime=3600'];
    const run = new FioRun([`--uri=${target.volumeUri('f')}`, ...endless], workspace.directory);
    await firstWrites();
    await target.kill();
    run.signal('SIGINT');
    const outcome = await run.ended;
    expect(outcome.code).not.toBe(0);
    expect(outcome.code).not.toBeNull();
  });

  it('ends a job at an I/O error with the decoded status', async () => {
    const target = await workspace.serve('--volume', 'm=mem:16MiB,read-only');
    const outcome = await runFio([`--uri=${target.volumeUri('m')}`, ...randomWrites], workspace.directory);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr.match(/write of namespace 1: status: .* \(\d\/[0-9a-f]{2}h\)/g)).toHaveLength(1);
  });

  it('lists its options with help', () => {
    const { status, stdout } = spawnSync('fio', [`--enghelp=${fioEngine}`], { encoding: 'utf8' });
    expect(status).toBe(0);
    for (const option of ['uri', 'nsid', 'hdgst', 'ddgst', 'spin_us', 'keep_alive_tmo', 'ctrl_loss_tmo']) {
      expect(stdout).toMatch(new RegExp(`^${option} +: \\w`, 'm'));
    }
  });
});

describe.skipIf(missing !== undefined)(`fio through our engine${because} refuses`, () => {
  let shared: Workspace;
  let target: Target;
  beforeAll(async () => {
    shared = await Workspace.create();
    target = await shared.serve('--volume', 'm=mem:16MiB');
  });
  afterAll(() => shared.remove());

  it.each([
    ['no uri', [], 'uri=tcp://HOST:PORT/NQN is missing'],
    ['a bad uri', ['--uri=nbd://somewhere'], 'uri=nbd://somewhere: expected tcp://HOST:PORT/NQN'],
    ['a uri without an NQN', ['--uri=tcp://127.0.0.1:4420'], 'the NQN is missing'],
    ['a refused connection', ['--uri=tcp://127.0.0.1:1/nqn.2026-11.dev.ballast:x'], 'connection refused'],
    ['an unknown subsystem', ['--uri=URIx'], 'Connect Invalid Parameters (1/82h)'],
    ['an unknown namespace', ['--uri=URI', '--nsid=7'], 'the subsystem has no namespace 7'],
    ['a part of a block', ['--uri=URI', '--bs=1k'], 'multiples of the namespace'],
    ['a block above the limit', ['--uri=URI', '--bs=1m'], 'above the target'],
    ['more than the volume has', ['--uri=URI', '--size=1g'], 'the namespace has 16777216 bytes'],
    ['two files', ['--uri=URI', '--nrfiles=2'], 'a job has one namespace'],
    [
      'a host without an identifier',
      ['--uri=URI', '--hostnqn=nqn.2026-11.dev.ballast:h'],
      'hostid= is needed',
    ],
  ])('%s in one line', async (_what, argv, reason) => {
    const filled = argv.map((word) => word.replace('URI', target.volumeUri('m')));
    const outcome = await runFio(['--rw=randread', ...filled], workspace.directory);
    expect(outcome.code).not.toBe(0);
    expect(outcome.code).not.toBeNull();
    const lines = outcome.stderr.split('\n').filter((line) => line.startsWith('ballast: '));
    expect(lines).toEqual([expect.stringContaining(reason)]);
  });
});
