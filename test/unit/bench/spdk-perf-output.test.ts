// A sample of our own making, in the layout that spdk_nvme_perf -L has.
import { describe, expect, it } from 'vitest';
import { parseSpdkPerf } from '../../../bench/lib/spdk-perf-output.mjs';

const rule = '========================================================';
const device = (core: number, figures: string) =>
  `TCP  (addr:127.0.0.1 subnqn:nqn.2026-11.dev.example:a) NSID 1 from core  ${core}: ${figures}`;
const summary = (core: number, p50: string, p99: string) =>
  [
    `Summary latency data for TCP  (addr:127.0.0.1 subnqn:nqn.20 NSID 1 from core ${core}:`,
    '=================================================================================',
    '  1.00000% :    20.114us',
    ' 10.00000% :    40.229us',
    ` 50.00000% :    ${p50}us`,
    ' 90.00000% :   100.250us',
    ` 99.00000% :   ${p99}us`,
    ' 99.50000% :   201.000us',
    ' 99.90000% :   400.500us',
    ' 99.99000% :   900.000us',
    '',
  ].join('\n');
const head = [
  'Initializing NVMe Controllers',
  'Attached to NVMe over Fabrics controller at 127.0.0.1:4420: nqn.2026-11.dev.example:a',
  'Associating TCP (addr:127.0.0.1 subnqn:nqn.2026-11.dev.example:a) NSID 1 with lcore 1',
  'Initialization complete. Launching workers.',
  rule,
  '                                                               Latency(us)',
  'Device Information                     :       IOPS      MiB/s    Average        min        max',
].join('\n');
const total = (figures: string) => [rule, `Total                      : ${figures}`, ''].join('\n');

const one = [
  head,
  device(1, ' 342000.50    1335.94      93.51      20.11    1234.56'),
  total(' 342000.50    1335.94      93.51      20.11    1234.56'),
  summary(1, '87.500', '169.000'),
].join('\n');

describe('parseSpdkPerf', () => {
  it('reads the totals and the percentiles', () => {
    expect(parseSpdkPerf(one)).toEqual({
      iops: 342000.5,
      mibPerSecond: 1335.94,
      latencyUs: { mean: 93.51, p50: 87.5, p90: 100.25, p99: 169, p999: 400.5, max: 1234.56 },
    });
  });

  it('weighs the percentiles of several cores by their I/Os', () => {
    const two = [
      head,
      device(1, ' 300000.00    1171.88      90.00      20.00    1000.00'),
      device(2, ' 100000.00     390.63      90.00      20.00    2000.00'),
      total(' 400000.00    1562.50      90.00      20.00    2000.00'),
      summary(1, '80.000', '160.000'),
      summary(2, '120.000', '240.000'),
    ].join('\n');
    expect(parseSpdkPerf(two)).toMatchObject({
      iops: 400_000,
      latencyUs: { p50: 90, p99: 180, max: 2000 },
    });
  });

  it('is nothing where figures are missing: no -L, no I/O, another program', () => {
    expect(parseSpdkPerf(one.slice(0, one.indexOf('Summary')))).toBeUndefined();
    expect(parseSpdkPerf(head)).toBeUndefined();
    expect(parseSpdkPerf(one.replaceAll('342000.50', '     0.00'))).toBeUndefined();
    expect(parseSpdkPerf(one.replace('169.000us', ''))).toBeUndefined();
    expect(parseSpdkPerf('{"iops": 3}')).toBeUndefined();
    expect(parseSpdkPerf('')).toBeUndefined();
  });
});
