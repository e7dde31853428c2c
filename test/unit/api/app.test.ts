// The REST server without a network: who gets in, what is refused and how, what the routes answer.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bodyBytesMax } from '../../../src/api/app.js';
import type { ApiApp } from '../../../src/api/app-types.js';
import { StoreFailedError } from '../../../src/base/control-errors.js';
import { NvmeStatusError } from '../../../src/base/errors.js';
import { ApiHarness } from '../../support/api-harness.js';
import { bigCount } from '../../support/fake-data-plane.js';

let api: ApiHarness;
let app: ApiApp;
let admin: { authorization: string };
beforeEach(async () => {
  api = new ApiHarness();
  app = await api.app();
  admin = await api.headers('admin');
});
afterEach(async () => {
  await app.close();
  await api.close();
});

const guarded = [
  ['GET', '/v1/version', 'viewer'],
  ['GET', '/v1/node', 'viewer'],
  ['GET', '/v1/volumes', 'viewer'],
  ['GET', '/v1/stats', 'viewer'],
  ['GET', '/metrics', 'viewer'],
  ['GET', '/v1/volumes/demo', 'viewer'],
  ['GET', '/v1/tokens', 'admin'],
  ['POST', '/v1/tokens', 'admin'],
  ['DELETE', '/v1/tokens/x', 'admin'],
  ['GET', '/v1/cluster/join-tokens', 'admin'],
  ['POST', '/v1/cluster/join-tokens', 'admin'],
  ['DELETE', '/v1/cluster/join-tokens/x', 'admin'],
] as const;

describe('access', () => {
  it.each(guarded)('%s %s is refused without a token, and with a wrong one', async (method, url) => {
    const missing = await app.inject({ method, url });
    expect(missing.statusCode).toBe(401);
    expect(missing.headers['www-authenticate']).toContain('Bearer');
    expect(missing.json()).toEqual({
      code: 'UNAUTHENTICATED',
      message: 'a token is needed: Authorization: Bearer TOKEN',
      details: {},
    });
    const wrong = await app.inject({ method, url, headers: { authorization: `${admin.authorization}x` } });
    expect([wrong.statusCode, wrong.json().code]).toEqual([401, 'UNAUTHENTICATED']);
  });

  it.each(guarded)('%s %s needs the role %3$s', async (method, url, role) => {
    const viewer = await app.inject({ method, url, headers: await api.headers('viewer') });
    const operator = await app.inject({ method, url, headers: await api.headers('operator') });
    for (const answer of [viewer, operator]) {
      if (role === 'viewer') expect(answer.statusCode).toBe(200);
      else {
        expect(answer.statusCode).toBe(403);
        expect(answer.json()).toMatchObject({ code: 'FORBIDDEN', details: { needed: 'admin' } });
      }
    }
  });

  it('is refused to HEAD as to GET', async () => {
    expect((await app.inject({ method: 'HEAD', url: '/v1/tokens' })).statusCode).toBe(401);
    expect((await app.inject({ method: 'HEAD', url: '/v1/tokens', headers: admin })).statusCode).toBe(200);
  });

  it('by the Unix socket needs no token; one that is sent counts', async () => {
    api.trusted = true;
    expect((await app.inject('/v1/tokens')).statusCode).toBe(200);
    const headers = await api.headers('viewer');
    expect((await app.inject({ url: '/v1/tokens', headers })).statusCode).toBe(403);
    const broken = { authorization: 'Bearer x' };
    expect((await app.inject({ url: '/v1/tokens', headers: broken })).statusCode).toBe(401);
  });

  it('of a route that does not say who may use it is refused when the route is added', async () => {
    const careless = new ApiHarness().app((made) => void made.get('/v1/open', async () => 'oops'));
    await expect(careless).rejects.toThrow('GET /v1/open does not say who may use it');
  });

  it('is bounded after failures: 429 with a time to wait', async () => {
    const attempt = () => app.inject({ url: '/v1/node', headers: { authorization: 'Bearer x' } });
    for (let count = 0; count < 10; count += 1) expect((await attempt()).statusCode).toBe(401);
    const bounded = await attempt();
    expect([bounded.statusCode, bounded.headers['retry-after']]).toEqual([429, '1']);
    expect((await app.inject({ url: '/v1/node', headers: admin })).statusCode).toBe(200);
  });
});

