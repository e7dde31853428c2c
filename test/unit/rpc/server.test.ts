// The server over its socket, called by grpc-js: answers, errors, streams, deadlines, bounds, what is logged.
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, constants } from 'node:http2';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvalidUriError, UnreachableError } from '../../../src/base/errors.js';
import { RpcError } from '../../../src/rpc/status.js';
import { parseUnixEndpoint } from '../../../src/rpc/unix-socket.js';
import { EchoHarness } from './echo.js';

let echo: EchoHarness;
beforeEach(() => {
  echo = new EchoHarness();
});
afterEach(() => echo.close());

describe('a call', () => {
  it('is answered, with 64-bit numbers as text', async () => {
    await echo.start();
    const { answer } = await echo.call('Say', { text: 'hello', number: '9007199254740993' });
    expect(answer).toMatchObject({ text: 'hello', number: '9007199254740993', inner: null, flags: [] });
  });

  it('that is refused has the status and the text of the refusal', async () => {
    await echo.start({
      Say: async ({ text }) => {
        throw new RpcError('FAILED_PRECONDITION', `not ${text}`);
      },
    });
    const { error } = await echo.call('Say', { text: 'now' });
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'not now' });
  });

  it('has the status of an error of the catalogue', async () => {
    await echo.start({
      Say: async () => {
        throw new UnreachableError('unix:/x', 'no daemon answers there');
      },
    });
    expect((await echo.call('Say', {})).error).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'unix:/x: no daemon answers there',
    });
  });

  it('that fails for another reason says nothing of it to the caller, and all to the log', async () => {
    await echo.start({
      Say: async () => {
        throw new Error('password=canary');
      },
    });
    const { error } = await echo.call('Say', {});
    expect(error).toMatchObject({ code: status.INTERNAL });
    expect(error?.details).not.toContain('canary');
    expect(echo.lines.find(({ level }) => level === 50)).toMatchObject({ method: 'Say', err: {} });
    expect(JSON.stringify(echo.lines)).toContain('password=canary');
  });

  it('of a method that is not there is UNIMPLEMENTED', async () => {
    await echo.start();
    const client = echo.client();
    const { error } = await new Promise<{ error: { code?: number } | null }>((resolve) => {
      client.makeUnaryRequest(
        '/echo.Echo/Nothing',
        () => Buffer.alloc(0),
        () => undefined,
        {},
        (failure) => resolve({ error: failure }),
      );
    });
    expect(error?.code).toBe(status.UNIMPLEMENTED);
  });

  it('K20: that passes its deadline is aborted for the handler, which ends by itself', async () => {
    let aborted: Promise<unknown> = Promise.resolve();
    await echo.start({
      Say: async (request, { signal }) => {
        aborted = once(signal, 'abort');
        await aborted;
        return request;
      },
    });
    const { error } = await echo.call('Say', {}, { deadline: Date.now() + 50 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    await aborted;
  });

  it('that was answered is not aborted when its stream ends, or the server', async () => {
    const signals: AbortSignal[] = [];
    await echo.start({
      Say: async (request, { signal }) => {
        signals.push(signal);
        return request;
      },
    });
    expect((await echo.call('Say', {})).error).toBeNull();
    expect((await echo.call('Say', {})).error).toBeNull(); // the first one's stream has ended by now
    await echo.server.close();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });
});

describe('a stream', () => {
  it('sends what the handler yields, and its end', async () => {
    await echo.start({
      Count: async function* ({ number }) {
        for (let index = 0; index < Number(number); index += 1) yield { number: String(index) };
      },
    });
    const numbers: string[] = [];
    for await (const { number } of echo.stream({ number: '1000' })) numbers.push(number);
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, index) => String(index)));
  });

  it('ends with the error of its handler, after what was sent', async () => {
    await echo.start({
      Count: async function* () {
        yield { number: '1' };
        throw new RpcError('NOT_FOUND', 'gone meanwhile');
      },
    });
    const stream = echo.stream({});
    const seen: string[] = [];
    stream.on('data', ({ number }) => seen.push(number));
    const [error] = await once(stream, 'error');
    expect(error).toMatchObject({ code: status.NOT_FOUND, details: 'gone meanwhile' });
    expect(seen).toEqual(['1']);
  });

  it('stops asking its handler when the caller has gone, or does not read', async () => {
    let yielded = 0;
    let finished: (value: unknown) => void = () => undefined;
    const ended = new Promise((resolve) => {
      finished = resolve;
    });
    await echo.start({
      Count: async function* () {
        try {
          for (;;) {
            yielded += 1;
            yield { text: 'x'.repeat(100_000) };
          }
        } finally {
          finished(undefined);
        }
      },
    });
    const stream = echo.stream({});
    await once(stream, 'readable');
    for (let turn = 0; turn < 3000; turn += 1) await new Promise(setImmediate);
    expect(yielded).toBeLessThan(1000); // 100 MB; what fits into buffers is some
    stream.on('error', () => undefined);
    stream.cancel();
    await ended;
  });
});

