// The client against servers that are no daemon, or a bad one: every failure is one line with the right code.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient, toBytes } from '../../../src/client/api-client.js';
import { httpEndpoint } from '../../../src/client/endpoint.js';
import { ask } from '../../../src/client/transport.js';

let directory: string;
let tokenFile: string;
let server: Server | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ballast-client-'));
  tokenFile = join(directory, 'token');
  await writeFile(tokenFile, ' secret.token\n');
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const clientOf = async (url: string) => new ApiClient(await httpEndpoint(url, tokenFile));

describe('an address', () => {
  it.each(['127.0.0.1:8420', 'ftp://x', 'http://', 'http://u:p@x', 'http://x/?token=a', 'http://x/v2/'])(
    '%s is refused',
    async (url) => {
      await expect(httpEndpoint(url, tokenFile)).rejects.toMatchObject({ code: 'INVALID_URI' });
    },
  );

  it('may be what serve prints', async () => {
    expect(await httpEndpoint('http://127.0.0.1:8420/v1/', tokenFile)).toMatchObject({
      token: 'secret.token',
    });
  });

  it('needs a file with a token', async () => {
    const missing = httpEndpoint('http://x', join(directory, 'none'));
    await expect(missing).rejects.toThrow('cannot be read (ENOENT)');
    await writeFile(tokenFile, 'two words');
    await expect(httpEndpoint('http://x', tokenFile)).rejects.toThrow(`${tokenFile} has none`);
    await expect(httpEndpoint('http://x', directory)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a request', () => {
  it('sends its token in a header, names as they are, and a body as JSON', async () => {
    const seen: unknown[] = [];
    const url = await serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push([request.method, request.url, request.headers.authorization, body]);
      response.end('{}');
    });
    const client = await clientOf(url);
    await client.volume('../tokens?x=1');
    await client.deleteSnapshot({ volume: 'a/b', name: 'ü' });
    await client.extents('v', { since: 'a&b', offset: undefined });
    await client.startScrub('p', 1n << 60n);
    expect(seen).toEqual([
      ['GET', '/v1/volumes/..%2Ftokens%3Fx%3D1', 'Bearer secret.token', ''],
      ['DELETE', '/v1/volumes/a%2Fb/snapshots/%C3%BC', 'Bearer secret.token', ''],
      ['GET', '/v1/volumes/v/extents?since=a%26b', 'Bearer secret.token', ''],
      ['POST', '/v1/pools/p/scrub', 'Bearer secret.token', '{"bytesPerSecond":"1152921504606846976"}'],
    ]);
  });

  it.each([
    ['no JSON', 200, 'hello', 'UNREACHABLE', 'answered 200 without JSON; is it a Ballast daemon?'],
    ['a page of another server', 404, '<html>', 'UNREACHABLE', 'answered 404 in a way of its own'],
    ['a redirect', 302, '{}', 'UNREACHABLE', 'answered 302'],
    ['an error', 409, '{"code":"POOL_EXISTS","message":"no"}', 'POOL_EXISTS', 'no'],
    ['an error of a later version', 418, '{"code":"TEAPOT","message":"no tea"}', 'INTERNAL', 'no tea'],
    ['an error by a name of Object', 418, '{"code":"toString","message":"no"}', 'INTERNAL', 'no'],
  ])('that is answered with %s fails with a code', async (_what, status, text, code, reason) => {
    const url = await serve((_request, response) => response.writeHead(status).end(text));
    const failed = (await clientOf(url)).pools();
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringContaining(reason) });
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });

  it('that is not answered ends', async () => {
    const url = await serve(() => undefined);
    const endpoint = await httpEndpoint(url, tokenFile);
    const late = ask(endpoint, { method: 'GET', path: 'pools', timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: 'UNREACHABLE', reason: 'did not answer in 0.05 s' });
  });

  it('whose connection is lost says that nobody knows', async () => {
    const url = await serve((request) => request.socket.destroy());
    await expect((await clientOf(url)).destroyPool('p')).rejects.toThrow('whether it was done is not known');
  });

  it('to nobody says what to do', async () => {
    const client = new ApiClient({ socketPath: join(directory, 'api.sock') });
    await expect(client.pools()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('api.sock: no daemon answers there; `ballast serve` starts one'),
    });
  });
});

describe('a size', () => {
  it('is exact whichever way it came', () => {
    expect([toBytes(5), toBytes('9223372036854775807'), toBytes(undefined)]).toEqual([
      5n,
      9223372036854775807n,
      0n,
    ]);
  });
});
