import { describe, expect, it } from 'vitest';
import { shareBetween } from '../../../bench/lib/cpu-sampler.mjs';
import { spread, sumReports, table, thousands, weightedMean } from '../../../bench/lib/statistics.mjs';

describe('spread', () => {
  it('takes the middle of an odd number of runs, whatever their order', () => {
    expect(spread([30, 10, 20])).toEqual({ median: 20, min: 10, max: 30, runs: [30, 10, 20] });
  });

  it('takes the mean of the two in the middle of an even number', () => {
    expect(spread([4, 1, 100, 2]).median).toBe(3);
  });

  it('orders by value, not by text', () => {
    expect(spread([9, 10, 100]).median).toBe(10);
  });
});

describe('weightedMean', () => {
  it('counts each value as often as its weight says', () => {
    expect(weightedMean([10, 40], [3, 1])).toBe(17.5);
  });
});

describe('sumReports', () => {
  const latency = (us: number) => ({ mean: us, p50: us, p99: us, p999: us, max: us });
  const part = (reads: number, writes: number, us: number) => ({
    ...{ reads, writes, iops: reads + writes, bytesPerSecond: (reads + writes) * 4096 },
    latencyUs: latency(us),
  });

  it('adds I/Os up, weighs latencies by I/Os and keeps the largest of all', () => {
    const sum = sumReports([part(300, 0, 10), part(50, 50, 50)], 0.002);
    expect(sum).toMatchObject({ iops: 400, read: { ios: 350 }, write: { ios: 50 } });
    expect(sum.mibPerSecond).toBeCloseTo((400 * 4096) / 2 ** 20);
    expect(sum.latencyUs).toEqual({ mean: 20, p50: 20, p99: 20, p999: 20, max: 50 });
    expect(sum.cpuSecondsPerMillionIos).toBeCloseTo(5);
  });
});

describe('table', () => {
  it('puts the first column to the left, the others to the right, and no space at the end', () => {
    const rows = [
      ['a', '1', ''],
      ['long', '1000', 'x'],
    ];
    expect(table(['j', 'n', 'w'], rows)).toBe('j        n  w\na        1\nlong  1000  x');
  });
});

describe('thousands', () => {
  it('shortens what is above a thousand', () => {
    expect([999, 1000, 99_949, 100_499, 1_410_000].map(thousands)).toEqual([
      '999',
      '1.0k',
      '99.9k',
      '100k',
      '1410k',
    ]);
  });
});

describe('shareBetween', () => {
  const samples = [
    { atMs: 0, cpuSeconds: 1 },
    { atMs: 1000, cpuSeconds: 1 }, // idle
    { atMs: 2000, cpuSeconds: 2 }, // a whole CPU
    { atMs: 3000, cpuSeconds: 2.5 }, // half of one
  ];

  it('gives the CPUs in use between two times, even between samples', () => {
    expect(shareBetween(samples, 1000, 2000)).toBeCloseTo(1);
    expect(shareBetween(samples, 500, 1500)).toBeCloseTo(0.5);
    expect(shareBetween(samples, 2250, 2750)).toBeCloseTo(0.5);
  });

  it('looks no further than the samples go', () => {
    expect(shareBetween(samples, 2000, 9000)).toBeCloseTo(0.5);
    expect(shareBetween(samples, -5000, 1000)).toBe(0);
  });

  it('is no number where nothing was sampled', () => {
    expect(shareBetween(samples.slice(0, 1), 0, 1000)).toBeNaN();
    expect(shareBetween(samples, 5000, 6000)).toBeNaN();
  });
});
