import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/drills/history.js';
import { reportPage } from '../../../src/drills/report/page.js';
import {
  type DrillReport,
  failuresOf,
  gapsOf,
  type RoundReport,
  type RunReport,
  verdictOf,
} from '../../../src/drills/report/report.js';
import { longestIoMs, percentile, seriesOf } from '../../../src/drills/report/series.js';
import { Timeline } from '../../../src/drills/report/timeline.js';
import { writeHistory, writeReport } from '../../../src/drills/report/write-report.js';

const msNs = 1_000_000n;
const beginNs = 5_000n * msNs;

/** Ended `endMs` after the load began. */
function io(kind: Operation['kind'], endMs: number, tookMs: number, outcome: Operation['outcome'] = 'ok') {
  const endNs = beginNs + BigInt(endMs) * msNs;
  const operation: Operation = {
    ...{ kind, block: 1, value: 1n, outcome, path: '' },
    ...{ startNs: endNs - BigInt(tookMs) * msNs, endNs },
  };
  return operation;
}

describe('a series', () => {
  it('has the I/Os of each tenth of a second, also of those without any', () => {
    const series = seriesOf(
      [
        io('read', 10, 2),
        io('write', 20, 4),
        io('write', 99, 6),
        io('write', 350, 300),
        io('read', 351, 9, 'failed'),
      ],
      beginNs,
    );
    expect(series).toEqual({
      windowMs: 100,
      atMs: [0, 100, 200, 300],
      readIops: [10, 0, 0, 0],
      writeIops: [20, 0, 0, 10],
      errors: [0, 0, 0, 1],
      p50Ms: [4, null, null, 300],
      p99Ms: [6, null, null, 300],
      maxMs: [6, null, null, 300],
    });
  });

  it('leaves out what ended before the load, or never', () => {
    const { endNs: _, ...unanswered } = io('write', 20, 4, 'unknown');
    expect(seriesOf([io('write', -10, 1), unanswered], beginNs).atMs).toEqual([]);
  });

  it('has percentiles by the nearest rank', () => {
    const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([1, 50, 99, 100].map((percent) => percentile(sorted, percent))).toEqual([1, 50, 99, 100]);
    expect(percentile([7], 1)).toBe(7);
    expect(percentile([], 50)).toBeNull();
  });

  it('knows the slowest I/O that ended well', () => {
    expect(longestIoMs([io('read', 10, 2), io('write', 30, 20), io('write', 900, 800, 'failed')])).toBe(20);
    expect(longestIoMs([])).toBe(0);
  });
});

it('a timeline has times after the beginning of the load, and tells as it goes', () => {
  const told: string[] = [];
  const timeline = new Timeline((text) => told.push(text));
  const before = process.hrtime.bigint();
  timeline.add('fault', 'killed');
  timeline.add('heal', 'started');
  const [first, second] = timeline.events(before);
  expect(first).toMatchObject({ kind: 'fault', text: 'killed' });
  expect(first!.atMs).toBeGreaterThanOrEqual(0);
  expect(second!.atMs).toBeGreaterThanOrEqual(first!.atMs);
  expect(told).toEqual(['killed', 'started']);
});

const round = (number: number, longestGapMs: number, failures: string[] = []): RoundReport => ({
  ...{ round: number, seconds: 5, reads: 10, writes: 20, errors: 0, errorTexts: [] },
  ...{ longestGapMs, longestGapAtMs: 1000, longestIoMs: 300, inSyncAfterMs: 900 },
  ...{ resyncedBytes: 3 << 20, blocksViolated: 0, history: `kill-head/round-${number}.jsonl` },
  timeline: [
    { atMs: 1000, kind: 'fault', text: 'SIGKILL to <n1>' },
    { atMs: 2000, kind: 'heal', text: 'n1 started again' },
  ],
  series: seriesOf([io('write', 10, 2)], beginNs),
  failures,
});
const drill = (rounds: RoundReport[], more: Partial<DrillReport> = {}): DrillReport => ({
  ...{ drill: 'kill-head', what: 'the head is killed', gapTargetMs: 2000, rounds, failures: [] },
  ...more,
});
const run = (drills: DrillReport[]): RunReport => ({
  ...{ version: '1.2.3', startedAt: '2026-11-27T00:00:00Z', nodes: 3, store: 'level', drills },
});

