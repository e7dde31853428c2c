// /v1/volumes/NAME/ana: who may set the state of a path, to what, and of which volume.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiApp } from '../../../src/api/app-types.js';
import type { Role } from '../../../src/auth/roles.js';
import { anaStates } from '../../../src/base/ana.js';
import { ApiHarness } from '../../support/api-harness.js';
import { fakeAnaStates } from '../../support/fake-data-plane.js';

let api: ApiHarness;
let app: ApiApp;
beforeEach(async () => {
  fakeAnaStates.clear();
  api = new ApiHarness();
  app = await api.app();
  api.trusted = true;
});
afterEach(async () => {
  await app.close();
  await api.close();
});

async function put(volume: string, payload: unknown, role?: Role) {
  const headers = role === undefined ? {} : await api.headers(role);
  const answer = await app.inject({
    method: 'PUT',
    url: `/v1/volumes/${volume}/ana`,
    headers,
    payload: payload as object,
  });
  return { status: answer.statusCode, body: answer.json() };
}

describe('the ANA state of a volume', () => {
  it.each(anaStates)('is set to %s, by name or UUID', async (state) => {
    expect(await put('demo', { state })).toEqual({ status: 200, body: { state } });
    expect(fakeAnaStates.get('demo')).toBe(state);
    const uuid = '11111111-2222-3333-4444-777777777777';
    expect((await put(uuid, { state })).status).toBe(200);
    expect(fakeAnaStates.get('huge')).toBe(state);
  });

  it.each([[{}], [{ state: 'Optimized' }], [{ state: 1 }], [{ state: 'optimized', more: true }], [[]]])(
    'refuses %j',
    async (payload) => {
      expect((await put('demo', payload)).status).toBe(400);
      expect(fakeAnaStates.size).toBe(0);
    },
  );

  it('is of a volume that is there, and operators set it', async () => {
    const none = await put('none', { state: 'optimized' });
    expect([none.status, none.body.code]).toEqual([404, 'VOLUME_NOT_FOUND']);
    expect((await put('demo', { state: 'optimized' }, 'viewer')).status).toBe(403);
    expect(fakeAnaStates.size).toBe(0);
  });
});