describe('a bad request', () => {
  const post = (payload: unknown, headers: object = {}) =>
    app.inject({
      method: 'POST',
      url: '/v1/tokens',
      headers: { ...admin, 'content-type': 'application/json', ...headers },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });

  it.each([
    [{ role: 'viewer' }, 'name', 'it is missing'],
    [{ name: 'a', role: 'root' }, 'role', 'one of viewer, operator, admin'],
    [{ name: 'A b', role: 'viewer' }, 'name', 'pattern'],
    [{ name: 7, role: 'viewer' }, 'name', 'string'],
    [{ name: 'a', role: 'viewer', admin: true }, 'admin', 'there is no such field'],
    [{ name: 'admin', role: 'viewer' }, 'name', "another than 'admin'"],
    [[], '', 'object'],
    ['{', '', 'JSON'],
    ['', '', 'JSON'],
  ])('%j is 400 and names the field', async (payload, field, reason) => {
    const answer = await post(payload);
    expect(answer.statusCode).toBe(400);
    const body = answer.json();
    expect(body.code).toBe('INVALID_ARGUMENT');
    expect(body.message).toContain(reason);
    expect(body.message.startsWith(`${field || 'body'}: expected `)).toBe(true);
    if (field !== '' && payload !== null) expect(body.details.field ?? body.details.argument).toBe(field);
    expect(await api.tokens.list()).toEqual([]);
  });

  it('of too many bytes is 413, of another type 415', async () => {
    const large = await post({ name: 'x'.repeat(bodyBytesMax), role: 'viewer' });
    expect([large.statusCode, large.json()]).toMatchObject([
      413,
      { code: 'REQUEST_TOO_LARGE', details: { maxBytes: bodyBytesMax } },
    ]);
    const form = await post('name=a', { 'content-type': 'application/x-www-form-urlencoded' });
    expect([form.statusCode, form.json().code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });

  it('for what is not there is 404, and says which', async () => {
    const route = await app.inject('/v1/nothing?token=hidden');
    expect([route.statusCode, route.json()]).toEqual([
      404,
      {
        code: 'ROUTE_NOT_FOUND',
        message: 'there is no GET /v1/nothing',
        details: { method: 'GET', path: '/v1/nothing' },
      },
    ]);
    const volume = await app.inject({ url: '/v1/volumes/none', headers: admin });
    expect([volume.statusCode, volume.json()]).toMatchObject([404, { code: 'VOLUME_NOT_FOUND' }]);
    const token = await app.inject({ method: 'DELETE', url: '/v1/tokens/none', headers: admin });
    expect([token.statusCode, token.json()]).toMatchObject([404, { code: 'TOKEN_NOT_FOUND' }]);
    const method = await app.inject({ method: 'PUT', url: '/v1/volumes', headers: admin });
    expect(method.json().code).toBe('ROUTE_NOT_FOUND');
    const broken = await app.inject({ url: '/v1/volumes/%zz', headers: admin });
    expect([broken.statusCode, broken.json().code]).toEqual([400, 'INVALID_ARGUMENT']);
  });
});

describe('an error', () => {
  it('that is ours has its code and fields; one that is not is told to the log only', async () => {
    const status = { statusCodeType: 2, statusCode: 0x81, name: 'Unrecovered Read Error', doNotRetry: true };
    const config = { access: 'everybody' } as const;
    const failing = new ApiHarness();
    const made = await failing.app((added) => {
      added.get('/v1/ours', { config }, async () => {
        throw new NvmeStatusError('read', status);
      });
      added.get('/v1/bug', { config }, async () => {
        throw new TypeError('inner workings');
      });
    });
    const ours = await made.inject('/v1/ours');
    expect([ours.statusCode, ours.json()]).toMatchObject([502, { code: 'NVME_STATUS', details: { status } }]);
    const bug = await made.inject('/v1/bug');
    expect([bug.statusCode, bug.json().code]).toEqual([500, 'INTERNAL']);
    expect(bug.body).not.toContain('inner workings');
    expect(bug.json().details.requestId).toBe(bug.headers['x-request-id']);
    const line = failing.lines.find((text) => text.includes('inner workings')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ requestId: bug.headers['x-request-id'], room: 'api' });
    await made.close();
  });

  it('of the store makes the daemon unhealthy', async () => {
    expect((await app.inject('/v1/health')).json()).toEqual({ status: 'ok' });
    api.failHealth = new StoreFailedError('commit', 'EIO');
    const answer = await app.inject('/v1/health');
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'STORE_FAILED']);
  });
});

