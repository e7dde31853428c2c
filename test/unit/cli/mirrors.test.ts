// `ballast mirror` against a daemon behind real doors; `serve` with replicas and mirrors over a fake engine.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replicaNqn } from '../../../src/base/nqn.js';
import { CliHarness } from '../../support/cli-harness.js';
import { DaemonHarness } from '../../support/daemon-harness.js';

const uuid = '11111111-2222-3333-4444-555555555555';
const remote = `tcp://192.0.2.7:4421/${replicaNqn(uuid)}`;

describe('ballast mirror', () => {
  let daemon: DaemonHarness;
  beforeEach(async () => {
    daemon = new DaemonHarness();
    await daemon.start();
  });
  afterEach(() => daemon.close());

  it('lists mirrored volumes', async () => {
    expect((await daemon.run('mirror', 'list')).stdout).toBe(
      'NAME    SIZE   STATE              IN SYNC   EPOCH\n' +
        'db     1 EiB   serving, copying    2 of 3       7\n',
    );
  });

  it('shows one with its members, why one is down, and how far it is', async () => {
    const { stdout } = await daemon.run('mirror', 'show', 'db');
    expect(stdout).toContain('in sync        2 of 3, writes need 1\n');
    expect(stdout).toContain('epoch          7, head n1\n');
    expect(stdout).toContain('unreconciled   4 regions of 1 MiB\n');
    expect(stdout).toMatch(/^m1 +replica r1 +in sync +yes +- +-$/m);
    expect(stdout).toMatch(/^m3 +tcp:.+4420 +joining +no +5 B of 20 B +the connection was lost$/m);
  });

  it('says the same as JSON, whole numbers above 2^53 as text', async () => {
    const { mirrors } = await daemon.json('mirror', 'list');
    expect(mirrors).toEqual([await daemon.json('mirror', 'show', 'db')]);
    expect(mirrors[0]).toMatchObject({ sizeBytes: (1n << 60n).toString(), epoch: 7, inSync: 2 });
    expect(mirrors[0].members[2].resync).toEqual({ doneBytes: 5, totalBytes: 20 });
    expect(mirrors[0].members[0].resync).toBeUndefined();
  });

  it('adds and removes members', async () => {
    const { stdout } = await daemon.run('mirror', 'add-member', 'db', remote);
    expect(stdout).toMatch(/^mirror +db$/m);
    expect((await daemon.run('mirror', 'remove-member', 'db', remote)).code).toBe(0);
    expect(daemon.api.memberChanges).toEqual([
      ['add', 'db', remote],
      ['remove', 'db', remote],
    ]);
    const { code, stderr } = await daemon.run('mirror', 'add-member', 'other', 'r1');
    expect([code, stderr]).toEqual([1, "ballast: there is no mirrored volume 'other'\n"]);
  });

  it('makes one larger', async () => {
    expect((await daemon.run('mirror', 'resize', 'db', '20GiB')).stdout).toMatch(/^mirror +db$/m);
    expect(daemon.api.memberChanges).toEqual([['resize', 'db', `${20n << 30n}`]]);
    const { code, stderr } = await daemon.run('mirror', 'resize', 'db', 'much');
    expect([code, stderr]).toEqual([2, expect.stringContaining("size 'much'")]);
  });

  it('changes the rate of copies', async () => {
    const { stdout } = await daemon.run('mirror', 'set', 'db', '--resync-rate', '64MiB/s');
    expect(stdout).toMatch(/^resync rate +64 MiB\/s$/m);
    expect(await daemon.json('mirror', 'set', 'db', '--resync-rate', 'auto')).not.toHaveProperty(
      'resyncBytesPerSecond',
    );
    expect((await daemon.run('mirror', 'show', 'db')).stdout).toMatch(/^resync rate +auto$/m);
    expect(daemon.api.memberChanges).toEqual([
      ['resync-rate', 'db', `${64n << 20n}`],
      ['resync-rate', 'db', 'undefined'],
    ]);
    for (const [wrong, reason] of [
      [['--resync-rate', 'fast'], 'expected a number with a unit'],
      [['--resync-rate', '0'], 'is zero'],
      [[], "required option '--resync-rate"],
    ] as const) {
      const { code, stderr } = await daemon.run('mirror', 'set', 'db', ...wrong);
      expect([code, stderr]).toEqual([2, expect.stringContaining(reason)]);
    }
  });

  it('takes, shows and deletes snapshots', async () => {
    const { stdout } = await daemon.run('mirror', 'snapshot', 'db', 'tuesday');
    expect(stdout).toMatch(/^tuesday +degraded +1 GiB +2027-.+ m1, m2$/m);
    expect(await daemon.json('mirror', 'snapshots', 'db')).toMatchObject({
      snapshots: [{ name: 'monday', state: 'degraded', sizeBytes: 1 << 30, members: ['m1', 'm2'] }],
    });
    expect(await daemon.run('mirror', 'snapshot-delete', 'db', 'monday')).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(daemon.api.memberChanges).toEqual([
      ['snapshot', 'db', 'tuesday'],
      ['snapshot-delete', 'db', 'monday'],
    ]);
    daemon.api.mirrorCarry = { carry: { to: 'm3', doneBytes: 1n << 29n, totalBytes: 1n << 30n } };
    const listed = async () => (await daemon.run('mirror', 'snapshots', 'db')).stdout;
    expect(await listed()).toMatch(/ CARRIED\nmonday .+ m1, m2 +512 MiB of 1 GiB to m3$/m);
    daemon.api.mirrorCarry = { troubles: ['member m3 cannot store it: no space'] };
    expect(await listed()).toMatch(/^monday .+ m1, m2 +member m3 cannot store it: no space$/m);
    const { code, stderr } = await daemon.run('mirror', 'snapshots', 'other');
    expect([code, stderr]).toEqual([1, "ballast: there is no mirrored volume 'other'\n"]);
  });

  it('compares members, and says what differs', async () => {
    const bytes = {
      doneBytes: 10n << 20n,
      totalBytes: 10n << 20n,
      differentBytes: 8192n,
      unreadableBytes: 0n,
    };
    const differences = [
      { offsetBytes: 4096n, sizeBytes: 4096n, odd: ['m3'] },
      { offsetBytes: 65536n, sizeBytes: 4096n, odd: [] },
    ];
    daemon.api.verify = { state: 'done', ...bytes, differences, unable: ['m9'] };
    const { code, stdout } = await daemon.run('mirror', 'verify', 'db');
    expect(code).toBe(0);
    expect(stdout).toBe(
      'verify of db: done, 10 MiB of 10 MiB, 8 KiB differ\n' +
        'member m9 does not know how to be compared\n' +
        'DIFFERS AT   BYTES   FROM MOST\n' +
        '      4096    4096   m3\n' +
        '     65536    4096   not known\n',
    );
    expect(await daemon.json('mirror', 'verify', 'db', '--status')).toMatchObject({
      mirror: 'db',
      ...{ state: 'done', differentBytes: 8192, differences: [{ odd: ['m3'] }, { odd: [] }] },
    });
    const waited = await daemon.run('mirror', 'verify', 'db', '--wait');
    expect([waited.code, waited.stderr]).toEqual([1, "ballast: mirror 'db': its members differ\n"]);
    expect((await daemon.run('mirror', 'verify', 'db', '--cancel')).code).toBe(0);
    expect(daemon.api.memberChanges).toEqual([
      ['verify', 'db'],
      ['verify', 'db'],
      ['cancel', 'db'],
    ]);
  });

  it('waits until the comparison has ended, and fails when it was not done', async () => {
    const found = { totalBytes: 10n, differentBytes: 0n, unreadableBytes: 0n, differences: [], unable: [] };
    daemon.api.verify = { state: 'failed', doneBytes: 5n, ...found };
    const { code, stderr } = await daemon.run('mirror', 'verify', 'db', '--wait');
    expect([code, stderr]).toEqual([1, "ballast: mirror 'db': the comparison was failed\n"]);
    daemon.api.verify = { state: 'done', doneBytes: 10n, ...found };
    expect((await daemon.run('mirror', 'verify', 'db', '--wait')).code).toBe(0);
  });

  it('does not know another', async () => {
    const { code, stderr } = await daemon.run('mirror', 'show', 'other');
    expect([code, stderr]).toEqual([1, "ballast: there is no mirrored volume 'other'\n"]);
  });
});

