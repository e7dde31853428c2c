import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../../../scripts/test-runner/process.mjs';
import {
  junitOf,
  lastLineOf,
  one,
  parseJunit,
  resultLine,
  sum,
} from '../../../scripts/test-runner/results.mjs';

const directory = mkdtempSync(join(tmpdir(), 'ballast-results-'));
afterAll(() => rmSync(directory, { recursive: true }));

const xml = `<?xml version="1.0"?>
<testsuites><testsuite name="s" tests="4">
  <testcase name="a" classname="A" time="0.1"/>
  <testcase name="b &lt;1&gt;" classname="A" status="run"><failure message="x"/><system-out>a &gt; b
</system-out></testcase>
  <testcase name="c" classname="A"><skipped message="no device"/></testcase>
  <testcase name="d" classname="d"><system-out>says &lt;failure and <failure> loudly</system-out></testcase>
</testsuite></testsuites>`;

describe('parseJunit', () => {
  it('counts passed, failed and skipped, and names the last two', () => {
    expect(parseJunit(xml)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 1,
      failures: ['A: b <1>'],
      skips: ['A: c'],
      details: [{ name: 'A: b <1>', text: 'a > b' }],
    });
  });
});

describe('junitOf', () => {
  it('is a failure when the file is missing, empty, or green although the runner failed', () => {
    expect(junitOf('unit', join(directory, 'none.xml'), 0).failures).toEqual([
      'unit: ended with status 0 and no results',
    ]);
    const green = join(directory, 'green.xml');
    writeFileSync(green, '<testsuite><testcase name="a"/></testsuite>');
    expect(junitOf('unit', green, 0)).toMatchObject({ passed: 1, failed: 0 });
    expect(junitOf('unit', green, 1)).toMatchObject({ passed: 1, failed: 1 });
  });
});

describe('lastLineOf', () => {
  it('reads only a last line of the right form', () => {
    expect(lastLineOf('vm', 'x\n3 passed, 0 failed, 2 skipped\n', 0)).toMatchObject({
      passed: 3,
      failed: 0,
      skipped: 2,
    });
    expect(lastLineOf('vm', '0 passed, 0 failed, 4 skipped\n', 77)).toMatchObject({ failed: 0, skipped: 4 });
    expect(lastLineOf('vm', '3 passed, 1 failed\n', 1)).toMatchObject({ passed: 3, failed: 1 });
    expect(lastLineOf('vm', '3 passed, 0 failed\n', 1)).toMatchObject({ passed: 3, failed: 1 });
    expect(lastLineOf('vm', '3 passed, 0 failed\nbye\n', 0)).toMatchObject({ passed: 0, failed: 1 });
    expect(lastLineOf('vm', '', 0)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe('resultLine', () => {
  it('is what continuous integration reads', () => {
    const total = sum([one('a', true), one('b', false), one('c', true, true)]);
    expect(resultLine(total)).toBe('1 passed, 1 failed, 1 skipped');
    expect(resultLine(sum([one('a', true)]))).toBe('1 passed, 0 failed');
  });
});

describe('run', () => {
  it('answers the status of the program and gives its output', async () => {
    let output = '';
    const onOutput = (text: string) => {
      output += text;
    };
    expect(await run('sh', ['-c', 'echo hello; exit 3'], { minutes: 1, onOutput })).toBe(3);
    expect(output).toBe('hello\n');
  });

  it('answers 127 for a program that is not there', async () => {
    expect(await run('/no/such/program', [], { minutes: 1 })).toBe(127);
  });

  it('ends a program and its children after the time limit', async () => {
    let output = '';
    const onOutput = (text: string) => {
      output += text;
    };
    expect(await run('sh', ['-c', 'sleep 600 & echo $!; wait'], { minutes: 0.01, onOutput })).toBe(124);
    // Gone, or dead and waiting for whoever adopted it.
    const status = `/proc/${output.trim()}/status`;
    const state = existsSync(status) ? /^State:\s+(\w)/m.exec(readFileSync(status, 'utf8'))?.[1] : 'gone';
    expect(['gone', 'Z', 'X']).toContain(state);
  });
});
