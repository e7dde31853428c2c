// Pods of volumes, /v1/stats and /metrics: what goes in and out, and who may.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiApp } from '../../../src/api/app-types.js';
import type { Role } from '../../../src/auth/roles.js';
import { podsMax } from '../../../src/pools/pods.js';
import { ApiHarness } from '../../support/api-harness.js';
import { readExposition } from '../../support/exposition-format.js';
import { histogram, volumeStats } from '../../support/fake-metrics.js';
import { gib } from '../../support/pool-harness.js';

let api: ApiHarness;
let app: ApiApp;
beforeEach(async () => {
  api = new ApiHarness();
  app = await api.app();
  api.trusted = true;
  await call('POST', 'v1/pools', {
    name: 'p',
    devices: [{ path: api.world.disk('p'), sizeBytes: `${gib}` }],
  });
  await call('POST', 'v1/volumes', { name: 'db', sizeBytes: 1 << 24 });
});
afterEach(async () => {
  await app.close();
  await api.close();
});

async function call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object, role?: Role) {
  const headers = role === undefined ? {} : await api.headers(role);
  const answer = await app.inject({
    method,
    url: `/${url}`,
    headers,
    ...(payload !== undefined && { payload }),
  });
  const isJson = answer.headers['content-type']?.toString().startsWith('application/json');
  return { status: answer.statusCode, body: isJson ? answer.json() : answer.body };
}

const use = { node: 'worker-1', namespace: 'shop', name: 'db-0', claim: 'data-db-0' };
const podsOf = async (name = 'db') => (await call('GET', `v1/volumes/${name}`)).body.pods;

describe('pods of a volume', () => {
  it('are said, said anew and taken back, each time as often as one likes', async () => {
    expect(await podsOf()).toBeUndefined();
    for (const _ of [1, 2]) expect((await call('PUT', 'v1/volumes/db/pods/u1', use)).status).toBe(204);
    expect(await podsOf()).toEqual([{ uid: 'u1', ...use }]);
    const { claim: _claim, ...inline } = use;
    await call('PUT', 'v1/volumes/db/pods/u1', { ...inline, node: 'worker-2' });
    expect(await podsOf()).toEqual([{ uid: 'u1', ...inline, node: 'worker-2' }]);
    for (const _ of [1, 2]) expect((await call('DELETE', 'v1/volumes/db/pods/u1')).status).toBe(204);
    expect(await podsOf()).toBeUndefined();
  });

  it('are known after a restart, by the UUID of the volume too', async () => {
    const { uuid } = (await call('GET', 'v1/volumes/db')).body;
    await call('PUT', `v1/volumes/${uuid}/pods/u1`, use);
    await app.close();
    app = await api.app();
    expect(await podsOf()).toEqual([{ uid: 'u1', ...use }]);
  });

  it('are refused where a part is missing, empty or foreign, or the volume is not there', async () => {
    const { node: _node, ...without } = use;
    for (const body of [without, { ...use, namespace: '' }, { ...use, secret: 'x' }]) {
      expect((await call('PUT', 'v1/volumes/db/pods/u1', body)).status).toBe(400);
    }
    expect((await call('PUT', 'v1/volumes/none/pods/u1', use)).status).toBe(404);
    expect(await podsOf()).toBeUndefined();
  });

  it('are bounded: one more is refused, and those that are there stay', async () => {
    const volume = api.world.service.volumes.find('db');
    for (let i = 0; i < podsMax; i += 1) await call('PUT', `v1/volumes/db/pods/u${i}`, use);
    expect((await call('PUT', 'v1/volumes/db/pods/more', use)).status).toBe(400);
    expect((await call('PUT', 'v1/volumes/db/pods/u0', use)).status).toBe(204);
    expect((await podsOf()).length).toBe(podsMax);
    expect(volume?.settings.pods).toBeUndefined(); // what was given out before is not changed
  });

  it('are for operators', async () => {
    api.trusted = false;
    expect((await call('PUT', 'v1/volumes/db/pods/u1', use, 'viewer')).status).toBe(403);
    expect((await call('PUT', 'v1/volumes/db/pods/u1', use, 'operator')).status).toBe(204);
  });
});

describe('/v1/stats', () => {
  it('has counters, latency and pods of all volumes, and the time', async () => {
    await call('PUT', 'v1/volumes/db/pods/u1', use);
    const stats = volumeStats('db', { reads: 2n ** 60n, inFlight: 2 });
    const latency = { ...stats.latency, read: histogram({ 1: 4, 3: 1 }, 0.5) } as typeof stats.latency;
    api.activity = [{ ...stats, ...(latency && { latency }) }];
    api.clock.advance(1500);
    const { status, body } = await call('GET', 'v1/stats');
    expect(status).toBe(200);
    expect(body).toMatchObject({ node: 'node-1', timeMs: api.clock.steadyMs() });
    expect(body.latencyBoundsUs.slice(0, 3)).toEqual([8, 16, 32]);
    expect(body.volumes).toEqual([
      {
        name: 'db',
        uuid: expect.any(String),
        kind: 'pool',
        pool: 'p',
        serving: true,
        pods: [{ uid: 'u1', ...use }],
        reads: `${2n ** 60n}`,
        writes: 0,
        readBytes: 0,
        writeBytes: 0,
        errors: 0,
        inFlight: 2,
        throttledIos: 0,
        throttledSeconds: 0,
        latency: { read: { counts: [0, 4, 0, 1], sumSeconds: 0.5 } },
      },
    ]);
  });

  it('has a volume that is not served, with zeroes', async () => {
    expect((await call('GET', 'v1/stats')).body.volumes).toMatchObject([
      { name: 'db', reads: 0, latency: {} },
    ]);
  });
});

describe('/metrics', () => {
  it('is text for viewers, and nobody without a token', async () => {
    api.trusted = false;
    expect((await call('GET', 'metrics')).status).toBe(401);
    const { status, body } = await call('GET', 'metrics', undefined, 'viewer');
    expect(status).toBe(200);
    expect(readExposition(body).has('ballast_volume_info')).toBe(true);
  });
});
