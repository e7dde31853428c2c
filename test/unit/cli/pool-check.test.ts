// `ballast pool check` with a fake engine: what it asks for, prints, and how it ends.
import { beforeEach, describe, expect, it } from 'vitest';
import { CliHarness } from '../../support/cli-harness.js';
import { finding } from '../../support/fake-pools.js';

let cli: CliHarness;
const device = '/disks/p';
const note = finding('note', 'not-needed', 'root slot 1', 'is not whole');
const worn = finding('warning', 'safe', 'device 0, superblock copy 2', 'is damaged');
const lost = finding('error', 'discards', 'tree page 12', 'is not what its parent names');
const gone = finding('error', 'impossible', 'root slot 0', 'is not whole');

/** A pool on one device, closed, with this damage. */
async function makePool(...damage: ReturnType<typeof finding>[]): Promise<void> {
  const { engine } = cli;
  await engine.createPool({ name: 'p', devices: [{ path: device }] });
  await engine.closePool('p');
  engine.disks.damage.set('p', damage);
  engine.calls.splice(0);
}

const check = (...more: string[]) => cli.run('pool', 'check', device, ...more);
/** Lines of findings: those above the summary. */
const printed = () => cli.stdout.text.split('\n').filter((line) => /^(?:note|warning|error)/.test(line));

beforeEach(() => {
  cli = new CliHarness();
  cli.engine.disks.blank.set(device, 1n << 30n);
});

describe('ballast pool check', () => {
  it('exits 0 when nothing is wrong, and says what was looked at', async () => {
    await makePool();
    expect(await check()).toBe(0);
    expect(cli.engine.calls).toEqual([`checkPool ${device}`]);
    expect(cli.stdout.text).toMatch(/^pool +p$/m);
    expect(cli.stdout.text).toMatch(/^devices +1, 4 of 4 superblock copies whole$/m);
    expect(cli.stdout.text).toMatch(/^result +nothing wrong$/m);
    expect([cli.stderr.text, cli.engine.closed, cli.enginesStarted]).toEqual(['', 1, 1]);
  });

  it('shows how far it is on a terminal, and nothing elsewhere', async () => {
    await makePool();
    const { disks } = cli.engine;
    const mib = 1n << 20n;
    cli.onSleep = () => {
      disks.checked.doneBytes += mib;
    };
    disks.checked = { doneBytes: 0n, totalBytes: 4n * mib };
    cli.stderr.isTTY = true;
    expect(await check()).toBe(0);
    expect(cli.stderr.text).toContain(
      '\r\x1b[Kcheck [#######-----------------------]  25.0 %   1 MiB of 4 MiB',
    );
    expect(cli.stderr.text.endsWith('\r\x1b[K')).toBe(true);
    cli.stderr.isTTY = false;
    cli.stderr.chunks.splice(0);
    expect(await check()).toBe(0);
    expect(cli.stderr.text).toBe('');
  });

  it('takes what a crash leaves for nothing wrong', async () => {
    await makePool(note);
    expect(await check()).toBe(0);
    expect(printed()).toEqual(['note      root slot 1: is not whole']);
  });

  it('says of each finding what helps, and exits 1', async () => {
    await makePool(worn, lost, gone);
    expect(await check()).toBe(1);
    expect(printed()).toEqual([
      'warning   device 0, superblock copy 2: is damaged (--repair repairs it)',
      'error     tree page 12: is not what its parent names (lost)',
      'error     root slot 0: is not whole (cannot be repaired)',
    ]);
    expect(cli.stdout.text).toMatch(
      /^result +3 of 3 findings stay, 0 repaired, 0 given up; --repair --discard-damaged makes /m,
    );
    expect(cli.stderr.text).toBe("ballast: check of pool 'p': 3 of 3 findings stay\n");
    expect(cli.engine.closed).toBe(1);
  });

  it('exits 0 when all is repaired, and not before', async () => {
    await makePool(worn, lost);
    expect(await check('--repair')).toBe(1);
    expect(cli.engine.calls).toEqual([`checkPool ${device} repair`]);
    expect(printed()[0]).toBe('warning   device 0, superblock copy 2: is damaged (repaired)');
    expect(printed()[1]).toMatch(/ \(lost\)$/);
    expect(cli.stdout.text).toMatch(/^result +1 of 2 findings stay, 1 repaired, 0 given up; /m);
    cli.stdout.chunks.splice(0);
    expect(await check('--repair', '--discard-damaged')).toBe(0);
    expect(printed()).toEqual(['error     tree page 12: is not what its parent names (given up)']);
    expect(cli.stdout.text).toMatch(/^result +nothing stays: 0 repaired, 1 given up$/m);
    cli.stdout.chunks.splice(0);
    expect(await check()).toBe(0);
    expect(printed()).toEqual([]);
  });

  it('prints the whole report as JSON, whatever the exit code', async () => {
    await makePool(worn);
    expect(await check('-o', 'json')).toBe(1);
    const report = JSON.parse(cli.stdout.text);
    expect(report).toMatchObject({ name: 'p', findings: [worn], findingsLeftOut: 0 });
    expect(report.counters).toMatchObject({
      devices: 1,
      superblockCopies: 4,
      treePages: 5,
      journalGroups: 2,
    });
  });

  it('names a device of no pool, without a summary', async () => {
    expect(await cli.run('pool', 'check', '/disks/none')).toBe(1);
    expect(cli.stdout.text).toBe(
      'error     /disks/none: no superblock on it is whole: it is of no pool (cannot be repaired)\n',
    );
    expect(cli.stderr.text).toBe('ballast: check: 1 of 1 findings stay\n');
  });

  it('is refused while the pool is open', async () => {
    await makePool();
    await cli.engine.openPool([device]);
    expect(await check('--repair')).toBe(1);
    expect([cli.stdout.text, cli.stderr.text]).toEqual([
      '',
      `ballast: ${device}: is in use by another process or volume\n`,
    ]);
    expect(cli.engine.closed).toBe(1);
  });

  it('does not let what is on a disk forge a line', async () => {
    await makePool(finding('error', 'impossible', 'volume a\nnote b\u001b[2J', 'is damaged'));
    expect(await check()).toBe(1);
    expect(printed()).toEqual(['error     volume a?note b?[2J: is damaged (cannot be repaired)']);
  });

  it.each([
    [['pool', 'check'], "missing required argument 'path'"],
    [['pool', 'check', device, '--discard-damaged'], 'discard-damaged: expected --repair with it'],
    [['pool', 'check', device, '/disks/../disks/p'], `each device once; got '${device}' again`],
    [['pool', 'check', device, '--data', '/x'], "unknown option '--data'"],
    [['pool', 'check', device, '-o', 'xml'], 'Allowed choices are table, json, yaml'],
  ])('%j is wrong usage: exits 2 and starts nothing', async (argv, reason) => {
    expect(await cli.run(...argv)).toBe(2);
    expect([cli.stdout.text, cli.enginesStarted]).toEqual(['', 0]);
    expect(cli.stderr.text).toContain(reason);
  });
});
