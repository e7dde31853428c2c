// /v1/qos: the budget and the classes, who may change them, what is refused and what is left as it was then.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiApp } from '../../../src/api/app-types.js';
import type { Role } from '../../../src/auth/roles.js';
import { ApiHarness } from '../../support/api-harness.js';
import { gib } from '../../support/pool-harness.js';

let api: ApiHarness;
let app: ApiApp;
beforeEach(async () => {
  api = new ApiHarness();
  app = await api.app();
  api.trusted = true;
  const devices = [{ path: api.world.disk('p'), sizeBytes: `${gib}` }];
  await call('POST', 'pools', { name: 'p', devices });
});
afterEach(async () => {
  await app.close();
  await api.close();
});

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

async function call(method: Method, path: string, payload?: object, role?: Role) {
  const headers = role === undefined ? {} : await api.headers(role);
  const answer = await app.inject({
    method,
    url: `/v1/${path}`,
    headers,
    ...(payload !== undefined && { payload }),
  });
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
}

const budget = async () => (await call('GET', 'qos/budget')).body;
const classes = async () =>
  (await call('GET', 'qos/classes')).body.classes.map(({ name }: { name: string }) => name);
const newVolume = (name: string, qos: object) => call('POST', 'volumes', { name, sizeBytes: 16 << 20, qos });

describe('the budget', () => {
  it('is none at first, set, changed and taken away, and outlives a restart', async () => {
    expect(await budget()).toEqual({ iops: 0, guaranteedIops: 0 });
    const set = await call('PUT', 'qos/budget', { iops: 1000, depth: 8 });
    expect(set).toEqual({ status: 200, body: { iops: 1000, depth: 8, guaranteedIops: 0 } });
    await app.close();
    app = await api.app();
    expect(await budget()).toEqual({ iops: 1000, depth: 8, guaranteedIops: 0 });
    expect(api.world.engine.budget).toEqual({ iops: 1000, depth: 8 });
    await call('PUT', 'qos/budget', { iops: 2000 });
    expect(await budget()).toEqual({ iops: 2000, guaranteedIops: 0 });
    expect((await call('PUT', 'qos/budget', { iops: 0 })).status).toBe(200);
    expect(await budget()).toEqual({ iops: 0, guaranteedIops: 0 });
    expect(api.world.engine.budget).toEqual({ iops: 0 });
  });

  it.each([
    [{}],
    [{ iops: '1000' }],
    [{ iops: -1 }],
    [{ iops: 0.5 }],
    [{ iops: 1e15 + 2 }],
    [{ iops: null }],
    [{ iops: 1000, depth: -1 }],
    [{ iops: 1000, depth: 1.5 }],
    [{ iops: 1000, depth: 65_537 }],
    [{ iops: 1000, force: 'yes' }],
    [{ iops: 1000, bytes: 1 }],
    [[]],
  ])('refuses %j, and stays what it was', async (payload) => {
    await call('PUT', 'qos/budget', { iops: 500, depth: 4 });
    const { status, body } = await call('PUT', 'qos/budget', payload);
    expect([status, body.code]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(await budget()).toEqual({ iops: 500, depth: 4, guaranteedIops: 0 });
    expect(api.world.engine.budget).toEqual({ iops: 500, depth: 4 });
  });

  it('is not taken from those who have guarantees, but by force, which leaves them', async () => {
    expect(await newVolume('v', { minIops: 1 })).toMatchObject({
      status: 409,
      body: { code: 'QOS_OVERCOMMITTED' },
    });
    await call('PUT', 'qos/budget', { iops: 1000 });
    expect((await newVolume('v', { minIops: 600 })).status).toBe(201);
    for (const iops of [0, 599]) {
      const { status, body } = await call('PUT', 'qos/budget', { iops });
      expect([status, body.code]).toEqual([409, 'QOS_OVERCOMMITTED']);
      expect(body.message).toMatch(/600 IOPS are guaranteed \(to 'v'\).*force/);
    }
    expect(await budget()).toEqual({ iops: 1000, guaranteedIops: 600 });
    expect((await call('PUT', 'qos/budget', { iops: 0, force: true })).status).toBe(200);
    expect(await budget()).toEqual({ iops: 0, guaranteedIops: 600 });
    expect((await call('GET', 'volumes/v')).body.qos).toEqual({ minIops: 600 });
    expect((await newVolume('w', { minIops: 1 })).status).toBe(409);
    await call('PATCH', 'volumes/v', { qos: null });
    expect(await budget()).toEqual({ iops: 0, guaranteedIops: 0 });
  });
});

describe('classes', () => {
  it('are made, changed for their volumes, and deleted when no volume is of them', async () => {
    expect(await classes()).toEqual(['best-effort', 'medium', 'high']);
    const gold = { iops: 5000, weight: 900 };
    const made = await call('PUT', 'qos/classes/gold', gold);
    expect(made).toEqual({ status: 200, body: { name: 'gold', builtIn: false, qos: gold } });
    await newVolume('v', { class: 'gold' });
    await call('PUT', 'qos/classes/gold', { iops: 6000 });
    const served = api.world.engine.volumes.find(({ name }) => name === 'v');
    expect(served?.qos).toMatchObject({ iops: 6000, weight: 100 });
    const inUse = await call('DELETE', 'qos/classes/gold');
    expect(inUse).toMatchObject({ status: 409, body: { code: 'QOS_CLASS_IN_USE' } });
    await call('PATCH', 'volumes/v', { qos: { class: 'high' } });
    expect(await call('DELETE', 'qos/classes/gold')).toEqual({ status: 204, body: undefined });
    expect(await call('DELETE', 'qos/classes/gold')).toMatchObject({
      status: 404,
      body: { code: 'QOS_CLASS_NOT_FOUND' },
    });
    expect((await call('DELETE', 'qos/classes/high')).status).toBe(409);
    expect(await classes()).toEqual(['best-effort', 'medium', 'high']);
  });

  it.each([
    ['Gold', {}],
    ['-gold', {}],
    ['x'.repeat(64), {}],
    ['gold', { iops: -1 }],
    ['gold', { iops: '5000' }],
    ['gold', { weight: 10_001 }],
    ['gold', { class: 'high' }],
    ['gold', { minIops: 6, iops: 5 }],
    ['gold', { colour: 'red' }],
  ])('refuse %s of %j', async (name, qos) => {
    const { status, body } = await call('PUT', `qos/classes/${name}`, qos);
    expect([status, body.code]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(await classes()).toEqual(['best-effort', 'medium', 'high']);
  });
});

describe('roles', () => {
  beforeEach(() => {
    api.trusted = false;
  });

  it.each([
    ['GET', 'qos/budget', undefined],
    ['GET', 'qos/classes', undefined],
  ] as const)('%s %s is for viewers, and for nobody without a token', async (method, path, payload) => {
    expect((await call(method, path, payload)).status).toBe(401);
    expect((await call(method, path, payload, 'viewer')).status).toBe(200);
  });

  it.each([
    ['PUT', 'qos/budget', { iops: 1 }, 200],
    ['PUT', 'qos/classes/gold', {}, 200],
    ['DELETE', 'qos/classes/gold', undefined, 404],
  ] as const)('%s %s is for admins alone', async (method, path, payload, allowed) => {
    expect((await call(method, path, payload)).status).toBe(401);
    for (const role of ['viewer', 'operator'] as const) {
      expect((await call(method, path, payload, role)).status).toBe(403);
    }
    expect((await call(method, path, payload, 'admin')).status).toBe(allowed);
  });
});
