// `ballast top` against a daemon behind real doors; what volumes did changes while the command sleeps.
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quantileUs } from '../../../src/cli/top/rates.js';
import { DaemonHarness } from '../../support/daemon-harness.js';
import { histogram, volumeStats } from '../../support/fake-metrics.js';

let daemon: DaemonHarness;
beforeEach(async () => {
  daemon = new DaemonHarness();
  await daemon.start();
  await daemon.json('pool', 'create', 'p', '--device', `${daemon.world.directory}/p:10GiB`);
  for (const name of ['db', 'log', 'idle']) await daemon.json('volume', 'create', name, '--size', '1GiB');
  did(0);
});
afterEach(() => daemon.close());

/** In each step: db 100 reads of 4 KiB and 20 us, log 300 writes of 8 KiB and 2 ms. */
function did(steps: number): void {
  const n = BigInt(steps);
  const empty = histogram({}, 0);
  const rest = { flush: empty, unmap: empty };
  const idle = volumeStats('idle');
  daemon.api.activity = [
    volumeStats('db', {
      reads: 100n * n,
      readBytes: 409_600n * n,
      latency: { ...rest, read: histogram({ 2: 100 * steps }, 0.002 * steps), write: empty },
    }),
    volumeStats('log', {
      writes: 300n * n,
      writeBytes: 300n * 8192n * n,
      latency: { ...rest, read: empty, write: histogram({ 8: 300 * steps }, 0.6 * steps) },
      qos: { ...idle.qos, throttledIos: 150n * n, throttledNs: 150_000_000n * n },
    }),
  ];
}

function cli() {
  const made = daemon.cli();
  let steps = 0;
  made.onSleep = () => {
    steps += 1;
    did(steps);
    daemon.api.clock.advance(2000);
  };
  return made;
}

async function document(...argv: string[]) {
  const one = cli();
  const code = await one.run('top', ...argv, '-o', 'json');
  expect([code, one.stderr.text]).toEqual([0, '']);
  return JSON.parse(one.stdout.text);
}

describe('-o json', () => {
  it('is one document of two looks: rates, latency, queue depth; the busiest first', async () => {
    const { node, seconds, volumes } = await document();
    expect([node, seconds]).toEqual(['node-1', 2]);
    expect(volumes.map(({ volume }: { volume: string }) => volume)).toEqual(['log', 'db', 'idle']);
    expect(volumes[1]).toEqual({
      volume: 'db',
      pool: 'p',
      serving: true,
      readIops: 50,
      writeIops: 0,
      readBytesPerSecond: 204_800,
      writeBytesPerSecond: 0,
      meanUs: 20,
      p50Us: 24,
      p99Us: expect.closeTo(31.84),
      queueDepth: 0.001,
      throttledPercent: 0,
    });
    expect(volumes[0]).toMatchObject({ writeIops: 150, meanUs: 2000, queueDepth: 0.3, throttledPercent: 25 });
    expect(volumes[2]).toMatchObject({ readIops: 0, meanUs: null, p99Us: null, queueDepth: 0 });
  });

  it('is in the order that is asked for', async () => {
    const { volumes } = await document('--sort', 'read');
    expect(volumes[0].volume).toBe('db');
    const byName = (await document('--sort', 'name')).volumes.map(({ volume }: { volume: string }) => volume);
    expect(byName).toEqual(['db', 'idle', 'log']);
  });

  it('of pods sums the volumes that each uses, and knows its claims', async () => {
    const put = (volume: string, uid: string, claim?: string) =>
      daemon.api.world.service.pods.put(volume, {
        uid,
        node: 'worker-1',
        namespace: 'shop',
        name: `pod-${uid}`,
        ...(claim !== undefined && { claim }),
      });
    await put('db', 'u1', 'data');
    await put('log', 'u1');
    await put('idle', 'u2', 'other');
    const { pods } = await document('pods');
    expect(pods).toMatchObject([
      {
        namespace: 'shop',
        pod: 'pod-u1',
        claims: ['data'],
        node: 'worker-1',
        volumes: ['db', 'log'],
        readIops: 50,
        writeIops: 150,
        queueDepth: expect.closeTo(0.301),
      },
      { pod: 'pod-u2', claims: ['other'], readIops: 0 },
    ]);
  });

  it('of a volume that was served anew counts from there, never below 0', async () => {
    const one = cli();
    did(10);
    one.onSleep = () => did(1);
    expect(await one.run('top', '-o', 'json')).toBe(0);
    for (const row of JSON.parse(one.stdout.text).volumes) expect(row.readIops).toBeGreaterThanOrEqual(0);
  });
});

describe('as a table', () => {
  it('prints plain lines for each interval, -n of them', async () => {
    const one = cli();
    expect(await one.run('top', '-n', '2')).toBe(0);
    const { text } = one.stdout;
    expect(text.match(/^VOLUME {2}/gm)?.length).toBe(2);
    expect(text).toMatch(/^db +p +50 +0 +0\.2 +0\.0 +20 us +24 us +32 us +0\.0 +0 %$/m);
    expect(text).not.toContain('\x1b');
  });

  it('repaints on a terminal; s sorts, q ends it', async () => {
    const one = cli();
    const keys = Object.assign(new PassThrough(), { isTTY: true });
    one.stdin = keys;
    one.stdout.isTTY = true;
    const next = one.onSleep;
    let looks = 0;
    one.onSleep = () => {
      next();
      looks += 1;
      keys.write(looks === 1 ? 's' : 'q');
    };
    expect(await one.run('top')).toBe(0);
    expect(one.stdout.text).toContain('\x1b[H\x1b[2J');
    expect(looks).toBeGreaterThan(1);
  });
});

describe('refusals', () => {
  it.each([['-d', '0'], ['-d', 'x'], ['-d', '4000'], ['-n', '0'], ['--sort', 'colour'], ['nodes']])(
    '%s %s',
    async (...argv) => {
      const one = cli();
      expect(await one.run('top', ...argv.filter(Boolean))).toBe(2);
      expect(one.stdout.text).toBe('');
    },
  );

  it('no daemon: exit 3', async () => {
    await daemon.stop();
    expect(await cli().run('top', '-o', 'json')).toBe(3);
  });
});

describe('quantileUs', () => {
  it('is evenly spread within a bucket, and the last bound above all', () => {
    const bounds = [8, 16, 32];
    expect(quantileUs([], bounds, 0.5)).toBeNull();
    expect(quantileUs([10], bounds, 0.5)).toBe(4);
    expect(quantileUs([0, 10], bounds, 0.5)).toBe(12);
    expect(quantileUs([5, 0, 5], bounds, 0.99)).toBeCloseTo(31.68);
    expect(quantileUs([0, 0, 0, 1], bounds, 0.99)).toBe(32);
  });
});
