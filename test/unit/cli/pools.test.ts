// `ballast pool`, `ballast volume` and `ballast key` against a daemon behind real doors, with a fake engine.
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renderProgress } from '../../../src/cli/progress-bar.js';
import { DaemonHarness } from '../../support/daemon-harness.js';
import { fakeAnaStates } from '../../support/fake-data-plane.js';
import { gib, mib } from '../../support/pool-harness.js';

let daemon: DaemonHarness;
beforeEach(async () => {
  daemon = new DaemonHarness();
  await daemon.start();
});
afterEach(() => daemon.close());

const path = (name: string) => join(daemon.world.directory, name);
const makePool = (name = 'p') => daemon.json('pool', 'create', name, '--device', `${path(name)}:10GiB`);
const makeVolume = (name: string, ...more: string[]) =>
  daemon.json('volume', 'create', name, '--size', '1GiB', ...more);

describe('which daemon', () => {
  it('is that of the state directory, by flag or environment', async () => {
    const cli = daemon.cli({});
    expect(await cli.run('pool', 'list', '--data', daemon.stateDirectory)).toBe(0);
    expect(cli.stdout.text).toBe('NAME   STATE   SIZE   USED   FREE   VOLUMES   DEVICES\n');
  });

  it('is not there: exit 3, and what to do', async () => {
    await daemon.stop();
    const { code, stderr, stdout } = await daemon.run('pool', 'list');
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain('api.sock: no daemon answers there; `ballast serve` starts one');
  });

  it('by address needs a token from a file, of a role that may', async () => {
    const file = path('token');
    const { token } = await daemon.api.tokens.create('look', 'viewer');
    await writeFile(file, `${token}\n`);
    const env = { BALLAST_API: daemon.url };
    const without = daemon.cli(env);
    expect(await without.run('pool', 'list')).toBe(2);
    expect(without.stderr.text).toBe(`ballast: token-file: expected a file with a token for ${daemon.url}\n`);
    const looking = daemon.cli({ ...env, BALLAST_TOKEN_FILE: file });
    expect(await looking.run('pool', 'list', '-o', 'json')).toBe(0);
    expect(JSON.parse(looking.stdout.text)).toEqual({ pools: [] });
    const argv = ['--api', daemon.url, '--token-file', file];
    const changing = daemon.cli({});
    expect(await changing.run('pool', 'create', 'p', '--device', `${path('p')}:1GiB`, ...argv)).toBe(1);
    expect(changing.stderr.text).toBe('ballast: this needs the role admin; the token has the role viewer\n');
    const relative = daemon.cli({});
    expect(await relative.run('pool', 'import', 'p', ...argv)).toBe(2);
    expect(relative.stderr.text).toContain("an absolute path with --api; got 'p'");
    for (const text of [looking.stderr.text, changing.stderr.text]) expect(text).not.toContain(token);
  });
});

