// `ballast node token` against a daemon behind real doors; `ballast node join` over a fake of what it does.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseJoinToken } from '../../../src/trust/join-token.js';
import { CliHarness } from '../../support/cli-harness.js';
import { DaemonHarness } from '../../support/daemon-harness.js';

describe('ballast node token', () => {
  let daemon: DaemonHarness;
  beforeEach(async () => {
    daemon = new DaemonHarness();
    await daemon.start();
  });
  afterEach(() => daemon.close());

  it('prints a new token alone on stdout, and what it is for on stderr', async () => {
    const { code, stdout, stderr } = await daemon.run('node', 'token', 'create');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+\n$/);
    expect(parseJoinToken(stdout).authority).toEqual(Buffer.alloc(32, 7));
    expect(stderr).toMatch(/^for one node, until 2026-11-23T/);
  });

  it('makes one for several nodes and another time', async () => {
    const made = await daemon.json('node', 'token', 'create', '--ttl', '30m', '--uses', '3');
    expect(made).toMatchObject({ uses: 0, usesMax: 3 });
    expect(Date.parse(made.expires) - Date.parse(made.created)).toBe(30 * 60_000);
  });

  it('lists and revokes, and never shows a token again', async () => {
    const { id, token } = await daemon.json('node', 'token', 'create');
    const { stdout } = await daemon.run('node', 'token', 'list');
    expect(stdout).toMatch(new RegExp(`^ID +NODES +EXPIRES\n${id} +0 of 1 +2026`));
    const { tokens } = await daemon.json('node', 'token', 'list');
    expect(JSON.stringify(tokens)).not.toContain(parseJoinToken(token).secret);
    expect((await daemon.run('node', 'token', 'delete', id)).stdout).toContain('is revoked');
    expect((await daemon.json('node', 'token', 'list')).tokens).toEqual([]);
    const again = await daemon.run('node', 'token', 'delete', id);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no token') });
  });

  it('M13: leaves nothing of a token in the log of the daemon', async () => {
    const { token } = await daemon.json('node', 'token', 'create');
    expect(daemon.api.lines.join('')).toContain('join-tokens');
    expect(daemon.api.lines.join('')).not.toContain(parseJoinToken(token).secret);
  });

  it.each([
    ['--ttl', '24'],
    ['--ttl', '1s'],
    ['--ttl', '-1h'],
    ['--ttl', '31d'],
    ['--ttl', '0m'],
    ['--uses', '0'],
    ['--uses', '1001'],
    ['--uses', 'x'],
  ])('M2: refuses %s %s', async (option, value) => {
    expect(await daemon.run('node', 'token', 'create', option, value)).toMatchObject({ code: 2 });
  });
});

describe('ballast node join', () => {
  const token = 'the token';
  let directory: string;
  let cli: CliHarness;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ballast-join-'));
    cli = new CliHarness();
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('takes the token from a file, stdin or the environment', async () => {
    const file = join(directory, 'token');
    writeFileSync(file, token);
    const args = ['node', 'join', '--controller', 'controller.example.org', '--data', directory];
    expect(await cli.run(...args, '--token-file', file, '--name', 'n1')).toBe(0);
    const address = { host: 'controller.example.org', port: 8431 };
    expect(cli.joined).toEqual({ address, token, name: 'n1', stateDirectory: directory });
    expect(cli.stdout.text).toContain('node          n1 (u)\n');
    cli.stdin = Readable.from([Buffer.from('the '), Buffer.from('token')]);
    expect(await cli.run(...args, '--token-file', '-')).toBe(0);
    expect(cli.joined?.token).toBe(token);
    cli.environment.BALLAST_JOIN_TOKEN = 'another';
    expect(await cli.run(...args)).toBe(0);
    expect(cli.joined?.token).toBe('another');
  });

  it('M13: has no option for the token itself, which every user of the machine could read', async () => {
    expect(await cli.run('node', 'join', '--controller', '192.0.2.1', '--token', token)).toBe(2);
    expect(cli.joined).toBeUndefined();
  });

  it.each([
    [['--token-file', 'FILE']],
    [['--controller', '192.0.2.1']],
    [['--controller', '192.0.2.1', '--token-file', '/nonexistent/token']],
    [['--controller', 'tcp://192.0.2.1/', '--token-file', 'FILE']],
  ])('is not begun with %j', async (args) => {
    const file = join(directory, 'token');
    writeFileSync(file, token);
    expect(await cli.run('node', 'join', ...args.map((one) => (one === 'FILE' ? file : one)))).toBe(2);
    expect(cli.joined).toBeUndefined();
  });
});
