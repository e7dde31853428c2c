import { spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { listenForMetrics } from '../../../src/metrics/listen.js';
import { Metrics } from '../../../src/metrics/metrics.js';
import { readExposition } from '../../support/exposition-format.js';
import {
  fakeMetricsSource,
  measuredVolume,
  statsOf,
  textOf,
  volumeStats,
} from '../../support/fake-metrics.js';

const metrics = new Metrics({ source: fakeMetricsSource, node: 'node-1', version: '1.2.3' });
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

async function read() {
  const families = readExposition(await textOf(metrics.text()));
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
    const found = family?.samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
    );
    return found?.length === 1 ? found[0]?.value : found?.length;
  };
  return { families, value };
}

describe('metrics', () => {
  it('are in the format of Prometheus, and so again at the next scrape', async () => {
    const { families } = await read();
    expect(families.size).toBeGreaterThan(40);
    expect([...(await read()).families.keys()]).toEqual([...families.keys()]);
  });

  it.skipIf(!hasPromtool)('pass promtool (needs the package prometheus)', async () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await textOf(metrics.text()),
      encoding: 'utf8',
    });
    expect(`${stdout}${stderr}`).toBe('');
    expect(status).toBe(0);
  });

  it('tell how mirrored volumes and their members are', async () => {
    const { value } = await read();
    const db = { volume: 'db', node: 'node-1' };
    expect(value('ballast_mirror_state', { ...db, state: 'serving' })).toBe(1);
    expect(value('ballast_mirror_members', { ...db, state: 'in_sync' })).toBe(2);
    expect(value('ballast_mirror_members', { ...db, state: 'joining' })).toBe(1);
    expect(value('ballast_mirror_members_in_sync', db)).toBe(2);
    expect(value('ballast_mirror_members_wanted', db)).toBe(3);
    expect(value('ballast_mirror_min_in_sync', db)).toBe(1);
    expect(value('ballast_mirror_epoch', db)).toBe(7);
    expect(value('ballast_mirror_unreconciled_regions', db)).toBe(4);
    expect(value('ballast_mirror_marked_regions', db)).toBe(9);
    expect(value('ballast_mirror_resync_done_bytes', { ...db, member: 'm3' })).toBe(5);
    expect(value('ballast_mirror_resync_total_bytes', db)).toBe(20); // of who is copied to, alone
    expect(value('ballast_mirror_verify_done_bytes', db)).toBe(6);
    expect(value('ballast_mirror_verify_total_bytes', db)).toBe(30);
    expect(value('ballast_mirror_verify_different_bytes', db)).toBe(4096);
    expect(value('ballast_mirror_verify_unreadable_bytes', db)).toBe(8192);
  });

  it('tell what a volume did, by volume and node', async () => {
    const { value } = await read();
    const db = { volume: 'db', node: 'node-1' };
    expect(value('ballast_volume_reads_completed_total', db)).toBe(5);
    expect(value('ballast_volume_written_bytes_total', db)).toBe(2 ** 60);
    expect(value('ballast_volume_errors_total', { ...db, type: 'media' })).toBe(1);
    expect(value('ballast_volume_in_flight', db)).toBe(3);
    expect(value('ballast_volume_throttled_seconds_total', db)).toBe(1.5);
    expect(value('ballast_volume_guarantee_kept_ratio', db)).toBe(0.9);
    const name = 'ballast_volume_io_duration_seconds';
    expect(value(`${name}_bucket`, { ...db, op: 'read', le: '0.000008' })).toBe(3);
    expect(value(`${name}_bucket`, { ...db, op: 'read', le: '0.000032' })).toBe(4);
    expect(value(`${name}_bucket`, { ...db, op: 'read', le: '16.777216' })).toBe(4);
    expect(value(`${name}_bucket`, { ...db, op: 'read', le: '+Inf' })).toBe(5);
    expect(value(`${name}_sum`, { ...db, op: 'read' })).toBe(20);
    expect(value(`${name}_count`, { ...db, op: 'flush' })).toBe(0); // none: no such series
  });

  it('tell of a volume that is not served, and of names that need escaping', async () => {
    const { value } = await read();
    expect(value('ballast_volume_serving', { volume: 'gone' })).toBe(0);
    expect(value('ballast_volume_reads_completed_total', { volume: 'gone' })).toBe(0); // no such series
    expect(value('ballast_volume_serving', { volume: 'a"\\b' })).toBe(1);
  });

  it('tell what limits and guarantees hold, and no limit where there is none', async () => {
    const { value } = await read();
    const limit = 'ballast_volume_qos_limit_iops';
    const bytes = 'ballast_volume_qos_limit_bytes_per_second';
    expect(value(limit, { volume: 'db', op: 'all' })).toBe(5000);
    expect(value(limit, { volume: 'db', op: 'write' })).toBe(10);
    expect(value(limit, { volume: 'db', op: 'read' })).toBe(0); // no such series
    expect(value(bytes, { volume: 'db', op: 'all' })).toBe(3 << 20);
    expect(value(bytes, { volume: 'db' })).toBe(3 << 20); // the only one
    expect(value(limit, { volume: 'gone' })).toBe(0); // no such series
    expect(value('ballast_volume_qos_guaranteed_iops', { volume: 'db' })).toBe(400);
    expect(value('ballast_volume_qos_guaranteed_iops', { volume: 'gone' })).toBe(0);
    expect(value('ballast_volume_qos_weight', { volume: 'db' })).toBe(900);
    expect(value('ballast_volume_qos_weight', { volume: 'gone' })).toBe(100);
    expect(value('ballast_qos_budget_iops')).toBe(60_000);
  });

  it('tell what volumes take of their pools, of those that are counted', async () => {
    const { value } = await read();
    expect(value('ballast_volume_allocated_bytes', { volume: 'db' })).toBe(3 << 20);
    expect(value('ballast_volume_allocated_bytes', { volume: 'gone' })).toBe(0); // no such series
  });

  it('tell which pods use a volume', async () => {
    const { value } = await read();
    const labels = { volume: 'db', namespace: 'shop', pod: 'db-1', claim: 'data-db-0', node: 'worker-1' };
    expect(value('ballast_volume_pod_info', labels)).toBe(1);
    expect(value('ballast_volume_pod_info', { volume: 'gone' })).toBe(0);
  });

  it('tell of pools: what is open has its room, what is not says so', async () => {
    const { value } = await read();
    expect(value('ballast_pool_allocated_bytes', { pool: 'pool0' })).toBe(250);
    expect(value('ballast_pool_reserved_bytes', { pool: 'pool0' })).toBe(100);
    expect(value('ballast_pool_open', { pool: 'lost' })).toBe(0);
    expect(value('ballast_pool_size_bytes', { pool: 'lost' })).toBe(0); // no such series
  });

  it('tell of the daemon', async () => {
    const { value } = await read();
    expect(value('ballast_reactor_busy_seconds_total', { reactor: '0' })).toBe(2.5);
    expect(value('ballast_transport_pdu_errors_total', { fes: '2' })).toBe(2);
    expect(value('ballast_keep_alive_timeouts_total')).toBe(6);
    expect(value('ballast_build_info', { version: '1.2.3', component: 'daemon' })).toBe(1);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('let others have their turn while they are made of many volumes', async () => {
    const names = Array.from({ length: 2000 }, (_, index) => `v${index}`);
    const many = new Metrics({
      source: {
        ...fakeMetricsSource,
        stats: () => statsOf(names.map((name) => volumeStats(name))),
        volumes: () => names.map((name) => measuredVolume(name)),
      },
      node: 'n',
      version: '1',
    });
    let turns = 0;
    let reading = true;
    const count = () => {
      turns += 1;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    let parts = 0;
    for await (const part of many.text()) {
      parts += 1;
      expect(part.length).toBeLessThan(128 * 1024);
    }
    reading = false;
    expect(parts).toBeGreaterThan(10);
    expect(turns).toBeGreaterThanOrEqual(parts - 2);
  });
});

describe('listenForMetrics', () => {
  it('answers /metrics without a token, and nothing else', async () => {
    const listener = await listenForMetrics({ host: '127.0.0.1', port: 0 }, () => metrics.text());
    const ask = (path: string, method = 'GET') =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        request({ ...listener.address, path, method, agent: false }, (response) => {
          let text = '';
          response.on('data', (part) => {
            text += part;
          });
          response.on('end', () => resolve({ status: response.statusCode, text }));
        })
          .on('error', reject)
          .end();
      });
    try {
      const { status, text } = await ask('/metrics');
      expect(status).toBe(200);
      expect(readExposition(text).has('ballast_volume_info')).toBe(true);
      expect((await ask('/v1/volumes')).status).toBe(404);
      expect((await ask('/metrics', 'POST')).status).toBe(405);
      const taken = listenForMetrics(listener.address, () => metrics.text());
      await expect(taken).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    } finally {
      await listener.close();
    }
  });
});
