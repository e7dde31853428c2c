// `ballast perf` against a target of ours. Figures are not judged: the machine is anybody's.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ballast, type RunOptions, type Target, Workspace } from '../support/ballast.js';

let workspace: Workspace;
let target: Target;
let host: RunOptions;
beforeAll(async () => {
  workspace = await Workspace.create();
  host = { environment: { BALLAST_DATA: workspace.path('host') } };
  const file = `file:${workspace.path('f.img')}:32MiB`;
  target = await workspace.serve(
    '--volume',
    'm=mem:32MiB',
    '--volume',
    `f=${file}`,
    '--volume',
    'n=null:1GiB',
  );
});
afterAll(() => workspace.remove());

async function perf(volume: string, ...argv: string[]) {
  const outcome = await ballast(
    ['perf', target.volumeUri(volume), '--time', '1', '-o', 'json', ...argv],
    host,
  );
  expect(outcome.stderr).toBe('');
  expect(outcome.code).toBe(0);
  return JSON.parse(outcome.stdout.toString());
}

describe('ballast perf', () => {
  it('prints IOPS and percentiles that fit together', async () => {
    const result = await perf('m', '--rw', 'randread', '--qd', '32');
    expect(result).toMatchObject({ rw: 'randread', blockSizeBytes: 4096, queueDepth: 32, errors: 0 });
    expect(result.iops).toBeGreaterThan(0);
    expect(result.iops * 4096).toBeCloseTo(result.mibPerSecond * (1 << 20), -4);
    const { mean, p50, p90, p99, p999, max } = result.latencyUs;
    expect(mean).toBeGreaterThan(0);
    expect([p50, p90, p99, p999, max]).toEqual([p50, p90, p99, p999, max].toSorted((a, b) => a - b));
    expect(result.write.ios).toBe(0);
  });

  it.each(['m', 'f', 'n'])('runs every workload on volume %s', async (volume) => {
    for (const rw of ['randwrite', 'read', 'write', 'randrw']) {
      const result = await perf(volume, '--rw', rw, '--bs', '16k', '--qd', '4', '--time', '0.3', '-g', '-G');
      expect(result.errors).toBe(0);
      expect(result.read.ios + result.write.ios).toBeGreaterThan(0);
    }
  });

  it.each(['m', 'f'])(
    'verifies what it wrote to volume %s, over several queues and reactors',
    async (volume) => {
      const options = ['--rw', 'randrw', '--rwmix', '50', '--queues', '2', '--reactors', '2', '--qd', '8'];
      const result = await perf(volume, ...options, '--verify');
      expect(result).toMatchObject({ queues: 2, reactors: 2, verifyErrors: 0, errors: 0 });
      expect(result.blocksChecked).toBeGreaterThan(0);
    },
  );

  it('finds that a null volume does not keep what was written', async () => {
    const options = ['--rw', 'randrw', '--time', '1', '--verify', '-o', 'json'];
    const outcome = await ballast(['perf', target.volumeUri('n'), ...options], host);
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout.toString()).verifyErrors).toBeGreaterThan(0);
    expect(outcome.stderr).toMatch(/blocks? read back with other data/);
  });

  it('prints a table by default', async () => {
    const outcome = await ballast(['perf', target.volumeUri('m'), '--time', '0.2'], host);
    expect(outcome.stdout.toString()).toMatch(
      /^OP +IOPS +MEAN US +P50 US +P90 US +P99 US +P99\.9 US +MAX US\nread +\d+/,
    );
  });
});