describe('K23: bounds', () => {
  it('refuses a message above 4 MiB, and one that unpacks to more', async () => {
    await echo.start();
    const large = await echo.call('Say', { text: 'x'.repeat(5 << 20) });
    expect(large.error?.code).toBe(status.RESOURCE_EXHAUSTED);

    const session = connectHttp2('http://localhost', {
      createConnection: () => createConnection(echo.path),
    });
    const bomb = gzipSync(Buffer.alloc(256 << 20));
    const head = Buffer.alloc(5);
    head[0] = 1;
    head.writeUInt32BE(bomb.length, 1);
    const request = session.request({
      ':method': 'POST',
      ':path': '/echo.Echo/Say',
      'content-type': 'application/grpc',
      'grpc-encoding': 'gzip',
      te: 'trailers',
    });
    const trailers = new Promise<Record<string, unknown>>((resolve) => {
      request.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers));
      request.on('trailers', resolve);
    });
    request.end(Buffer.concat([head, bomb]));
    request.resume();
    expect((await trailers)['grpc-status']).toBe(String(status.RESOURCE_EXHAUSTED));
    session.destroy();
    expect((await echo.call('Say', { text: 'still there' })).answer.text).toBe('still there');
  });

  it('takes a message of just below 4 MiB', async () => {
    await echo.start();
    const { answer } = await echo.call(
      'Say',
      { text: 'x'.repeat((4 << 20) - 100) },
      {},
      echo.client({ 'grpc.max_receive_message_length': -1 }),
    );
    expect(answer.text).toHaveLength((4 << 20) - 100);
  });

  it('survives thousands of streams that are reset as soon as they are opened', async () => {
    await echo.start();
    const session = connectHttp2('http://localhost', {
      createConnection: () => createConnection(echo.path),
    });
    session.on('error', () => undefined);
    // The server may end the session before all are sent: that ends them too.
    const ended = Array.from({ length: 3000 }, async () => {
      const request = session.request({ ':method': 'POST', ':path': '/echo.Echo/Say' });
      request.on('error', () => undefined);
      request.close(constants.NGHTTP2_CANCEL);
      if (!request.closed || !request.destroyed) await once(request, 'close');
    });
    await Promise.all(ended);
    session.destroy();
    expect((await echo.call('Say', { text: 'still there' })).answer.text).toBe('still there');
  });

  it('survives what is not HTTP/2', async () => {
    await echo.start();
    const socket = createConnection(echo.path);
    socket.on('error', () => undefined);
    socket.end('GET / HTTP/1.1\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect((await echo.call('Say', { text: 'still there' })).answer.text).toBe('still there');
  });
});

describe('the log', () => {
  const secret = 'canary-5f3a';

  it('K18: has no content of a map or of a hidden field, at any level', async () => {
    await echo.start({
      CreateNothing: async (request) => request,
      Count: async function* () {
        yield {};
        throw new Error('broken');
      },
    });
    const request = {
      text: 'seen',
      secretThings: { password: secret },
      flags: [secret],
      inner: { secretThings: { [secret]: 'value' }, text: 'also seen' },
    };
    await echo.call('Say', request);
    await echo.call('CreateNothing', request);
    const stream = echo.stream(request);
    stream.resume();
    await once(stream, 'error');
    expect(echo.lines).toHaveLength(3);
    expect(echo.lines.map(({ level }) => level)).toEqual([20, 30, 50]);
    expect(JSON.stringify(echo.lines)).not.toContain(secret);
    expect(echo.lines[1]).toMatchObject({
      method: 'CreateNothing',
      request: {
        text: 'seen',
        secretThings: '[1 removed]',
        flags: '[1 removed]',
        inner: { text: 'also seen' },
      },
      response: { text: 'seen', secretThings: '[1 removed]' },
    });
  });

  it('K7: has text of callers escaped and cut', async () => {
    await echo.start();
    await echo.call('Say', { text: `a\n\u202eb\u0000${'x'.repeat(500)}` });
    const [{ request } = {}] = echo.lines as { request?: { text: string } }[];
    expect(request?.text).toMatch(/^a\\u\{a\}\\u\{202e\}b\\u\{0\}x+\.\.\.$/);
    expect(request?.text.length).toBeLessThan(200);
  });
});