describe('the routes', () => {
  const get = async (url: string) => (await app.inject({ url, headers: admin })).json();

  it('tell of the daemon', async () => {
    expect(await get('/v1/version')).toEqual({ version: '1.2.3', api: 'v1', runtime: process.version });
    api.clock.advance(1500);
    expect(await get('/v1/node')).toMatchObject({
      version: '1.2.3',
      processId: process.pid,
      started: '2026-11-21T23:59:59.500Z',
      uptimeSeconds: 2,
      listeners: [{ transport: 'tcp', host: '127.0.0.1', port: 4420 }],
      reactors: [{ turns: 1, busyNs: bigCount.toString(), connections: 4 }],
      transport: { connectionsTotal: 9 },
      controllers: 2,
      volumes: 2,
    });
  });

  it('tell of volumes, numbers above 2^53 as text', async () => {
    const { volumes } = await get('/v1/volumes');
    expect(volumes.map(({ name }: { name: string }) => name)).toEqual(['demo', 'huge']);
    expect(await get('/v1/volumes/demo')).toEqual(volumes[0]);
    expect(volumes[0]).toMatchObject({
      kind: 'file',
      sizeBytes: 1 << 30,
      counters: { reads: 5, readBytes: bigCount.toString() },
    });
    expect(volumes[1]).toMatchObject({ sizeBytes: bigCount.toString(), counters: { reads: 0 } });
  });

  it('make, list and revoke tokens; a token is told once', async () => {
    const payload = { name: 'ci', role: 'viewer' };
    const made = await app.inject({ method: 'POST', url: '/v1/tokens', headers: admin, payload });
    expect(made.statusCode).toBe(201);
    expect(made.headers['cache-control']).toBe('no-store');
    const { token, ...info } = made.json();
    const headers = { authorization: `Bearer ${token}` };
    expect((await app.inject({ url: '/v1/node', headers })).statusCode).toBe(200);
    const twice = await app.inject({ method: 'POST', url: '/v1/tokens', headers: admin, payload });
    expect([twice.statusCode, twice.json().code]).toEqual([409, 'TOKEN_EXISTS']);
    const listed = await app.inject({ url: '/v1/tokens', headers: admin });
    expect(listed.json()).toEqual({ tokens: [info] });
    const revoked = await app.inject({ method: 'DELETE', url: '/v1/tokens/ci', headers: admin });
    expect([revoked.statusCode, revoked.body]).toEqual([204, '']);
    expect((await app.inject({ url: '/v1/node', headers })).statusCode).toBe(401);
  });

  it('tell the log of changes and who made them, and never a token', async () => {
    const payload = { name: 'ci', role: 'viewer' };
    const made = await app.inject({ method: 'POST', url: '/v1/tokens', headers: admin, payload });
    await app.inject({ url: `/v1/volumes?token=${api.admin}`, headers: admin });
    await app.inject({ url: `/v1/${api.admin}`, headers: admin });
    const entries = api.lines.map((line) => JSON.parse(line));
    expect(entries).toContainEqual(
      expect.objectContaining({ level: 30, method: 'POST', path: '/v1/tokens', status: 201, who: 'admin' }),
    );
    for (const secret of [api.admin, made.json().token]) {
      expect(api.lines.join('')).not.toContain(secret.slice(0, 43));
    }
  });
});

