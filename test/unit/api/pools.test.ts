// The routes of pools, volumes, snapshots and keys: what goes in and out, and who may. What the service does
// with it is tested beside it.
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiApp } from '../../../src/api/app-types.js';
import type { Role } from '../../../src/auth/roles.js';
import { ApiHarness } from '../../support/api-harness.js';
import { gib, mib } from '../../support/pool-harness.js';

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

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

async function call(method: Method, url: string, payload?: object) {
  const answer = await app.inject({ method, url: `/v1/${url}`, ...(payload !== undefined && { payload }) });
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
}

const makePool = (name = 'p') =>
  call('POST', 'pools', { name, devices: [{ path: api.world.disk(`${name}.disk`), sizeBytes: `${gib}` }] });
const makeVolume = (name: string, rest: object = {}) =>
  call('POST', 'volumes', { name, sizeBytes: 1 << 24, ...rest });

describe('pools', () => {
  it('are made, shown, extended, verified, exported, imported and destroyed', async () => {
    const path = join(api.world.directory, 'p.disk');
    const made = await makePool();
    expect(made).toMatchObject({
      status: 201,
      body: {
        name: 'p',
        state: 'open',
        problems: [],
        paths: [path],
        devices: [{ path, sizeBytes: Number(gib) }],
        checksums: true,
        extentBytes: 1 << 20,
        freeBytes: Number(gib - 32n * mib),
        volumes: 0,
        scrub: { running: false, doneBytes: 0, totalBytes: 0, errors: 0 },
      },
    });
    expect(await call('GET', 'pools')).toEqual({ status: 200, body: { pools: [made.body] } });
    const more = { path: join(api.world.directory, 'more'), sizeBytes: `${1n << 60n}` };
    const extended = await call('POST', 'pools/p/devices', more);
    expect(extended.body.devices[1].sizeBytes).toBe(`${1n << 60n}`);
    const scrub = await call('POST', 'pools/p/scrub', { bytesPerSecond: 1 << 20 });
    expect([scrub.status, scrub.body.scrub.running]).toEqual([200, true]);
    expect((await call('POST', 'pools/p/scrub')).body.code).toBe('POOL_IN_USE');
    expect((await call('DELETE', 'pools/p/scrub')).body.scrub.running).toBe(false);
    expect(await call('POST', 'pools/p/export')).toEqual({ status: 204, body: undefined });
    expect((await call('GET', 'pools/p')).body.code).toBe('POOL_NOT_FOUND');
    const imported = await call('POST', 'pools/import', { paths: [more.path, path] });
    expect([imported.status, imported.body.uuid]).toEqual([201, made.body.uuid]);
    expect((await call('DELETE', 'pools/p')).status).toBe(204);
    expect((await call('GET', 'pools')).body).toEqual({ pools: [] });
  });

  it.each([
    ['pools', {}, 'name', 'it is missing'],
    ['pools', { name: 'p' }, 'devices', 'it is missing'],
    ['pools', { name: 'p', devices: ['/x'] }, 'devices.0', 'object'],
    ['pools', { name: 'p', devices: [{ path: '/x', sizeBytes: '10GiB' }] }, 'devices.0.sizeBytes', 'pattern'],
    ['pools', { name: 'p', devices: [{ path: '/x', sizeBytes: -1 }] }, 'devices.0.sizeBytes', '>= 0'],
    ['pools', { name: 'p', devices: [], colour: 'red' }, 'colour', 'no such field'],
    ['pools', { name: 'p', devices: [] }, 'devices', '1 to 60'],
    ['pools/import', { paths: '/x' }, 'paths', 'array'],
    ['volumes', { name: 'v', sizeBytes: 1.5 }, 'sizeBytes', 'integer'],
    ['volumes', { name: 'v', sizeBytes: 1, thick: 'yes' }, 'thick', 'boolean'],
    ['volumes', { name: 'v', source: { volume: 'a' } }, 'source.snapshot', 'it is missing'],
    ['snapshots', { snapshots: [{ volume: 'v' }] }, 'snapshots.0.name', 'it is missing'],
    ['keys/rotate', { dropOld: 1 }, 'dropOld', 'boolean'],
  ])('POST %s %j is 400 and names the field', async (url, payload, field, reason) => {
    const { status, body } = await call('POST', url, payload);
    expect([status, body.code]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(body.message).toContain(reason);
    expect(body.details.field ?? body.details.argument).toBe(field);
  });

  it('show what is missing, without figures', async () => {
    await makePool();
    api.world.disks.devices.clear();
    await app.close();
    app = await api.app();
    const { body } = await call('GET', 'pools/p');
    expect(Object.keys(body).sort()).toEqual(['error', 'name', 'paths', 'problems', 'state', 'uuid']);
    expect(body.state).toBe('broken');
  });
});

describe('volumes', () => {
  beforeEach(() => makePool());

  it('are made, resized, renamed, reverted and deleted', async () => {
    const made = await makeVolume('v');
    expect(made).toMatchObject({
      status: 201,
      body: {
        name: 'v',
        kind: 'pool',
        pool: 'p',
        state: 'serving',
        sizeBytes: 1 << 24,
        blockSizeBytes: 4096,
        nsid: 1,
        durable: true,
        thick: false,
        encrypted: false,
        counters: { reads: 0 },
      },
    });
    expect(made.body.nqn).toBe(`nqn.2026-11.dev.ballast:volume:${made.body.uuid}`);
    expect((await call('GET', 'volumes/v')).body).toEqual({ ...made.body, allocatedBytes: 1 << 20 });
    const listed = (await call('GET', 'volumes')).body.volumes;
    expect(listed.map(({ allocatedBytes = 0 }) => allocatedBytes)).toEqual([0, 0, 1 << 20]);
    const names = (await call('GET', 'volumes')).body.volumes.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['demo', 'huge', 'v']);
    expect((await call('GET', 'node')).body.volumes).toBe(3);
    const large = await call('PATCH', 'volumes/v', { sizeBytes: `${1n << 60n}`, name: 'w' });
    expect(large.body).toMatchObject({ name: 'w', sizeBytes: `${1n << 60n}`, nqn: made.body.nqn });
    expect((await call('POST', 'volumes/w/snapshots', { name: 's' })).status).toBe(201);
    expect((await call('POST', 'volumes/w/revert', { snapshot: 's' })).status).toBe(200);
    expect((await call('DELETE', 'volumes/w')).body.code).toBe('VOLUME_IN_USE');
    expect((await call('DELETE', 'volumes/w/snapshots/s')).status).toBe(204);
    expect((await call('DELETE', 'volumes/w?erase=true')).status).toBe(204);
    expect(api.world.engine.calls).toContain('deletePoolVolume p w erase');
    expect((await call('GET', 'volumes/w')).status).toBe(404);
  });

  it('refuse what the table of errors says', async () => {
    await makeVolume('v');
    const thick = await makeVolume('w', { sizeBytes: `${1n << 40n}`, thick: true });
    expect([thick.status, thick.body.code]).toEqual([507, 'NO_SPACE']);
    const twice = await makeVolume('v');
    expect([twice.status, twice.body]).toMatchObject([409, { code: 'DUPLICATE_VOLUME' }]);
    expect((await makeVolume('demo')).body.code).toBe('DUPLICATE_VOLUME');
    for (const [method, url] of [
      ['PATCH', 'volumes/v'],
      ['DELETE', 'volumes/v?erase=1'],
      ['GET', 'volumes/v/extents?limit=0'],
      ['GET', 'volumes/v/extents?offset=-1'],
    ] as const) {
      const answer = await call(method, url);
      expect([answer.status, answer.body.code], url).toEqual([400, 'INVALID_ARGUMENT']);
    }
    expect((await call('GET', 'volumes/v/snapshots/x')).body.code).toBe('SNAPSHOT_NOT_FOUND');
    expect((await call('POST', 'volumes/v/revert', { snapshot: 'x' })).status).toBe(404);
    expect((await call('POST', 'volumes/x/serve')).status).toBe(404);
  });

  it('of the command line cannot be changed', async () => {
    for (const [method, url, payload] of [
      ['PATCH', 'volumes/demo', { name: 'x' }],
      ['DELETE', 'volumes/demo', undefined],
      ['POST', 'volumes/demo/revert', { snapshot: 's' }],
      ['POST', 'volumes/demo/serve', undefined],
      ['POST', 'volumes/demo/erase-key', undefined],
    ] as const) {
      const { status, body } = await call(method, url, payload);
      expect([status, body.message]).toEqual([400, expect.stringContaining('of the command line (file)')]);
    }
  });

  it('are cloned, and grouped in one snapshot', async () => {
    await makeVolume('a');
    await makeVolume('b');
    const snapshots = [
      { volume: 'a', name: 's' },
      { volume: 'b', name: 's' },
    ];
    const group = await call('POST', 'snapshots', { snapshots });
    expect([group.status, group.body.snapshots]).toMatchObject([201, snapshots]);
    expect((await call('GET', 'volumes/a/snapshots')).body.snapshots).toEqual([group.body.snapshots[0]]);
    expect((await call('GET', 'volumes/a/snapshots/s')).body).toEqual(group.body.snapshots[0]);
    expect(group.body.snapshots[0].created).toMatch(/^2026-11-22T/);
    const clone = await call('POST', 'volumes', { name: 'c', source: { volume: 'a', snapshot: 's' } });
    expect([clone.status, clone.body.originUuid]).toEqual([201, group.body.snapshots[0].uuid]);
  });

  it('tell their ranges in pages', async () => {
    await makeVolume('v');
    for (const index of [0n, 2n, 1n << 43n]) api.world.engine.write('p', 'v', index, 1);
    const first = await call('GET', 'volumes/v/extents?limit=2');
    expect(first.body).toEqual({
      extents: [
        { offsetBytes: 0, lengthBytes: 4096 },
        { offsetBytes: 8192, lengthBytes: 4096 },
      ],
      nextOffsetBytes: `${1n << 55n}`,
    });
    const rest = await call('GET', `volumes/v/extents?limit=2&offset=${first.body.nextOffsetBytes}`);
    expect(rest.body).toEqual({ extents: [{ offsetBytes: `${1n << 55n}`, lengthBytes: 4096 }] });
    await call('POST', 'volumes/v/snapshots', { name: 's' });
    api.world.engine.write('p', 'v', 2n, 2);
    const changed = await call('GET', 'volumes/v/extents?since=s');
    expect(changed.body.extents).toEqual([{ offsetBytes: 8192, lengthBytes: 4096 }]);
  });

  it('that are encrypted show which key wraps theirs, and no key', async () => {
    const { body } = await makeVolume('v', { encrypted: true });
    expect(body).toMatchObject({ encrypted: true, keyId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    const rotated = await call('POST', 'keys/rotate', { dropOld: true });
    expect(rotated).toMatchObject({ status: 200, body: { rewrapped: 1, left: [], dropped: 1 } });
    const { keyId } = rotated.body;
    expect((await call('GET', 'volumes/v')).body.keyId).toBe(keyId);
    const keys = (await call('GET', 'keys')).body;
    expect(keys).toMatchObject({ provider: 'file', rotating: false, keys: [{ keyId, volumes: 1 }] });
    const erased = await call('POST', 'volumes/v/erase-key');
    expect(erased.body).toMatchObject({ state: 'erased', encrypted: true });
    expect(erased.body.keyId).toBeUndefined();
    const made = api.world.engine.keys.get('v')!;
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      const told = JSON.stringify([body, rotated.body, keys, erased.body]) + api.lines + api.world.lines;
      expect(told).not.toContain(made.toString(form).slice(0, 32));
    }
  });
});

describe('hosts of a volume', () => {
  const nqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
  const other = `nqn.2026-11.dev.ballast:${'x%/'.repeat(60)}`; // as long and as awkward as they may be
  const path = (volume: string, host: string) => `volumes/${volume}/hosts/${encodeURIComponent(host)}`;
  beforeEach(() => makePool());

  it('are granted and revoked, by the name of the volume or its UUID', async () => {
    const { body: made } = await makeVolume('v', { hosts: [] });
    expect(made.hosts).toEqual([]);
    const granted = await call('PUT', path('v', nqn), { exclusive: true });
    expect(granted).toMatchObject({ status: 200, body: { hosts: [{ nqn, exclusive: true }] } });
    expect(await call('PUT', path(made.uuid, nqn), { exclusive: true })).toEqual(granted);
    expect(await call('PUT', path('v', other))).toMatchObject({
      status: 409,
      body: { code: 'HOST_CONFLICT' },
    });
    expect(await call('DELETE', path(made.uuid, nqn))).toMatchObject({ status: 200, body: { hosts: [] } });
    expect(await call('PUT', path('v', other))).toMatchObject({ status: 200 });
    expect((await call('GET', 'volumes/v/hosts')).body).toEqual({
      granted: [{ nqn: other, exclusive: false }],
      connected: [],
    });
    expect((await call('PATCH', 'volumes/v', { hosts: null })).body).not.toHaveProperty('hosts');
  });

  it('keep a volume from being deleted (K16), unless forced', async () => {
    await makeVolume('v', { hosts: [nqn] });
    expect(await call('DELETE', 'volumes/v')).toMatchObject({ status: 409, body: { code: 'VOLUME_IN_USE' } });
    expect((await call('DELETE', 'volumes/v?force=true')).status).toBe(204);
  });

  it.each([
    ['PUT', path('v', 'host'), undefined, 400, 'INVALID_NQN'],
    ['PUT', path('v', nqn), { readOnly: true }, 400, 'INVALID_ARGUMENT'],
    ['PUT', path('v', nqn), { exclusive: 'yes' }, 400, 'INVALID_ARGUMENT'],
    ['PUT', path('w', nqn), undefined, 404, 'VOLUME_NOT_FOUND'],
    ['DELETE', path('w', nqn), undefined, 404, 'VOLUME_NOT_FOUND'],
    ['DELETE', path('v', nqn), undefined, 400, 'INVALID_ARGUMENT'],
    ['GET', 'volumes/demo/hosts', undefined, 404, 'VOLUME_NOT_FOUND'],
    ['PATCH', 'volumes/v', { hosts: [] }, 400, 'INVALID_ARGUMENT'],
    ['POST', 'volumes', { name: 'x', sizeBytes: 4096, hosts: ['x'] }, 400, 'INVALID_NQN'],
    ['POST', 'volumes', { name: 'x', sizeBytes: 4096, hosts: [nqn, nqn] }, 400, 'INVALID_ARGUMENT'],
  ] as const)('%s %s %o: %i %s', async (method, url, body, status, code) => {
    await makeVolume('v');
    expect(await call(method, url, body)).toMatchObject({ status, body: { code } });
    expect((await call('GET', 'volumes/v')).body).not.toHaveProperty('hosts');
  });
});

describe('snapshots of all volumes', () => {
  it('are told in pages of whole volumes, or those of a name', async () => {
    await makePool();
    const names = ['a', 'b', 'c'];
    for (const name of names) {
      await makeVolume(name);
      for (const snapshot of ['s', `only-${name}`]) {
        await call('POST', `volumes/${name}/snapshots`, { name: snapshot });
      }
    }
    const seen: string[] = [];
    let after = '';
    for (let pages = 0; pages < 3; pages += 1) {
      const { body } = await call('GET', `snapshots?limit=1${after}`);
      expect(body.snapshots).toHaveLength(2);
      for (const { volume, volumeUuid, name } of body.snapshots) {
        expect(volumeUuid).toBe((await call('GET', `volumes/${volume}`)).body.uuid);
        seen.push(`${volume}/${name}`);
      }
      after = `&after=${body.next}`;
      expect(body.next === undefined).toBe(pages === 2);
    }
    expect(seen.sort()).toEqual(names.flatMap((name) => [`${name}/only-${name}`, `${name}/s`]));
    expect((await call('GET', 'snapshots?name=only-b')).body.snapshots).toMatchObject([{ volume: 'b' }]);
    expect((await call('GET', 'snapshots?limit=0')).status).toBe(400);
  });
});

describe('the roles', () => {
  const rows: readonly (readonly [Method, string, Role])[] = [
    ['GET', 'pools', 'viewer'],
    ['GET', 'pools/p', 'viewer'],
    ['POST', 'pools', 'admin'],
    ['POST', 'pools/import', 'admin'],
    ['POST', 'pools/p/devices', 'admin'],
    ['POST', 'pools/p/export', 'admin'],
    ['DELETE', 'pools/p', 'admin'],
    ['POST', 'pools/p/scrub', 'operator'],
    ['DELETE', 'pools/p/scrub', 'operator'],
    ['POST', 'volumes', 'operator'],
    ['PATCH', 'volumes/v', 'operator'],
    ['DELETE', 'volumes/v', 'operator'],
    ['POST', 'volumes/v/revert', 'operator'],
    ['POST', 'volumes/v/serve', 'operator'],
    ['POST', 'volumes/v/erase-key', 'operator'],
    ['GET', 'volumes/v/snapshots', 'viewer'],
    ['POST', 'volumes/v/snapshots', 'operator'],
    ['GET', 'volumes/v/snapshots/s', 'viewer'],
    ['DELETE', 'volumes/v/snapshots/s', 'operator'],
    ['POST', 'snapshots', 'operator'],
    ['GET', 'volumes/v/extents', 'viewer'],
    ['GET', 'keys', 'admin'],
    ['POST', 'keys/rotate', 'admin'],
  ];

  it.each(rows)('%s /v1/%s needs %s', async (method, url, needed) => {
    api.trusted = false;
    const order: Role[] = ['viewer', 'operator', 'admin'];
    for (const role of order) {
      const headers = await api.headers(role);
      const { statusCode } = await app.inject({ method, url: `/v1/${url}`, headers });
      // Whoever may is refused for another reason: there is no pool, and no body.
      expect(statusCode === 403, role).toBe(order.indexOf(role) < order.indexOf(needed));
    }
    expect((await app.inject({ method, url: `/v1/${url}` })).statusCode).toBe(401);
  });

  it('are told by the OpenAPI document, for every route', async () => {
    const document = (await app.inject('/v1/openapi.json')).json();
    for (const [method, url, needed] of rows) {
      const path = `/v1/${url
        .replace(/(?<=pools\/)p|(?<=volumes\/)v/, '{name}')
        .replace(/s$/, (end) => (url.endsWith('/s') ? '{snapshot}' : end))}`;
      const operation = document.paths[path]?.[method.toLowerCase()];
      expect(operation?.description, `${method} ${path}`).toContain(`Needs the role ${needed}.`);
    }
  });
});