describe('a report', () => {
  it('passed when nothing failed, in a round or beside it', () => {
    expect(verdictOf(drill([round(1, 5)]))).toBe('passed');
    expect(verdictOf(drill([round(1, 5), round(2, 5, ['a write was lost'])]))).toBe('failed');
    expect(verdictOf(drill([round(1, 5)], { failures: ['members differ'] }))).toBe('failed');
    expect(verdictOf(drill([], { skipped: 'no root' }))).toBe('skipped');
  });

  it('names what failed, and where', () => {
    const failed = drill([round(1, 5), round(2, 5, ['a write was lost'])], { failures: ['members differ'] });
    expect(failuresOf(failed)).toEqual(['kill-head: members differ', 'kill-head: round 2: a write was lost']);
  });

  it('has the gaps of all rounds', () => {
    expect(gapsOf(drill([round(1, 30), round(2, 10), round(3, 20)]))).toEqual({
      p50Ms: 20,
      p99Ms: 30,
      maxMs: 30,
    });
    expect(gapsOf(drill([]))).toBeUndefined();
  });
});

describe('the page of a report', () => {
  it('needs nothing else, and is no way in for what was said', async () => {
    const page = await reportPage(run([drill([round(1, 30, ['<script>alert(1)</script>'])])]));
    expect(page).not.toMatch(/(?:src|href)="(?!#)/);
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('SIGKILL to &#60;n1&#62;');
    expect(page.match(/<script/g)).toHaveLength(3);
  });

  it('draws two charts of each round that is open, with a line at each fault', async () => {
    const page = await reportPage(run([drill([round(1, 30), round(2, 30)])]));
    const scripts = [...page.matchAll(/<script(?: type="([^"]*)")?[^>]*>([\s\S]*?)<\/script>/g)];
    const opened: object[] = [];
    const details = ['0', '1'].map((chart) => {
      const place = { clientWidth: 900, childElementCount: 0, parentNode: { dataset: { chart } } };
      const listeners: (() => void)[] = [];
      return {
        ...{ open: chart === '0', dataset: { chart }, listeners, querySelector: () => place },
        addEventListener: (_name: string, listener: () => void) => listeners.push(listener),
      };
    });
    class Chart {
      constructor(options: { title: string }, values: number[][]) {
        opened.push({ title: options.title, columns: values.length });
      }
    }
    const document = {
      getElementById: () => ({ textContent: scripts[0]![2] }),
      querySelectorAll: () => details,
    };
    runInNewContext(scripts[2]![2]!, { uPlot: Chart, document });
    expect(opened).toEqual([
      { title: 'I/Os a second', columns: 4 },
      { title: 'latency, ms', columns: 4 },
    ]);
    details[1]!.open = true;
    for (const listener of details[1]!.listeners) listener();
    expect(opened).toHaveLength(4);
    const [data] = JSON.parse(scripts[0]![2]!);
    expect(data.marks.map(({ kind }: { kind: string }) => kind)).toEqual(['fault', 'heal']);
    expect(scripts[1]![2]).toContain('uPlot');
  });
});

describe('the files of a report', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ballast-report-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are JSON with verdicts, a page, and histories, for the owner alone', async () => {
    const directory = join(folder, 'new', 'report');
    const { json, page } = await writeReport(directory, run([drill([round(1, 30)])]));
    await writeHistory(directory, 'kill-head/round-1.jsonl', Buffer.from('lines'));
    const [kept] = JSON.parse(readFileSync(json, 'utf8')).drills;
    expect(kept).toMatchObject({ verdict: 'passed', gaps: { maxMs: 30 }, rounds: [{ round: 1 }] });
    expect(readFileSync(page, 'utf8')).toMatch(/^<!DOCTYPE html>/);
    expect(readFileSync(join(directory, kept.rounds[0].history), 'utf8')).toBe('lines');
    for (const file of [json, page]) expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