describe('the OpenAPI document', () => {
  it('has every route, its access and the form of errors', async () => {
    const document = (await app.inject('/v1/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: 'Ballast', version: '1.2.3' });
    const operations = Object.entries<Record<string, object>>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const others =
      /\/v1\/(?:pools|mirrors|qos|snapshots|keys|volumes\/\{name\}\/)|(?:POST|PATCH|DELETE) \/v1\/volumes/;
    expect(operations.filter((operation) => !others.test(operation)).sort()).toEqual(
      [
        ...guarded.map(([method, url]) => `${method} ${templateOf(url)}`),
        'GET /v1/health',
        'GET /v1/openapi.json',
      ].sort(),
    );
    expect(document.paths['/v1/health'].get.security).toEqual([]);
    expect(document.paths['/v1/node'].get.security).toBeUndefined();
    expect(document.security).toEqual([{ bearer: [] }]);
    const failure = document.paths['/v1/node'].get.responses.default;
    expect(failure.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/Error' });
    expect(Object.keys(document.components.schemas).sort()).toEqual(
      [
        ...[
          'Error',
          'Extents',
          'JoinToken',
          'Keys',
          'Mirror',
          'MirrorSnapshot',
          'NewJoinToken',
          'NewToken',
          'Node',
          'Pool',
          'QosBudget',
          'QosClass',
          'Rotated',
        ],
        ...['Snapshot', 'Stats', 'Token', 'Version', 'Volume'],
      ].sort(),
    );
  });

  it('is true of what the routes answer', async () => {
    const validating = new ApiHarness();
    const made = await validating.app((added) => {
      const config = { access: 'everybody' } as const;
      added.post<{ Body: { schema: object; value: unknown } }>(
        '/v1/validate',
        { config },
        async (request) => {
          const check = request.compileValidationSchema(request.body.schema);
          return { valid: check(request.body.value), errors: check.errors };
        },
      );
    });
    const headers = await validating.headers('admin');
    await validating.tokens.create('ci', 'viewer');
    await validating.world.pool();
    await validating.world.volume('v', { encrypted: true });
    await validating.world.service.snapshots.create([{ volume: 'v', name: 's' }]);
    validating.world.engine.write('p', 'v', 1n, 1);
    const examples: Readonly<Record<string, string>> = {
      'pools/p': 'pools/{name}',
      'volumes/demo': 'volumes/{name}',
      'volumes/v': 'volumes/{name}',
      'volumes/v/snapshots': 'volumes/{name}/snapshots',
      'volumes/v/snapshots/s': 'volumes/{name}/snapshots/{snapshot}',
      'volumes/v/extents': 'volumes/{name}/extents',
    };
    const document: Document = (await made.inject('/v1/openapi.json')).json();
    const plain = ['health', 'version', 'node', 'volumes', 'tokens', 'pools', 'keys'];
    for (const url of [...plain, ...Object.keys(examples)]) {
      const value = (await made.inject({ url: `/v1/${url}`, headers })).json();
      const path = document.paths[`/v1/${examples[url] ?? url}`];
      const schema = path?.get.responses['200'].content['application/json'].schema ?? {};
      const local = JSON.parse(JSON.stringify(schema).replaceAll(/#\/components\/schemas\/(\w+)/g, '$1#'));
      const payload = { schema: local, value };
      const answer = await made.inject({ method: 'POST', url: '/v1/validate', payload });
      expect(answer.json(), url).toEqual({ valid: true, errors: null });
      expect(onlyKnown(schema, value, document), url).toBe(true);
    }
    await made.close();
  });
});

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  readonly paths: Readonly<Record<string, { get: { responses: Record<'200', Answer> } }>>;
}
interface Answer {
  readonly content: { readonly 'application/json': { readonly schema: Schema } };
}

// No field that the document does not know.
function onlyKnown(schema: Schema, value: unknown, document: Document): boolean {
  const name = schema.$ref?.split('/').at(-1);
  const known = name === undefined ? schema : (document.components.schemas[name] ?? {});
  if (Array.isArray(value)) return value.every((one) => onlyKnown(known.items ?? {}, one, document));
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, inner]) => {
    const property = known.properties?.[key];
    return property !== undefined && onlyKnown(property, inner, document);
  });
}

function templateOf(url: string): string {
  return url.replace(/(?<=join-tokens\/)x$/, '{id}').replace(/(?<=s\/)(?:demo|x)$/, '{name}');
}
