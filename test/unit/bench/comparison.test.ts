import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compareFigures,
  comparisonText,
  joinResults,
  machineDifferences,
} from '../../../bench/lib/comparison.mjs';
import { spread } from '../../../bench/lib/statistics.mjs';
import { about, makeResult, run } from './documents.js';

describe('compareFigures', () => {
  const a = spread([100, 110, 120]);

  it('is a verdict only where the ranges do not overlap', () => {
    expect(compareFigures(a, spread([121, 130, 140]), true).verdict).toBe('better');
    expect(compareFigures(a, spread([120, 130, 140]), true).verdict).toBe('same');
    expect(compareFigures(a, spread([70, 80, 99]), true).verdict).toBe('worse');
  });

  it('knows that less is more for latency and CPU time', () => {
    expect(compareFigures(a, spread([70, 80, 99]), false).verdict).toBe('better');
    expect(compareFigures(a, spread([121, 130, 140]), false).verdict).toBe('worse');
  });

  it('gives the ratio of the medians and what the runs allow', () => {
    const { ratio, min, max } = compareFigures(a, spread([60, 220, 240]), true);
    expect([ratio, min, max]).toEqual([2, 0.5, 2.4]);
  });
});

describe('joinResults', () => {
  it('joins by job and client, and names what only one has', () => {
    const a = makeResult((qd) => (qd === 128 ? [undefined] : [run(100)]));
    const b = makeResult((qd) => (qd === 1 ? [undefined] : [run(200)]));
    const { jobs, onlyInA, onlyInB } = joinResults(a, b);
    expect(jobs).toHaveLength(1);
    expect(jobs[0]).toMatchObject({
      ...{ title: 'memory randread 4k', queueDepth: 32 },
      IOPS: { ratio: 2, verdict: 'better' },
      p99: { ratio: 0.5, verdict: 'better' },
      CPU: { verdict: 'better' },
    });
    expect(onlyInA).toEqual(['memory randread 4096 qd1 c1 r1 none, ballast perf']);
    expect(onlyInB).toEqual(['memory randread 4096 qd128 c1 r1 none, ballast perf']);
  });

  it('refuses two that have nothing in common', () => {
    const other = makeResult(
      () => [run(1)],
      () => [],
      ['other'],
    );
    expect(() =>
      joinResults(
        makeResult(() => [run(1)]),
        other,
      ),
    ).toThrow('no job in common');
  });
});

describe('comparisonText', () => {
  it('marks what differs, and warns of few runs', () => {
    const a = makeResult(() => [run(100), run(101), run(102)]);
    const b = makeResult((qd) => (qd === 1 ? [run(50), run(51), run(52)] : [run(90), run(101), run(110)]));
    const lines = comparisonText(a, b).split('\n');
    expect(lines.find((line) => /4k +1 /.test(line))).toMatch(/0\.50 \(0\.49-0\.52\) -/);
    expect(lines.find((line) => /4k +32 /.test(line))).toMatch(/1\.00 \(0\.88-1\.10\) {4}/);
    expect(comparisonText(a, b)).not.toContain('fewer than');
    expect(
      comparisonText(
        a,
        makeResult(() => [run(1)]),
      ),
    ).toContain('fewer than 3 runs');
  });
});

describe('machineDifferences', () => {
  it('says what differs', () => {
    const other = { ...about, machine: { ...about.machine, cpus: 4, loadAverage: 7 } };
    expect(machineDifferences(about, about)).toEqual([]);
    expect(machineDifferences(about, other)).toEqual(['cpus: 2 and 4']);
  });
});

describe('bench/compare.mjs', () => {
  const program = fileURLToPath(new URL('../../../bench/compare.mjs', import.meta.url));
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'ballast-compare-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function compare(...words: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  function file(name: string, content: unknown): string {
    const path = join(directory, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  it('compares two files and ends with 0', () => {
    const a = file(
      'a.json',
      makeResult(() => [run(100)]),
    );
    expect(compare(a, a)).toMatchObject({ status: 0, stderr: '' });
    expect(compare(a, a).stdout).toContain('memory randread 4k');
  });

  it('refuses in one line with 2 what it cannot compare', () => {
    const a = file(
      'a.json',
      makeResult(() => [run(100)]),
    );
    const old = file('old.json', { schema: 'ballast-bench/1', results: [] });
    const wrong: [string[], string][] = [
      [[a], 'takes two result files, not 1 (see --help)'],
      [[a, join(directory, 'none.json')], 'cannot be read (ENOENT)'],
      [[a, file('text.json', 'hello')], 'not JSON'],
      [[a, old], 'not a result of the bench (schema ballast-bench/2)'],
      [[a, a, '--nonsense'], "Unknown option '--nonsense' (see --help)"],
    ];
    for (const [words, why] of wrong) {
      const { status, stderr, stdout } = compare(...words);
      expect(stderr).toContain(why);
      expect({ status, lines: stderr.split('\n').length, stdout }).toEqual({
        status: 2,
        lines: 2,
        stdout: '',
      });
    }
  });

  it('refuses different machines unless it is forced', () => {
    const document = makeResult(() => [run(100)]);
    const a = file('a.json', document);
    const b = file('b.json', { ...document, machine: { ...about.machine, kernel: '6.2' } });
    expect(compare(a, b)).toMatchObject({
      status: 2,
      stderr: 'bench:compare: they are of different machines (kernel: 6.1 and 6.2); --force compares them\n',
    });
    expect(compare('--force', a, b)).toMatchObject({ status: 0 });
  });
});