describe('wrong usage', () => {
  it.each([
    [['pool', 'create', 'p'], "required option '--device"],
    [['pool', 'create', 'p', '--device', '/x:10XB'], "size '10XB'"],
    [['pool', 'create', 'p', '--device', '/x:0k'], 'is zero'],
    [['pool', 'create', 'p', '--device', ':1G'], 'device: expected PATH or PATH:SIZE'],
    [['pool', 'create', 'p', '--device', '/x:1G', '--extent-size', '2MiB'], '256KiB, 512KiB or 1MiB'],
    [['pool', 'creat', 'p'], "unknown command 'creat'"],
    [['pool'], 'Usage: ballast pool'],
    [['pool', 'scrub', 'p', '--rate', 'fast'], "size 'fast'"],
    [['volume', 'create', 'v'], "required option '--size"],
    [['volume', 'create', 'v', '--size', '0'], 'is zero'],
    [['volume', 'create', 'v', '--size', '1000'], 'not a multiple of the block size 4096'],
    [['volume', 'resize', 'v', '-5G'], "unknown option '-5G'"],
    [['volume', 'snapshot', 'v'], 'VOLUME NAME, or VOLUME/NAME'],
    [['volume', 'snapshot', 'v/s', 'w'], 'VOLUME NAME, or VOLUME/NAME'],
    [['volume', 'snapshot', 'a/b/c', 'd/e'], "got 'a/b/c'"],
    [['volume', 'clone', 'v', 'w'], "VOLUME/SNAPSHOT; got 'v'"],
    [['volume', 'delete', 'v/s', '--erase'], 'a snapshot shares its room'],
    [['volume', 'list', 'v'], 'too many arguments'],
    [['key', 'rotate', '-o', 'xml'], 'Allowed choices are table, json, yaml'],
  ])('%j exits 2 and asks nothing', async (argv, reason) => {
    const { code, stdout, stderr } = await daemon.run(...argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(reason);
    expect(daemon.world.changes()).toEqual([]);
  });

  it('that the daemon finds exits 2 too, and what it refuses 1', async () => {
    const rows = [
      [['pool', 'create', 'a b', '--device', `${path('x')}:1GiB`], 2, '1 to 63 letters'],
      [['pool', 'create', 'p', '--device', `${path('x')}:1MiB`], 1, 'too small'],
      [['pool', 'create', 'p', '--device', path('none')], 1, 'does not exist; give a size'],
      [['pool', 'show', 'p'], 1, "there is no pool 'p'"],
      [['volume', 'create', 'v', '--size', '1GiB'], 2, 'there is none yet, create one'],
      [['volume', 'show', 'v'], 1, "there is no volume 'v'"],
      [['volume', 'delete', 'demo'], 2, 'of the command line'],
    ] as const;
    for (const [argv, code, reason] of rows) {
      const outcome = await daemon.run(...argv);
      expect([outcome.code, outcome.stdout], argv.join(' ')).toEqual([code, '']);
      expect(outcome.stderr).toContain(reason);
      expect(outcome.stderr.trimEnd()).not.toContain('\n');
    }
  });

  it('is explained by --help, for every command', async () => {
    for (const group of ['pool', 'volume', 'key']) {
      const help = await daemon.run(group, '--help');
      expect(help.code).toBe(0);
      const commands = [...help.stdout.matchAll(/^ {2}([a-z-]+) \[options\]/gm)].map(
        ([, name]) => name ?? '',
      );
      expect(commands.length).toBeGreaterThan(1);
      for (const command of commands) {
        const { code, stdout } = await daemon.run(group, command, '--help');
        const option = command === 'check' ? '--repair' : '--token-file'; // the one that asks no daemon
        expect([code, stdout]).toEqual([0, expect.stringContaining(option)]);
      }
    }
    expect((await daemon.run('--help')).stdout).toMatch(/^ {2}volume .*snapshots/m);
  });
});

describe('ballast pool', () => {
  it('creates, shows, extends, exports, imports and destroys', async () => {
    const made = await makePool();
    expect(made).toMatchObject({ name: 'p', state: 'open', devices: [{ sizeBytes: 10 * 2 ** 30 }] });
    const other = ['--device', `${path('q')}:1GiB`, '--no-checksums', '--extent-size', '256KiB'];
    expect(await daemon.json('pool', 'create', 'q', ...other)).toMatchObject({
      checksums: false,
      extentBytes: 262_144,
    });
    expect((await daemon.run('pool', 'show', 'q')).stdout).toMatch(/^size +992 MiB$/m);
    const listed = await daemon.run('pool', 'list');
    expect(listed.stdout).toMatch(/^p +open +10\.0 GiB +0 B +10\.0 GiB +0 +\/\S+\/p$/m);
    const extended = await daemon.json('pool', 'add-device', 'p', `${path('more')}:${2 ** 31}`);
    expect(extended.paths).toEqual([path('p'), path('more')]);
    const shown = await daemon.run('pool', 'show', 'p');
    expect(shown.stdout).toMatch(/^scrub +never since it was opened$/m);
    expect(shown.stdout).toContain(path('more'));
    expect((await daemon.run('pool', 'export', 'p')).stdout).toBe('pool p exported\n');
    const imported = await daemon.json('pool', 'import', path('more'), path('p'));
    expect(imported.uuid).toBe(made.uuid);
    expect(await daemon.json('pool', 'destroy', 'p')).toEqual({ destroyed: 'p' });
    expect((await daemon.json('pool', 'list')).pools).toHaveLength(1);
  });

  it('sets metadata aside for what is added later, and says what there is none for', async () => {
    const create = ['pool', 'create', 'p', '--device', `${path('p')}:1GiB`, '--grows-to'];
    expect((await daemon.run(...create, 'large')).code).toBe(2);
    expect(await daemon.json(...create, '2GiB')).toMatchObject({ withoutMetadataBytes: 0 });
    const extended = await daemon.run('pool', 'add-device', 'p', `${path('more')}:3GiB`);
    expect(extended.stdout).toMatch(/^size +2\.0 GiB; 2 GiB more cannot be used, its metadata is for less$/m);
  });

  it('overwrites a pool on the devices when forced only', async () => {
    await makePool();
    await daemon.run('pool', 'export', 'p');
    const again = ['pool', 'create', 'new', '--device', path('p')];
    const refused = await daemon.run(...again);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("a pool on it, 'p'")]);
    expect((await daemon.run(...again, '--force')).code).toBe(0);
  });

  it('shows a pool that is missing, with the reason, and forgets it when forced', async () => {
    await makePool();
    rmSync(path('p'));
    daemon.world.disks.devices.clear();
    await daemon.restart();
    const { stdout } = await daemon.run('pool', 'show', 'p');
    expect(stdout).toMatch(new RegExp(`^state +missing: there is no ${path('p')}$`, 'm'));
    expect((await daemon.run('pool', 'list')).stdout).toMatch(/^p +missing +- +- +- +- +\/\S+\/p$/m);
    expect((await daemon.run('pool', 'export', 'p')).stderr).toContain('force forgets it here');
    expect((await daemon.run('pool', 'export', 'p', '--force')).code).toBe(0);
    expect((await daemon.json('pool', 'list')).pools).toEqual([]);
  });

  it('sets how much may be promised', async () => {
    await makePool();
    const set = await daemon.json('pool', 'set', 'p', '--overcommit', '200', '--reserve', '10');
    expect(set).toMatchObject({ name: 'p', overcommitPercent: 200, reservePercent: 10 });
    expect(await daemon.json('pool', 'set', 'p', '--overcommit', '0')).toMatchObject({
      overcommitPercent: 0,
      reservePercent: 10,
    });
    const cli = daemon.cli();
    expect(await cli.run('pool', 'set', 'p')).toBe(2);
    expect(await cli.run('pool', 'set', 'p', '--reserve', '91')).toBe(2);
    expect(cli.stderr.text).toContain('reserve: expected a whole number from 0 to 90');
    expect(await cli.run('pool', 'show', 'p')).toBe(0);
    expect(cli.stdout.text).toContain('volumes of any size, 10 % kept for those there are');
  });

  it('scrubs, with a bar on a terminal until it is done', async () => {
    await makePool();
    const cli = daemon.cli();
    cli.stderr.isTTY = true;
    const scrub = () => daemon.world.engine.scrubOf('p');
    cli.onSleep = () => {
      scrub().doneBytes += 4n * mib;
      scrub().running = scrub().doneBytes < scrub().totalBytes;
    };
    expect(await cli.run('pool', 'scrub', 'p', '--rate', '1MiB')).toBe(0);
    expect(cli.stdout.text).toBe('scrub of p: 8 MiB of 8 MiB, 0 errors\n');
    expect(cli.stderr.text).toContain(
      '\r\x1b[Kscrub p [###############---------------]  50.0 %   4 MiB of 8 MiB',
    );
    expect(cli.stderr.text.endsWith('\r\x1b[K')).toBe(true);
    expect(daemon.world.changes()).toContain(`startScrub p ${mib}`);
  });

  it('scrubs in the background without one, waits when told, and fails on errors', async () => {
    await makePool();
    const started = await daemon.json('pool', 'scrub', 'p');
    expect(started).toMatchObject({ pool: 'p', running: true, doneBytes: 0 });
    expect(await daemon.json('pool', 'scrub', 'p', '--stop')).toMatchObject({ running: false });
    const cli = daemon.cli();
    cli.onSleep = () => {
      Object.assign(daemon.world.engine.scrubOf('p'), { running: false, doneBytes: 8n * mib, errors: 3n });
    };
    expect(await cli.run('pool', 'scrub', 'p', '--wait', '-o', 'json')).toBe(1);
    expect(JSON.parse(cli.stdout.text)).toMatchObject({ errors: 3 });
    expect(cli.stderr.text).toBe('ballast: scrub of p: 3 blocks cannot be read or have wrong checksums\n');
  });

  it('goes on scrubbing when the showing is interrupted', async () => {
    await makePool();
    const cli = daemon.cli();
    cli.onSleep = () => cli.signal('SIGINT');
    expect(await cli.run('pool', 'scrub', 'p', '--wait')).toBe(0);
    expect(daemon.world.engine.scrubOf('p').running).toBe(true);
    expect(cli.listensToSignals).toBe(false);
  });
});

