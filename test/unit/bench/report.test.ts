import { describe, expect, it } from 'vitest';
import { limitKey } from '../../../bench/lib/limit.mjs';
import { jobKey } from '../../../bench/lib/matrix.mjs';
import { makeDocument, pairRatios, summarise } from '../../../bench/lib/report.mjs';
import { clientTable, footprintTable, resultTable } from '../../../bench/lib/tables.mjs';
import { about, makeResult, plainJob, run } from './documents.js';

describe('summarise', () => {
  it('takes medians over the runs that were measured, and leaves out what nobody knows', () => {
    const result = summarise([run(100), undefined, run(300, { cpuSecondsPerMillionIos: 3 }), run(200)]);
    expect(result?.iops).toEqual({ median: 200, min: 100, max: 300, runs: [100, 300, 200] });
    expect(result?.latencyUs).not.toHaveProperty('p90');
    expect(result?.clientCpuSecondsPerMillionIos).toEqual({ median: 3, min: 3, max: 3, runs: [3] });
    expect(result).toHaveProperty('targetCpuSecondsPerMillionIos');
  });

  it('is nothing when no run was measured', () => {
    expect(summarise([undefined, undefined])).toBeUndefined();
  });
});

describe('pairRatios', () => {
  it('divides run by run, not medians, and skips a run that one side lacks', () => {
    const ours = [run(100), run(400), undefined, run(500)];
    const peer = [run(100), run(100), run(7), undefined];
    expect(pairRatios(ours, peer)?.iops).toEqual({ median: 2.5, min: 1, max: 4, runs: [1, 4] });
    expect(pairRatios(ours, peer)?.p99?.runs).toEqual([1, 0.25]);
  });

  it('is nothing without pairs, and without CPU time when one side has none', () => {
    expect(pairRatios([run(1)], [])).toBeUndefined();
    const unknown = run(1, { targetCpuSecondsPerMillionIos: Number.NaN });
    expect(pairRatios([run(1)], [unknown])).not.toHaveProperty('targetCpu');
  });
});

describe('makeDocument', () => {
  const job = plainJob;
  const limits = new Map([
    [
      limitKey(job),
      {
        job,
        measured: [
          { perSecond: 1000, meanUs: 1 },
          { perSecond: 2000, meanUs: 2 },
        ],
      },
    ],
  ]);
  const pairs = [
    { job, client: { name: 'ballast perf' }, ours: [run(600), run(900)], peer: [run(300), run(300)] },
  ];
  const document = makeDocument({
    about,
    head: { runs: 2, seconds: 1 },
    measured: { limits, pairs, missing: ['x'] },
    footprint: undefined,
  });

  it('says schema, machine and revision, and what is missing', () => {
    expect(document).toMatchObject({ schema: 'ballast-bench/2', ...about, runs: 2, missing: ['x'] });
    expect(document).not.toHaveProperty('footprint');
  });

  it('puts a job beside its limit and its peer', () => {
    expect(document.results).toHaveLength(1);
    expect(document.results[0]).toMatchObject({
      ...{ key: jobKey(job), device: 'memory', rw: 'randread', queueDepth: 1, client: 'ballast perf' },
      ...{ limitPerSecond: 1500, ratioToLimit: 0.5 },
      ratioToPeer: { iops: { median: 2.5, min: 2, max: 3 } },
    });
    expect(document.limit[0]).toMatchObject({ rw: 'randread', queueDepth: 1, perSecond: { median: 1500 } });
  });
});

describe('the tables', () => {
  it('have columns of a peer only where there is one', () => {
    const [alone] = resultTable(makeResult(() => [run(100_000)])).split('\n');
    expect(alone).toMatch(/^job +QD +IOPS +min-max +mean us +p50 +p99 +p99\.9 +CPU s\/M$/);
    const lines = resultTable(
      makeResult(
        () => [run(100_000), run(300_000)],
        (queueDepth) => (queueDepth === 32 ? [run(100_000), run(100_000)] : []),
      ),
    ).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain('IOPS to peer');
    expect(lines[2]).toContain('2.00x (1.00-3.00)');
    expect(lines[1]).not.toContain('x (');
  });

  it('show a job that could not be measured', () => {
    const lines = resultTable(makeResult((qd) => (qd === 1 ? [undefined] : [run(5)]))).split('\n');
    expect(lines[1]).toMatch(/^memory randread 4k +1 +- +-/);
  });

  it('compare clients where there are two', () => {
    expect(clientTable(makeResult(() => [run(5)]))).toBe('');
    const text = clientTable(
      makeResult(
        () => [run(100)],
        () => [run(50)],
        ['ballast perf', 'other'],
      ),
    );
    expect(text).toContain('IOPS with ballast perf to those with other');
    expect(text).toMatch(/^memory randread 4k +32 +1\.00x +1\.00x +2\.00x$/m);
  });

  it('show memory and start where they were measured', () => {
    const figure = (median: number) => ({ median, min: median, max: median, runs: [median] });
    const mib = (value: number) => figure(value * 2 ** 20);
    const ours = {
      ...{ startMs: figure(400), readyBytes: mib(60), loadedBytes: mib(70) },
      ...{ nodeBytes: mib(55), nativeBytes: mib(15) },
    };
    const text = footprintTable({
      footprint: { ours, peer: { startMs: figure(500), loadedBytes: mib(18) } },
    });
    expect(text).toMatch(/^ours +400 +60\.0 +70\.0 +55\.0 +15\.0$/m);
    expect(text).toMatch(/^peer +500 +- +18\.0 +- +-$/m);
    expect(footprintTable({})).toBe('');
  });
});
