// The REST API of a running daemon, by TCP and by its Unix socket: who gets in, what it tells, and that it
// comes and goes with the daemon.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiCall, callApi } from '../support/api-client.js';
import { ballast, type Target, Workspace } from '../support/ballast.js';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

const volume = ['--volume', 'a=mem:16MiB'];
const socket = () => `unix:${workspace.path('state/api.sock')}`;
const adminToken = async () => (await readFile(workspace.path('state/api-token'), 'utf8')).trim();

async function serve(...argv: string[]): Promise<{ target: Target; base: string }> {
  const target = await workspace.serve(...volume, ...argv);
  return { target, base: await target.api };
}

describe('the REST API', () => {
  it('needs a token by TCP, and none by the Unix socket', async () => {
    const { base } = await serve();
    expect(base).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await callApi(base, '/v1/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
    const stranger = await callApi(base, '/v1/volumes');
    expect(stranger).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED', details: {} } });
    const token = await adminToken();
    expect((await callApi(base, '/v1/volumes', { token: `x${token}` })).status).toBe(401);
    const known = await callApi(base, '/v1/volumes', { token });
    const local = await callApi(socket(), '/v1/volumes');
    expect([known.status, local.status]).toEqual([200, 200]);
    expect(local.body).toEqual(known.body);
    expect((await stat(workspace.path('state/api-token'))).mode & 0o777).toBe(0o600);
    expect((await stat(workspace.path('state/api.sock'))).mode & 0o777).toBe(0o600);
  });

  it('tells of the volumes and of what hosts did with them', async () => {
    const { target } = await serve('--volume', 'b=null:1024P');
    const uri = target.volumeUri('a');
    await ballast(['write', uri, '--lba', '0'], { input: randomBytes(65_536) });
    await ballast(['read', uri, '--lba', '0', '--blocks', '16']);
    const { body } = await callApi(socket(), '/v1/volumes/a');
    expect(body).toMatchObject({
      name: 'a',
      kind: 'memory',
      sizeBytes: 16 << 20,
      nqn: target.nqn('a'),
      nsid: 1,
      durable: false,
      counters: { readBytes: 65_536, writeBytes: 65_536, errors: 0 },
    });
    expect((await callApi(socket(), '/v1/volumes/b')).body.sizeBytes).toBe((2n ** 60n).toString());
    const node = (await callApi(socket(), '/v1/node')).body;
    expect(node).toMatchObject({
      listeners: [{ transport: 'tcp', host: '127.0.0.1', port: target.port }],
      reactors: [expect.anything()],
      volumes: 2,
    });
    expect(Number(node.transport.connectionsTotal)).toBeGreaterThanOrEqual(4);
    expect(node.memory.residentBytes).toBeGreaterThan(1 << 20);
    const version = await callApi(socket(), '/v1/version');
    expect(version.body.version).toBe(node.version);
  });

  it('makes tokens of a role, keeps them over a crash, and takes them back', async () => {
    const first = await serve();
    const admin: ApiCall = { token: await adminToken() };
    const make = (base: string, name: string, role: string) =>
      callApi(base, '/v1/tokens', { ...admin, method: 'POST', payload: { name, role } });
    const made: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      made.push((await make(first.base, `t${index}`, index === 0 ? 'operator' : 'viewer')).body.token);
    }
    first.target.signal('SIGKILL');
    await first.target.exited;

    const { target, base } = await serve();
    for (const token of made) expect((await callApi(base, '/v1/node', { token })).status).toBe(200);
    const denied = await callApi(base, '/v1/tokens', { token: made[0] ?? '' });
    expect(denied).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN', details: { role: 'operator', needed: 'admin' } },
    });
    const bad = await make(base, 'x', 'root');
    expect(bad).toMatchObject({
      status: 400,
      body: { code: 'INVALID_ARGUMENT', details: { field: 'role' } },
    });
    const gone = await callApi(base, '/v1/tokens/t1', { ...admin, method: 'DELETE' });
    expect(gone.status).toBe(204);
    expect((await callApi(base, '/v1/node', { token: made[1] ?? '' })).status).toBe(401);
    const { body } = await callApi(base, '/v1/tokens', admin);
    expect(body.tokens).toHaveLength(19);
    expect(await target.stop()).toBe(0);
    const secrets = [...made, admin.token ?? ''].map((token) => token.slice(0, 43));
    for (const secret of secrets)
      expect(target.stderr + first.target.stderr + target.stdout).not.toContain(secret);
  });

  it('says 404 for what is not there, and describes what is', async () => {
    const { base, target } = await serve();
    expect(await callApi(base, '/v1/nothing')).toMatchObject({
      status: 404,
      body: { code: 'ROUTE_NOT_FOUND' },
    });
    expect(await callApi(socket(), '/v1/volumes/none')).toMatchObject({
      status: 404,
      body: { code: 'VOLUME_NOT_FOUND', message: "there is no volume 'none'", details: { volume: 'none' } },
    });
    const { body } = await callApi(base, '/v1/openapi.json');
    expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/v1/tokens': { post: expect.anything() } } });
    expect(target.stderr).not.toMatch(/warning|deprecat/i);
  });

  it('answers at once when the daemon is ready, and not after its end', async () => {
    const target = await workspace.serve(...volume);
    expect((await callApi(socket(), '/v1/node')).status).toBe(200);
    expect(await target.stop()).toBe(0);
    await expect(stat(workspace.path('state/api.sock'))).rejects.toThrow('ENOENT');
    expect(target.stdout).toMatch(/^ready\napi http:\S+\/v1\/, unix:\/\S+\/state\/api\.sock$/m);
  });

  it('is on its Unix socket only when that is asked, and back after a crash', async () => {
    const first = await serve('--api-listen', 'off');
    expect(first.base).toBe('');
    first.target.signal('SIGKILL');
    await first.target.exited;
    await serve('--api-listen', 'off');
    expect((await callApi(socket(), '/v1/node')).status).toBe(200);
  });

  it('can be used by curl as the documentation says', async (context) => {
    context.skip(spawnSync('curl', ['--version']).status !== 0, 'no curl');
    await serve();
    const argv = ['-sS', '--unix-socket', workspace.path('state/api.sock'), 'http://localhost/v1/volumes'];
    expect(JSON.parse(spawnSync('curl', argv, { encoding: 'utf8' }).stdout).volumes).toHaveLength(1);
  });
});

