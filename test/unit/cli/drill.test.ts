import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliHarness } from '../../support/cli-harness.js';

const uri = 'tcp://127.0.0.1:4420/nqn.2026-11.dev.ballast:volume:a';
const violation = { kind: 'read before write', block: 3n, text: 'an old value', witness: '' };

let harness: CliHarness;
let folder = '';
beforeEach(() => {
  harness = new CliHarness();
  folder = mkdtempSync(join(tmpdir(), 'ballast-drill-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('ballast drill load', () => {
  it('writes, reads, judges, and keeps the history when asked', async () => {
    const file = join(folder, 'history');
    const code = await harness.run('drill', 'load', uri, '--time', '1', '--history', file, '-o', 'json');
    expect(code, harness.stderr.text).toBe(0);
    const shown = JSON.parse(harness.stdout.text);
    expect(shown).toMatchObject({ target: uri, errors: 0, history: file, blocksViolated: 0 });
    expect(shown.writes).toBeGreaterThanOrEqual(0);
    expect(readFileSync(file, 'utf8')).toBe(harness.histories[0]);
    expect(harness.engine.namespace.writes.length).toBeGreaterThanOrEqual(64); // zeroed first
  });

  it('fails with what is wrong', async () => {
    harness.verdict = { operations: 5, blocks: 4, blocksViolated: 1, violation };
    expect(await harness.run('drill', 'load', uri, '--time', '1')).toBe(1);
    expect(harness.stdout.text).toContain('VIOLATED, 1 of 4 blocks');
    expect(harness.stderr.text).toContain('block 3 of the history: an old value');
  });

  it.each([
    ['--time', '0'],
    ['--blocks', '0'],
    ['--writers', '-1'],
    ['--nsid', '0'],
  ])('refuses %s %s', async (option, value) => {
    expect(await harness.run('drill', 'load', uri, option, value)).toBe(2);
    expect(harness.enginesStarted).toBe(0);
  });

  it('needs somebody who does something, and a namespace that is there', async () => {
    expect(await harness.run('drill', 'load', uri, '--writers', '0', '--readers', '0')).toBe(2);
    expect(await harness.run('drill', 'load', uri, '--nsid', '7')).toBe(1);
  });
});

describe('ballast drill check', () => {
  it('judges a file', async () => {
    const file = join(folder, 'h');
    writeFileSync(file, 'lines');
    harness.verdict = { operations: 5, blocks: 4, blocksViolated: 0 };
    expect(await harness.run('drill', 'check', file)).toBe(0);
    expect(harness.histories).toEqual(['lines']);
    expect(harness.stdout.text).toContain('5 on 4 blocks');
    harness.verdict = { operations: 5, blocks: 4, blocksViolated: 1, violation };
    expect(await harness.run('drill', 'check', file)).toBe(1);
  });

  it('names a file that cannot be read', async () => {
    expect(await harness.run('drill', 'check', join(folder, 'none'))).toBe(2);
    expect(harness.stderr.text).toContain('ENOENT');
  });
});

describe('ballast drill run', () => {
  it.each([
    ['kill', []],
    ['kill-head', ['--rounds', '0']],
    ['kill-head', ['--nodes', '2']],
    ['kill-head', ['--time', '0']],
    ['kill-head', ['--store', 'files']],
  ])('refuses %s %j', async (name, options) => {
    expect(await harness.run('drill', 'run', name, '--report', folder, ...options)).toBe(2);
    expect(harness.enginesStarted).toBe(0);
  });

  it('fails, with a report, when a process of the cluster does', async () => {
    const report = join(folder, 'report');
    expect(await harness.run('drill', 'run', 'kill-head', '--report', report, '-o', 'json')).toBe(1);
    const shown = JSON.parse(harness.stdout.text);
    expect(shown).toMatchObject({ drills: [{ drill: 'kill-head', verdict: 'failed', rounds: 0 }] });
    expect(harness.stderr.text).toContain("process 'controller' ended before it began");
    const { drills } = JSON.parse(readFileSync(shown.report.json, 'utf8'));
    expect(drills[0].failures[0]).toContain('/none/ballast');
    expect(readFileSync(shown.report.page, 'utf8')).toContain('<!DOCTYPE html>');
    // What was left for a look.
    const left = /is left in (\S+)/.exec(harness.stderr.text)?.[1] ?? '';
    rmSync(dirname(left), { recursive: true });
  });
});
