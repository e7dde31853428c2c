// PATCH /v1/mirrors/NAME: what it takes and refuses. What the service does with it is tested beside it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiApp } from '../../../src/api/app-types.js';
import { ApiHarness } from '../../support/api-harness.js';

describe('a change of a mirrored volume', () => {
  let api: ApiHarness;
  let app: ApiApp;
  beforeEach(async () => {
    api = new ApiHarness();
    app = await api.app();
    api.trusted = true;
  });
  afterEach(async () => {
    await app.close();
    await api.close();
  });

  const change = (payload: object) => app.inject({ method: 'PATCH', url: '/v1/mirrors/db', payload });

  it('sets the rate of copies, then the size', async () => {
    const answer = await change({ sizeBytes: 1 << 30, resyncBytesPerSecond: `${1n << 60n}` });
    expect(answer.statusCode).toBe(200);
    await change({ resyncBytesPerSecond: null });
    expect(api.memberChanges).toEqual([
      ['resync-rate', 'db', `${1n << 60n}`],
      ['resize', 'db', `${1 << 30}`],
      ['resync-rate', 'db', 'undefined'],
    ]);
  });

  // Zero would be the automatic rate, for which there is null, or no copy at all.
  it.each([
    { resyncBytesPerSecond: 0 },
    { resyncBytesPerSecond: '0' },
    { resyncBytesPerSecond: '-1' },
    { resyncBytesPerSecond: 'auto' },
    {},
    { rate: 1 },
  ])('refuses %j and changes nothing', async (wrong) => {
    expect((await change(wrong)).statusCode).toBe(400);
    expect(api.memberChanges).toEqual([]);
  });
});
