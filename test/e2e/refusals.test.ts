// What a user can get wrong at `serve`, with the exit code and one clear line each, and nothing changed on
// disk.
import { readdir, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ballast, Workspace } from '../support/ballast.js';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

describe('ballast serve refuses', () => {
  it.each([
    ['an unknown SPEC', ['demo=ram:1MiB'], 2, "unknown kind 'ram'"],
    ['size 0', ['demo=mem:0'], 2, 'is zero'],
    [
      'a size that is not a multiple of the block',
      ['demo=mem:1000,block=512'],
      2,
      'not a multiple of the block size 512',
    ],
    [
      'an NQN over 223 bytes',
      [`demo=mem:1MiB,nqn=nqn.2026-11.dev.x:${'y'.repeat(206)}`],
      2,
      '224 bytes long',
    ],
    ['duplicate names', ['demo=mem:1MiB', 'demo=mem:2MiB'], 2, 'the name is given twice'],
    ['a path that is a directory', ['demo=file:/tmp:1MiB'], 1, '/tmp is a directory'],
    ['a missing file without a size', ['demo=file:/tmp/ballast-no-such-file'], 1, 'does not exist'],
  ])('%s', async (_what, volumes, code, reason) => {
    const options = volumes.flatMap((volume) => ['--volume', volume]);
    const outcome = await ballast(['serve', ...workspace.serveOptions(), ...options]);
    expect(outcome.stderr).toContain(reason);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(outcome.code).toBe(code);
    expect(outcome.stdout.length).toBe(0);
    expect(await readdir(workspace.directory)).toEqual([]);
  });

  it('a port in use, and creates no file', async () => {
    const target = await workspace.serve('--volume', 'demo=mem:1MiB');
    const file = workspace.path('new.img');
    const argv = [
      'serve',
      '--data',
      workspace.path('other'),
      '--listen',
      target.uri,
      '--volume',
      `a=file:${file}:1MiB`,
    ];
    const outcome = await ballast(argv);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toBe(`ballast: ${target.uri}: another process listens there\n`);
    expect(await readdir(workspace.directory)).toEqual(['state']);
    expect(await target.stop()).toBe(0);
  });

  it('a file that another process serves', async () => {
    const file = `demo=file:${workspace.path('a.img')}:1MiB`;
    const target = await workspace.serve('--volume', file);
    const own = ['--data', workspace.path('own'), '--log-level', 'silent'];
    const outcome = await ballast(['serve', ...workspace.serveOptions(), ...own, '--volume', file]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^ballast: volume 'demo': [^\n]+\n$/);
    expect(await target.stop()).toBe(0);
    const again = await workspace.serve('--volume', file);
    expect(await again.stop()).toBe(0);
  });

  it('a file of another size, and leaves it as it is', async () => {
    await writeFile(workspace.path('a.img'), Buffer.alloc(8192));
    const outcome = await ballast([
      'serve',
      ...workspace.serveOptions(),
      '--volume',
      `a=file:${workspace.path('a.img')}:1MiB`,
    ]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('has 8 KiB, not 1 MiB');
    expect((await stat(workspace.path('a.img'))).size).toBe(8192);
  });
});

describe('other commands refuse', () => {
  it('a target that is not there, with exit code 3', async () => {
    const target = await workspace.serve('--volume', 'demo=mem:1MiB');
    const { uri } = target;
    const nqn = target.nqn('demo');
    expect(await target.stop()).toBe(0);
    for (const argv of [
      ['discover', uri],
      ['identify', `${uri}/${nqn}`],
      ['perf', `${uri}/${nqn}`, '--time', '1'],
    ]) {
      const outcome = await ballast(argv, { environment: { BALLAST_DATA: workspace.path('host') } });
      expect(outcome.stderr).toMatch(/^ballast: tcp:[^\n]+\n$/);
      expect(outcome.code).toBe(3);
    }
  });

  it('a subsystem the target does not have, a host that may not, a namespace that is not there', async () => {
    const allowed = 'nqn.2026-11.dev.ballast:host:allowed';
    const target = await workspace.serve('--volume', `demo=mem:1MiB,allow-host=${allowed}`);
    const environment = { BALLAST_DATA: workspace.path('host') };
    const missing = await ballast(['identify', `${target.uri}/nqn.2026-11.dev.ballast:none`], {
      environment,
    });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('refused the connection') });
    const stranger = await ballast(['identify', target.volumeUri('demo')], { environment });
    expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining('refused the connection') });
    const friend = ['--hostnqn', allowed];
    expect((await ballast(['identify', target.volumeUri('demo'), ...friend])).code).toBe(0);
    const namespace = await ballast(['identify', target.volumeUri('demo'), ...friend, '--nsid', '2']);
    expect(namespace).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no active namespace 2'),
    });
  });

  it('a write to a read-only volume, with the decoded status', async () => {
    const target = await workspace.serve('--volume', 'demo=mem:1MiB,read-only');
    const outcome = await ballast(['write', target.volumeUri('demo')], {
      input: Buffer.alloc(4096),
      environment: { BALLAST_DATA: workspace.path('host') },
    });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/status \d\/[0-9A-F]{2}h/);
  });
});
