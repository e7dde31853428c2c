// `ballast attach` by the driver fuse: a volume of a target as a block device, with a file system, under fio,
// and after each side was killed. Needs root, /dev/fuse, loop devices and fio, and is skipped without.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ballast, projectTop, type Target, Workspace } from '../support/ballast.js';
import { alive, run, startCommand } from '../support/commands.js';

const missing = [
  process.getuid?.() === 0 ? '' : 'not root',
  existsSync('/dev/fuse') ? '' : 'no /dev/fuse',
  existsSync('/dev/loop-control') ? '' : 'no /dev/loop-control',
  spawnSync('fio', ['--version']).status === 0 ? '' : 'no fio',
  spawnSync('mkfs.ext4', ['-V']).status === 0 ? '' : 'no mkfs.ext4',
].filter((reason) => reason !== '');
const because = missing.length === 0 ? '' : ` (skipped: ${missing.join(', ')})`;

/** The dynamic loader of this machine: by it, process.execPath is no Node.js. */
const loader =
  { x64: '/lib64/ld-linux-x86-64.so.2', arm64: '/lib/ld-linux-aarch64.so.1' }[process.arch as string] ?? '';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});

interface Attached {
  readonly uuid: string;
  readonly device: string;
  readonly state: string;
  readonly driver: string;
  readonly sizeBytes: number;
}

const stateDirectory = () => workspace.path('attach');
const attachOptions = () => ['--state-directory', stateDirectory(), '--driver', 'fuse', '-o', 'json'];

async function attach(uri: string, ...argv: string[]): Promise<Attached> {
  const { code, stdout, stderr } = await ballast(['attach', uri, ...attachOptions(), ...argv]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout.toString()) as Attached;
}

async function detach(what: string, ...argv: string[]) {
  return ballast(['detach', what, '--state-directory', stateDirectory(), ...argv]);
}

async function attached(): Promise<readonly Attached[]> {
  const { stdout } = await ballast(['attached', '--state-directory', stateDirectory(), '-o', 'json']);
  return JSON.parse(stdout.toString()) as Attached[];
}

function serverPid(uuid: string): number {
  return JSON.parse(readFileSync(`${stateDirectory()}/${uuid}.server.json`, 'utf8')).pid as number;
}

/** Mounts and loop devices that have to do with this workspace. */
function leftovers(): readonly string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const loops = readdirSync('/sys/block')
    .map((name) => `/sys/block/${name}/loop/backing_file`)
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'));
  return [...mounts, ...loops].filter((line) => line.includes(workspace.directory));
}

afterEach(async () => {
  if (missing.length > 0) return workspace.remove();
  spawnSync('umount', [workspace.path('mnt')]);
  for (const { uuid } of await attached()) await detach(uuid, '--timeout', '5');
  const left = leftovers();
  await workspace.remove();
  expect(left).toEqual([]);
});

function mount(device: string): void {
  run('mkfs.ext4', '-q', device);
  run('mkdir', '-p', workspace.path('mnt'));
  run('mount', device, workspace.path('mnt'));
}

