// Many of everything on one target: volumes, and connections that all come at once.
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import { callApi } from '../support/api-client.js';
import { ballast, Workspace } from '../support/ballast.js';
import { readExposition } from '../support/exposition-format.js';

const volumesCount = 10_000;
const controllersCount = 40;
const queuesOfOne = 25; // and an admin queue: 1,040 connections
const bytesOfConnectionMax = 16 * 1024;

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

async function anonymousBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

describe('one target', () => {
  it('serves 10,000 volumes, which discovery names and hosts use', async () => {
    const volumes = Array.from({ length: volumesCount }, (_, i) => `  v${i}: null:1GiB\n`);
    await writeFile(workspace.path('many.yaml'), `volumes:\n${volumes.join('')}`);
    const target = await workspace.serve('--config', workspace.path('many.yaml'));
    const environment = { BALLAST_DATA: workspace.path('host') };
    const found = await ballast(['discover', target.uri, '-o', 'json'], { environment });
    const { records }: { records: { subnqn: string }[] } = JSON.parse(found.stdout.toString());
    const nqns = new Set(records.map(({ subnqn }) => subnqn));
    for (const name of ['v0', 'v4999', 'v9999']) {
      expect(nqns).toContain(target.nqn(name));
      const outcome = await ballast(['read', target.volumeUri(name), '--blocks', '1'], { environment });
      expect(outcome.stdout.equals(Buffer.alloc(4096))).toBe(true);
    }
    expect(nqns.size).toBeGreaterThanOrEqual(volumesCount);
  });

  it('tells of 10,000 volumes: each once, by every door', async () => {
    const names = Array.from({ length: volumesCount }, (_, i) => `v${i}`);
    await writeFile(
      workspace.path('many.yaml'),
      `volumes:\n${names.map((name) => `  ${name}: null:1GiB\n`).join('')}`,
    );
    const target = await workspace.serve('--config', workspace.path('many.yaml'));
    const environment = { BALLAST_DATA: workspace.path('host') };
    await ballast(['read', target.volumeUri('v4999'), '--blocks', '1'], { environment });
    await target.api;
    const api = `unix:${workspace.path('state/api.sock')}`;
    const nameOf = ({ name }: { readonly name: string }) => name;
    const { body: stats } = await callApi(api, '/v1/stats');
    expect(stats.volumes.map(nameOf)).toEqual(names);
    expect(stats.volumes[4999]).toMatchObject({ reads: 1, latency: { read: { counts: expect.any(Array) } } });
    const { body: list } = await callApi(api, '/v1/volumes');
    expect(list.volumes.map(nameOf)).toEqual(names);
    expect(list.volumes[4999]).toMatchObject({ counters: { reads: 1 } });
    const families = readExposition((await callApi(api, '/metrics')).body);
    for (const family of ['ballast_volume_info', 'ballast_volume_reads_completed_total']) {
      expect(families.get(family)?.samples.map(({ labels }) => labels.volume)).toEqual(names);
    }
  });

  it('takes 1,040 connections at once, which cost at most 16 KiB each, and lets them go', async () => {
    const target = await workspace.serve('--volume', 'a=mem:1MiB');
    const engine = await Engine.start({ reactors: 1 });
    try {
      const where = { host: '127.0.0.1', port: target.port, nqn: target.nqn('a'), ioQueues: queuesOfOne };
      // What the first host needs once is no cost of a connection.
      const first = await engine.connect(where);
      await target.api; // started behind the volumes, and larger than all connections
      const before = await anonymousBytes(target.pid);
      const controllers = await Promise.all(
        Array.from({ length: controllersCount }, () => engine.connect(where)),
      );
      const after = await anonymousBytes(target.pid);
      for (const controller of controllers) {
        expect(controller.info.ioQueues).toBe(queuesOfOne);
        expect((await controller.namespaces[0]?.read(0n, 1))?.length).toBe(4096);
      }
      const connections = controllersCount * (queuesOfOne + 1);
      expect((after - before) / connections).toBeLessThan(bytesOfConnectionMax);
      await Promise.all([first, ...controllers].map((controller) => controller.close()));
    } finally {
      await engine.close();
    }
    expect(await target.stop()).toBe(0);
  });
});