describe('ballast volume', () => {
  beforeEach(() => makePool());

  it('creates one in the only pool, and prints its NQN', async () => {
    const made = await makeVolume('v');
    expect(made.nqn).toBe(`nqn.2026-11.dev.ballast:volume:${made.uuid}`);
    expect(made).toMatchObject({ name: 'v', pool: 'p', sizeBytes: Number(gib), thick: false });
    const shown = await daemon.run('volume', 'show', 'v');
    expect(shown.stdout).toContain(made.nqn);
    expect(shown.stdout).toMatch(/^allocated +1 MiB, with its snapshots$/m);
    const listed = await daemon.run('volume', 'list');
    expect(listed.stdout).toMatch(/^v +p +1 GiB +1 MiB +serving +nqn\./m);
    expect(listed.stdout).toMatch(/^demo +\(file\) +1 GiB +- /m);
    const full = await daemon.run('volume', 'create', 'w', '--size', '1TiB', '--thick', '--pool', 'p');
    expect([full.code, full.stderr]).toEqual([1, 'ballast: create: the pool is full\n']);
  });

  it('sets how good the way to it is', async () => {
    await makeVolume('v');
    expect((await daemon.run('volume', 'ana', 'v', 'inaccessible')).stdout).toBe(
      'v is inaccessible over this daemon\n',
    );
    expect(fakeAnaStates.get('v')).toBe('inaccessible');
    expect(await daemon.json('volume', 'ana', 'v', 'optimized')).toEqual({ state: 'optimized' });
    expect((await daemon.run('volume', 'ana', 'v', 'lost')).code).toBe(2);
    expect((await daemon.run('volume', 'ana', 'none', 'optimized')).code).toBe(1);
  });

  it('shows and changes which hosts may use it', async () => {
    const nqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
    const other = 'nqn.2026-11.dev.ballast:host:other';
    const made = await daemon.json('volume', 'create', 'v', '--size', '1GiB', '--host', nqn, '--host', other);
    expect((await daemon.run('volume', 'show', 'v')).stdout).toContain(`${nqn}, ${other}`);
    expect((await daemon.run('volume', 'hosts', 'v', 'revoke', other)).code).toBe(0);
    daemon.world.engine.connected.set(made.nqn, [nqn]);
    const alone = await daemon.json('volume', 'hosts', 'v', 'grant', nqn, '--exclusive');
    expect(alone).toEqual({ granted: [{ nqn, exclusive: true }], connected: [nqn] });
    expect((await daemon.run('volume', 'hosts', 'v')).stdout).toMatch(new RegExp(`${nqn} +exclusively +yes`));
    const second = await daemon.run('volume', 'hosts', 'v', 'grant', other);
    expect([second.code, second.stderr]).toEqual([1, `ballast: volume 'v': ${nqn} has it exclusively\n`]);
    await daemon.run('volume', 'hosts', 'v', 'revoke', nqn);
    expect((await daemon.run('volume', 'hosts', 'v', 'list')).stdout).toBe('no host may use it\n');
    expect((await daemon.run('volume', 'hosts', 'v', 'any')).stdout).toMatch(/^any host may use it/);
    for (const wrong of [['grant'], ['list', nqn], ['give', nqn], ['revoke', nqn, '--exclusive']]) {
      expect((await daemon.run('volume', 'hosts', 'v', ...wrong)).code).toBe(2);
    }
  });

  it('resizes, renames, reverts and deletes', async () => {
    await makeVolume('v');
    expect((await daemon.json('volume', 'resize', 'v', '8P')).sizeBytes).toBe('9007199254740992');
    daemon.world.engine.controllers = 1;
    const busy = await daemon.run('volume', 'rename', 'v', 'w');
    expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining('force does it all the same')]);
    expect(await daemon.json('volume', 'rename', 'v', 'w', '--force')).toMatchObject({ name: 'w' });
    await daemon.json('volume', 'snapshot', 'w', 's');
    expect((await daemon.run('volume', 'revert', 'w', 's')).code).toBe(1);
    expect((await daemon.run('volume', 'revert', 'w', 's', '--force')).code).toBe(0);
    const kept = await daemon.run('volume', 'delete', 'w');
    expect(kept.stderr).toBe("ballast: volume 'w': it has a snapshot; delete it first\n");
    expect((await daemon.run('volume', 'delete', 'w/s')).stdout).toBe('w/s deleted\n');
    expect((await daemon.run('volume', 'delete', 'w')).stderr).toContain(
      'connected, and this would interrupt',
    );
    daemon.world.engine.controllers = 0;
    expect(await daemon.json('volume', 'delete', 'w', '--erase')).toEqual({ deleted: 'w' });
    expect(daemon.world.engine.calls).toContain('deletePoolVolume p w erase');
  });

  it('takes snapshots, alone and as a group, and clones them', async () => {
    await makeVolume('a');
    await makeVolume('b');
    expect(await daemon.json('volume', 'snapshot', 'a', 's1')).toMatchObject({ volume: 'a', name: 's1' });
    const group = await daemon.json('volume', 'snapshot', 'a/s2', 'b/s2');
    expect(group.snapshots).toMatchObject([
      { volume: 'a', name: 's2' },
      { volume: 'b', name: 's2' },
    ]);
    const listed = await daemon.run('volume', 'snapshots', 'a');
    expect(listed.stdout).toMatch(/^a\/s1 .*\na\/s2 /m);
    const clone = await daemon.json('volume', 'clone', 'a/s1', 'c', '--size', '2GiB');
    expect(clone).toMatchObject({ name: 'c', sizeBytes: 2 * Number(gib), state: 'serving' });
    expect((await daemon.run('volume', 'show', 'c')).stdout).toMatch(/^clone of +[0-9a-f-]{36}$/m);
    expect((await daemon.run('volume', 'clone', 'a/none', 'd')).stderr).toContain("no snapshot 'none'");
  });

  it('tells all that differs, however many pages it takes', async () => {
    await makeVolume('v');
    await daemon.json('volume', 'snapshot', 'v', 's');
    for (let index = 0n; index < 10_000n; index += 2n) daemon.world.engine.write('p', 'v', index, 1);
    const all = await daemon.json('volume', 'diff', 'v', '--since', 's');
    expect(all).toMatchObject({ volume: 'v', since: 's', snapshot: null, totalBytes: 5000 * 4096 });
    expect(all.extents).toHaveLength(5000);
    expect(new Set(all.extents.map(({ offsetBytes }: { offsetBytes: number }) => offsetBytes)).size).toBe(
      5000,
    );
    const table = await daemon.run('volume', 'diff', 'v', '--snapshot', 's');
    expect(table.stdout).toBe('OFFSET   LENGTH\n\n0 ranges, 0 B\n');
  });

  it('is encrypted when asked, locked without the key, served when it is back, erased for good', async () => {
    const made = await makeVolume('v', '--encrypted');
    expect(made).toMatchObject({ encrypted: true, keyId: expect.any(String) });
    const rotated = await daemon.json('key', 'rotate', '--drop-old');
    expect(rotated).toMatchObject({ rewrapped: 1, dropped: 1 });
    const keys = await daemon.run('key', 'list');
    expect(keys.stdout).toMatch(new RegExp(`^${rotated.keyId} +1$`, 'm'));
    daemon.world.engine.fail('removeVolume', new Error('x'));
    const failed = await daemon.run('volume', 'erase-key', 'v');
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('request id')]);
    expect(await daemon.json('volume', 'erase-key', 'v')).toMatchObject({ state: 'erased' });
    const served = await daemon.run('volume', 'serve', 'v');
    expect([served.code, served.stderr]).toEqual([1, expect.stringContaining('cannot be read any more')]);
    expect((await daemon.run('volume', 'show', 'v')).stdout).toMatch(/^encrypted +key discarded$/m);
    expect((await daemon.run('volume', 'delete', 'v', '--crypto-erase')).code).toBe(0);
    await makeVolume('w', '--encrypted');
    daemon.world.changes();
    expect((await daemon.run('volume', 'delete', 'w', '--crypto-erase')).code).toBe(0);
    expect(daemon.world.changes()).toEqual([
      'removeVolume w',
      'setPoolVolumeKey p w none',
      'deletePoolVolume p w',
    ]);
  });

  it('exits 1 when a rotation left something', async () => {
    await makeVolume('v', '--encrypted');
    rmSync(path('volume-keys'));
    const { code, stdout, stderr } = await daemon.run('key', 'rotate');
    expect([code, stdout]).toEqual([1, expect.stringContaining('left: volume v of p: key file')]);
    expect(stderr).toContain('1 could not be reached; rotate again');
  });
});

describe('a bar', () => {
  it('shows how far something is', () => {
    expect(renderProgress('x', { doneBytes: 0n, totalBytes: 8n * mib })).toBe(
      `x [${'-'.repeat(30)}]   0.0 %   0 B of 8 MiB`,
    );
    expect(renderProgress('x', { doneBytes: 0n, totalBytes: 0n })).toContain('100.0 %');
    expect(renderProgress('x', { doneBytes: 9n, totalBytes: 8n })).toContain(`[${'#'.repeat(30)}]`);
  });
});
