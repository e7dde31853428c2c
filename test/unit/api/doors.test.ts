// The doors on real sockets: ports that the kernel chooses, sockets in a directory of the test.
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiDoors } from '../../../src/api/doors.js';

let directory: string;
let path: string;
let doors: ApiDoors;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ballast-doors-'));
  path = join(directory, 'api.sock');
  doors = new ApiDoors();
});
afterEach(async () => {
  await doors.close();
  await rm(directory, { recursive: true });
});

async function get(where: object): Promise<{ status: number | undefined; text: string }> {
  const request = httpRequest({ ...where, path: '/', agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, text };
}

// The answer to garbage: what was sent before it has been read by then.
async function garbage(where: NetConnectOpts): Promise<string> {
  const socket = connect(where);
  socket.end('GARBAGE\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

const loopback = { host: '127.0.0.1', port: 0 };
const serveTrust = () =>
  doors.serve((request, response) => response.end(doors.isTrusted(request) ? 'trusted' : 'stranger'));

describe('the doors', () => {
  it('tell who came by the socket, and who by TCP', async () => {
    const { port } = await doors.openTcp(loopback);
    await doors.openSocket(path);
    serveTrust();
    expect((await get({ socketPath: path })).text).toBe('trusted');
    expect((await get({ host: '127.0.0.1', port })).text).toBe('stranger');
  });

  it('let those who come early wait for the server behind them', async () => {
    await doors.openSocket(path);
    const early = get({ socketPath: path });
    await garbage({ path });
    serveTrust();
    expect(await early).toEqual({ status: 200, text: 'trusted' });
  });

  it('make the socket for its owner only, whatever the umask, and leave the umask', async () => {
    const before = process.umask(0);
    try {
      await doors.openSocket(path);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(before);
    }
  });

  it('take the place of a socket that was left behind, and remove theirs', async () => {
    const { spawnSync } = await import('node:child_process');
    const listen = `require('net').createServer().listen(${JSON.stringify(path)}`;
    const crash = `${listen}, () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ['-e', crash]);
    expect((await stat(path)).isSocket()).toBe(true);
    await doors.openSocket(path);
    serveTrust();
    expect((await get({ socketPath: path })).status).toBe(200);
    await doors.close();
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('leave alone a socket that somebody answers on, and what is not a socket', async () => {
    const other = createServer().listen(path);
    await once(other, 'listening');
    await expect(doors.openSocket(path)).rejects.toThrow(
      expect.objectContaining({ code: 'ADDRESS_IN_USE', message: expect.stringContaining(path) }),
    );
    const still = connect({ path });
    await once(still, 'connect');
    still.destroy();
    other.close();
    const file = join(directory, 'file');
    await writeFile(file, 'mine');
    await chmod(file, 0o644);
    await expect(doors.openSocket(file)).rejects.toThrow(expect.objectContaining({ code: 'LISTEN_FAILED' }));
    expect((await stat(file)).size).toBe(4);
  });

  it('say which address is taken, or cannot be listened on', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(doors.openTcp({ host: '127.0.0.1', port })).rejects.toThrow(
      `http://127.0.0.1:${port}: another process listens there`,
    );
    await expect(doors.openTcp({ host: '192.0.2.1', port: 0 })).rejects.toThrow('EADDRNOTAVAIL');
    other.close();
  });

  it('answer garbage with 400 in the form of every error', async () => {
    const { port } = await doors.openTcp(loopback);
    serveTrust();
    const text = await garbage({ host: '127.0.0.1', port });
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('finish what is being answered when they close, and take nothing new', async () => {
    const { port } = await doors.openTcp(loopback);
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      doors.serve((_request, response) => {
        answer = () => void response.end('done');
        resolve();
      });
    });
    const slow = get({ host: '127.0.0.1', port });
    await asked;
    const closed = doors.close();
    answer();
    expect(await slow).toEqual({ status: 200, text: 'done' });
    await closed;
    await expect(get({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED');
  });

  it('refuse those who still wait when they close', async () => {
    await doors.openSocket(path);
    const early = get({ socketPath: path });
    await garbage({ path });
    await doors.close();
    expect(await early).toMatchObject({ status: 503, text: expect.stringContaining('CLOSED') });
  });
});