describe('serve', () => {
  let cli: CliHarness;
  let directory: string;
  beforeEach(async () => {
    cli = new CliHarness();
    directory = await mkdtemp(join(tmpdir(), 'ballast-serve-'));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const at = (name: string) => join(directory, name);
  const serve = (...argv: string[]) =>
    cli.run(
      ...['serve', '--data', at('data'), '--log-level', 'silent', '--listen', 'tcp://127.0.0.1:0'],
      ...argv,
    );

  it('opens replicas and mirrors between pools and listening, and prints what --mirror takes', async () => {
    const info = {
      sizeBytes: 1n << 24n,
      sizeMaxBytes: 1n << 36n,
      blockSizeBytes: 4096,
      content: 'nothing',
      maxEpoch: 0n,
    } as const;
    const rest = { unusable: false, markedRegions: 0, absentMembers: 0, absent: [], sealed: false };
    const nqn = 'nqn.2026-11.dev.ballast:volume:x';
    const volume = { name: 'db', kind: 'mirror', nsid: 1, uuid, durable: true } as const;
    cli.mirrors = {
      replicas: [{ name: 'r1', uuid, nqn: replicaNqn(uuid), ...info, ...rest }],
      volumes: [{ ...volume, nqn, sizeBytes: 1n << 24n, blockSizeBytes: 4096 }],
      problems: ["replica r2: pool 'p' is not open"],
    };
    const argv = ['--replica', `r1=file:${at('r1')}:16MiB`, '--replica', 'r2=pool:p/v'];
    const mirror = `db=file:${at('db')}:16MiB,${remote},min-iops=5`;
    const running = serve(...argv, '--mirror', mirror);
    await cli.printed('api ');
    expect(cli.engine.steps).toEqual(['control', 'pools', 'mirrors', 'listen', 'api']);
    expect(cli.stdout.text).toContain(`volume db: 16 MiB, 4096-byte blocks, durable, namespace 1 of ${nqn}`);
    expect(cli.stdout.text).toContain(`replica r1: 16 MiB, tcp://127.0.0.1:40001/${replicaNqn(uuid)}\n`);
    expect(cli.stdout.text).toContain("NOT SERVED: replica r2: pool 'p' is not open\n");
    expect(cli.replicas.map(({ name }) => name)).toEqual(['r1', 'r2', 'db']);
    expect(cli.others).toEqual([{ name: 'db', minIops: 5 }]);
    expect(cli.wanted).toMatchObject({
      replicas: cli.replicas,
      mirrors: [{ spec: { name: 'db' }, identity: { nqn: expect.stringContaining(':volume:') } }],
      host: { hostNqn: expect.stringContaining('nqn.') },
    });
    expect(cli.dataPlane?.volumes()).toMatchObject([{ name: 'db', qos: { minIops: 5 } }]);
    cli.signal();
    expect(await running).toBe(0);
  });

  it('takes both from the configuration, too', async () => {
    const file = at('ballast.yaml');
    await writeFile(file, `replicas: {r1: "file:${at('r1')}:16MiB"}\nmirrors: {db: "r1,${remote}"}\n`);
    const running = serve('--config', file);
    await cli.printed('api ');
    expect(cli.wanted).toMatchObject({ replicas: [{ name: 'r1' }], mirrors: [{ spec: { name: 'db' } }] });
    cli.signal();
    expect(await running).toBe(0);
  });

  it.each([
    ['a mirror of one', ['--mirror', 'db=r1'], 2, 'it has one member'],
    ['a replica without data', ['--replica', 'r1=file:/no/such/r1'], 1, "replica 'r1': /no/such/r1 does not"],
    ['an unknown replica', ['--mirror', `db=r1,${remote}`], 1, "there is no --replica 'r1'"],
    [
      'a volume to be made that is of a replica',
      ['--replica', 'r1=pool:p/v', '--ensure-volume', 'v=1GiB'],
      2,
      "not the data of replica 'r1'",
    ],
  ])('refuses %s', async (_what, argv, code, reason) => {
    expect(await serve(...argv)).toBe(code);
    expect(cli.stderr.text).toContain(reason);
    expect(cli.enginesStarted).toBe(0);
  });

  it('does not serve the data of a replica as a volume, nor makes data anew under its metadata', async () => {
    await writeFile(at('a'), Buffer.alloc(4096));
    await writeFile(at('a.replica'), '');
    expect(await serve('--volume', `a=file:${at('a')}`)).toBe(1);
    expect(cli.stderr.text).toContain(`${at('a')} is the data of a replica, as ${at('a.replica')} says`);
    await rm(at('a'));
    expect(await serve('--replica', `a=file:${at('a')}:1MiB`)).toBe(1);
    expect(cli.stderr.text).toContain(`${at('a')} is gone, and ${at('a.replica')} is there`);
  });

  it('refuses one file for a volume and a replica, whatever it is called', async () => {
    await writeFile(at('a'), Buffer.alloc(4096));
    expect(await serve('--volume', `v=file:${at('a')}`, '--replica', `r=file:${directory}/./a`)).toBe(1);
    expect(cli.stderr.text).toContain("replica 'r': has the same file as volume 'v'");
  });
});