describe('serve refuses, before anything is served', () => {
  const refused = async (argv: readonly string[]) => {
    const options = ['--data', workspace.path('state'), '--listen', 'tcp://127.0.0.1:0', ...volume];
    const outcome = await ballast(['serve', ...options, ...argv]);
    expect(outcome.stdout.toString()).toBe('');
    expect(outcome.stderr.trimEnd()).not.toContain('\n');
    return [outcome.code, outcome.stderr] as const;
  };
  const anyPort = ['--api-listen', '127.0.0.1:0'];

  it('a state directory that another daemon has, which serves on', async () => {
    await serve();
    const [code, text] = await refused(anyPort);
    expect([code, text]).toEqual([1, expect.stringContaining('state/store: another process uses it')]);
    expect((await callApi(socket(), '/v1/health')).status).toBe(200);
  });

  it('an address of the API that is taken, and changes nothing', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const [code, text] = await refused(['--api-listen', address]);
    expect([code, text]).toEqual([1, `ballast: http://${address}: another process listens there\n`]);
    await expect(stat(workspace.path('state'))).rejects.toThrow('ENOENT');
    other.close();
  });

  it('a token file that others could have read, and a file in the place of the socket', async () => {
    const { target } = await serve();
    await target.stop();
    await chmod(workspace.path('state/api-token'), 0o644);
    expect(await refused(anyPort)).toEqual([1, expect.stringContaining('has mode 0644 instead of 0600')]);
    await chmod(workspace.path('state/api-token'), 0o600);
    await writeFile(workspace.path('state/api.sock'), '');
    expect(await refused(anyPort)).toEqual([1, expect.stringContaining('api.sock: there is a file')]);
  });

  it('a state directory whose path is too long for a socket', async () => {
    const long = workspace.path('x'.repeat(100));
    expect(await refused([...anyPort, '--data', long])).toEqual([1, expect.stringContaining('107 bytes')]);
    await expect(stat(long)).rejects.toThrow('ENOENT');
  });
});