describe.skipIf(missing.length > 0)(`ballast attach --driver fuse${because}`, () => {
  it.each([
    ['a memory volume', ['--volume', 'v=mem:64MiB']],
    ['a memory volume of 512-byte blocks', ['--volume', 'v=mem:64MiB,block=512']],
    ['a volume of a pool', ['--ensure-pool', 'p=POOL:512MiB', '--ensure-volume', 'v=64MiB']],
  ])('has a file system on %s, under fio with verification', async (_name, argv) => {
    const target = await workspace.serve(
      ...argv.map((one) => one.replace('POOL', workspace.path('pool.img'))),
    );
    const { device, uuid, state, driver, sizeBytes } = await attach(target.volumeUri('v'));
    expect({ state, driver, sizeBytes }).toEqual({ state: 'live', driver: 'fuse', sizeBytes: 64 << 20 });
    mount(device);
    const file = `--filename=${workspace.path('mnt/f')}`;
    run(
      'fio',
      ...['--name=v', file, '--size=24m', '--rw=randwrite', '--bs=4k', '--iodepth=32'],
      ...[
        '--ioengine=io_uring',
        '--direct=1',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--verify_state_save=0',
      ],
    );
    run('fstrim', workspace.path('mnt'));
    const refused = await detach(device);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('mnt');
    run('umount', workspace.path('mnt'));
    run('fsck.ext4', '-fn', device);
    expect((await detach(device)).code).toBe(0);
    expect(await attached()).toEqual([]);
    expect(readdirSync(stateDirectory())).toEqual([]);
    expect((await detach(uuid)).code).toBe(0); // again
  });

  it('is one device however often it is attached, and survives who attached it', async () => {
    const target = await workspace.serve('--volume', 'v=mem:64MiB');
    const first = await attach(target.volumeUri('v'));
    expect(await attach(target.volumeUri('v'))).toEqual(first);
    expect(await attached()).toEqual([first]);
    expect((await detach(target.volumeUri('v'))).code).toBe(0);
  });

  it.skipIf(!existsSync(loader))(
    `starts its process alike by a loader (needs ${loader || 'one that is known'})`,
    async () => {
      const target = await workspace.serve('--volume', 'v=mem:64MiB');
      const ballastBy = (...argv: string[]) =>
        run(loader, process.execPath, `${projectTop}/dist/main/ballast.js`, ...argv);
      const text = ballastBy('attach', target.volumeUri('v'), ...attachOptions());
      const { device, state } = JSON.parse(text) as Attached;
      expect(state).toBe('live');
      run('dd', `if=${device}`, 'of=/dev/null', 'bs=1M', 'iflag=direct', 'status=none');
      ballastBy('detach', device, '--state-directory', stateDirectory());
      expect(await attached()).toEqual([]);
    },
  );

  it('attaches again after the process behind it was killed, and detaches what such a one left', async () => {
    const target = await workspace.serve('--volume', 'v=mem:64MiB');
    const first = await attach(target.volumeUri('v'));
    run('dd', 'if=/dev/zero', `of=${first.device}`, 'bs=1M', 'count=4', 'oflag=direct', 'status=none');
    const killed = serverPid(first.uuid);
    process.kill(killed, 'SIGKILL');
    await expect.poll(() => alive(killed)).toBe(false);
    expect((await attached())[0]?.state).toBe('dead');
    const second = await attach(target.volumeUri('v'));
    expect(second.state).toBe('live');
    run('dd', `if=${second.device}`, 'of=/dev/null', 'bs=1M', 'iflag=direct', 'status=none');
    const again = serverPid(first.uuid);
    process.kill(again, 'SIGKILL');
    await expect.poll(() => alive(again)).toBe(false);
    expect((await detach(first.uuid)).code).toBe(0);
    expect(leftovers()).toEqual([]);
  });

  it('waits under I/O while its target is away, and goes on with the same data', async () => {
    const volume = ['--volume', `v=file:${workspace.path('v.img')}:64MiB`];
    const target = await workspace.serve(...volume);
    const uri = target.volumeUri('v');
    const { device, uuid } = await attach(uri);
    const writing = runInBackground(device);
    await expect.poll(() => bytesWritten(device), { timeout: 20_000 }).toBeGreaterThan(1 << 20);
    await target.kill();
    await expect.poll(async () => (await attached())[0]?.state, { timeout: 20_000 }).toBe('reconnecting');
    const back = await serveAgain(target, volume);
    expect(await writing).toBe(0);
    await expect.poll(async () => (await attached())[0]?.state, { timeout: 20_000 }).toBe('live');
    expect((await detach(uuid)).code).toBe(0);
    await back.kill();
  });

  it('can be detached while its target is away', async () => {
    const target = await workspace.serve('--volume', 'v=mem:64MiB');
    const { uuid } = await attach(target.volumeUri('v'));
    await target.kill();
    await expect.poll(async () => (await attached())[0]?.state, { timeout: 20_000 }).toBe('reconnecting');
    expect((await detach(uuid)).code).toBe(0);
    expect(leftovers()).toEqual([]);
  });

  it('refuses writes when it is read-only', async () => {
    const target = await workspace.serve('--volume', 'v=mem:64MiB');
    const { device } = await attach(target.volumeUri('v'), '--read-only');
    const written = spawnSync('dd', ['if=/dev/zero', `of=${device}`, 'bs=4k', 'count=1', 'oflag=direct']);
    expect(written.status).not.toBe(0);
    run('dd', `if=${device}`, 'of=/dev/null', 'bs=1M', 'iflag=direct', 'status=none');
  });

  it('says what is wrong, and leaves nothing', async () => {
    const target = await workspace.serve('--volume', 'v=mem:64MiB');
    const gone = await ballast(['attach', `${target.volumeUri('v')}`, '--nsid', '9', ...attachOptions()]);
    expect({ code: gone.code, stderr: gone.stderr }).toMatchObject({ code: 1 });
    expect(gone.stderr).toContain('no active namespace');
    await target.kill();
    const away = await ballast(['attach', target.volumeUri('v'), '--timeout', '2', ...attachOptions()]);
    expect(away.code).toBe(3);
    expect(leftovers()).toEqual([]);
  });
});

function runInBackground(device: string): Promise<number | null> {
  const argv = ['--name=v', `--filename=${device}`, '--rw=randwrite', '--bs=4k', '--iodepth=16'];
  const verify = [
    '--ioengine=io_uring',
    '--direct=1',
    '--verify=crc32c',
    '--verify_fatal=1',
    '--loops=2',
    '--verify_state_save=0',
  ];
  return startCommand('fio', ...argv, ...verify);
}

function bytesWritten(device: string): number {
  const fields = readFileSync(`/sys/block/${device.slice(5)}/stat`, 'utf8')
    .trim()
    .split(/\s+/);
  return Number(fields[6]) * 512;
}

function serveAgain(target: Target, volume: readonly string[]): Promise<Target> {
  return workspace.serve('--listen', `tcp://127.0.0.1:${target.port}`, ...volume);
}