describe('the socket', () => {
  it('K23: is 0600 whatever the umask, and is gone after the end', async () => {
    const before = process.umask(0);
    try {
      await echo.start();
    } finally {
      process.umask(before);
    }
    expect(statSync(echo.path).mode & 0o777).toBe(0o600);
    await echo.server.close();
    expect(existsSync(echo.path)).toBe(false);
  });

  it('replaces one that nobody answers on', async () => {
    // As a process leaves it that was killed.
    const directory = mkdtempSync(join(tmpdir(), 'ballast-stale-'));
    const gone = createServer().listen(join(directory, 'other.sock'));
    await once(gone, 'listening');
    renameSync(join(directory, 'other.sock'), echo.path);
    gone.close();
    expect(existsSync(echo.path)).toBe(true);
    await echo.start();
    expect((await echo.call('Say', { text: 'new' })).answer.text).toBe('new');
    rmSync(directory, { recursive: true });
  });

  it('leaves one alone that somebody answers on, and what is no socket', async () => {
    await echo.start();
    await expect(echo.newServer({}).listen(echo.path)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    expect((await echo.call('Say', { text: 'mine' })).answer.text).toBe('mine');
    const file = join(echo.directory, 'file.sock');
    writeFileSync(file, 'precious');
    chmodSync(file, 0o600);
    await expect(echo.newServer({}).listen(file)).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
    expect(statSync(file).size).toBe(8);
  });

  it('in a directory that is not there is an error that says so', async () => {
    const path = join(echo.directory, 'missing', 'a.sock');
    await expect(echo.newServer({}).listen(path)).rejects.toMatchObject({
      reason: expect.stringContaining('directory'),
    });
  });

  it('is closed in time while a call is under way', async () => {
    let began: (value: unknown) => void = () => undefined;
    const under = new Promise((resolve) => {
      began = resolve;
    });
    await echo.start({
      Say: (_request, { signal }) => {
        began(undefined);
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new RpcError('ABORTED', 'the caller has gone')));
        });
      },
    });
    const call = echo.call('Say', {});
    await under;
    await echo.server.close();
    expect((await call).error?.code).not.toBe(0);
  });
});

describe('the end of a server', () => {
  it('waits for what is under way, and answers it', async () => {
    let began: (value: unknown) => void = () => undefined;
    const under = new Promise((resolve) => {
      began = resolve;
    });
    let answered = false;
    await echo.start({
      Say: async (request) => {
        began(undefined);
        await new Promise((resolve) => setTimeout(resolve, 200));
        answered = true;
        return request;
      },
    });
    const call = echo.call('Say', { text: 'late' });
    await under;
    await echo.server.close();
    expect(answered).toBe(true);
    expect((await call).answer).toMatchObject({ text: 'late' });
  });

  it('waits for no stream that never ends, and does not tell its reader that it has ended', async () => {
    await echo.start({
      Count: async function* (request, { signal }) {
        yield request;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    const stream = echo.stream({ text: 'first' });
    await once(stream, 'data');
    const failed = once(stream, 'error');
    const beganMs = performance.now();
    await echo.server.close();
    expect((await failed)[0]).toMatchObject({ code: status.UNAVAILABLE });
    expect(performance.now() - beganMs).toBeLessThan(10_000);
  });
});

describe('parseUnixEndpoint', () => {
  it.each([
    ['unix:///csi/csi.sock', '/csi/csi.sock'],
    ['unix:/csi/csi.sock', '/csi/csi.sock'],
    ['/csi/csi.sock', '/csi/csi.sock'],
  ])('takes %s', (text, path) => expect(parseUnixEndpoint(text)).toBe(path));

  it.each([
    '',
    'csi.sock',
    'unix://csi.sock',
    'tcp://127.0.0.1:1',
    'unix:///a/',
    `/${'x'.repeat(107)}`,
    '/a\0b',
  ])('refuses %j', (text) => expect(() => parseUnixEndpoint(text)).toThrow(InvalidUriError));
});
