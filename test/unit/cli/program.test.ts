import { describe, expect, it } from 'vitest';
import { CliHarness } from '../../support/cli-harness.js';

const target = 'tcp://127.0.0.1:4420';
const volume = `${target}/nqn.2026-11.dev.ballast:volume:a`;

describe('ballast', () => {
  it.each([
    [[], 'Usage: ballast'],
    [['sevre'], "unknown command 'sevre'"],
    [['serve', '--liste', 'x'], "unknown option '--liste'"],
    [['discover'], "missing required argument 'uri'"],
    [['discover', target, 'more'], 'too many arguments'],
    [['discover', target, '-o', 'xml'], 'Allowed choices are table, json, yaml'],
    [['discover', 'http://x'], "transport 'http' is not tcp"],
    [['discover', target, '--timeout', '0'], 'timeout: expected a whole number'],
    [['discover', target, '--hostnqn', 'me'], 'expected nqn.'],
    [['identify', volume, '--nsid', '0'], 'nsid: expected a whole number'],
    [['read', target, '--blocks', '1'], 'the subsystem is missing'],
    [['read', volume], "required option '--blocks <k>' not specified"],
    [['read', volume, '--blocks', '0'], 'blocks: expected a whole number'],
    [['read', volume, '--blocks', '1', '--lba', '-1'], 'lba: expected a block number'],
    [['write', volume, '--lba', '0x1ffffffffffffffff'], 'lba: expected a block number'],
    [['write', target], 'the subsystem is missing'],
    [['perf', target], 'the subsystem is missing'],
    [['perf', volume, '--rw', 'trim'], 'Allowed choices are randread'],
    [['perf', volume, '--bs', '1000'], 'bs: expected a multiple of 512'],
    [['perf', volume, '--bs', '0'], 'bs: expected a multiple of 512'],
    [['perf', volume, '--qd', '0'], 'qd: expected a whole number from 1 to 1024'],
    [['perf', volume, '--rwmix', '101'], 'rwmix: expected a whole number from 0 to 100'],
    [['perf', volume, '--time', '0'], 'time: expected seconds'],
    [['perf', volume, '--queues', '129'], 'queues: expected a whole number from 1 to 128'],
    [['perf', volume, '--reactors', 'x'], 'reactors: expected'],
    [['perf', volume, '--verify'], 'a workload that writes'],
  ])('exits 2 at %j, says why, and starts nothing', async (argv, reason) => {
    const cli = new CliHarness();
    expect(await cli.run(...argv)).toBe(2);
    expect(cli.stderr.text).toContain(reason);
    expect(cli.stdout.text).toBe('');
    expect(cli.enginesStarted).toBe(0);
  });

  it('prints help and version on stdout and exits 0', async () => {
    const cli = new CliHarness();
    expect(await cli.run('--version')).toBe(0);
    expect(await cli.run('perf', '--help')).toBe(0);
    expect(cli.stdout.text).toMatch(/^1\.2\.3\nUsage: ballast perf/);
    expect(cli.stderr.text).toBe('');
  });

  it('shows the stack of an error that is not ours, and exits 1', async () => {
    const cli = new CliHarness();
    cli.engine.failConnect = new TypeError('a bug');
    expect(await cli.run('identify', volume)).toBe(1);
    expect(cli.stderr.text).toMatch(/ballast: TypeError: a bug\n\s+at /);
  });
});
