import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostName, Network, storeName } from '../../../src/drills/network/network.js';
import { inodeOf, ownerOf } from '../../../src/drills/network/socket-owner.js';

/** Answers what it gets in capitals. */
class Echo {
  readonly sockets = new Set<Socket>();
  readonly server: Server = createServer((socket) => {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (data) => {
      this.heard += data;
      socket.write(data.toString().toUpperCase());
    });
  });
  heard = '';

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }
}

class Client {
  heard = '';
  isClosed = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (data) => {
      this.heard += data;
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  async hears(text: string): Promise<void> {
    await expect.poll(() => this.heard, { timeout: 20_000 }).toBe(text);
  }
}

let echo: Echo;
let echoPort = 0;
let network: Network;
const clients: Client[] = [];
const children: ChildProcess[] = [];
beforeEach(async () => {
  echo = new Echo();
  echoPort = await echo.listen();
  network = new Network();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const { socket } of clients.splice(0)) socket.destroy();
  await network.close();
  for (const socket of echo.sockets) socket.destroy();
  echo.server.close();
});

const client = (port: number) => {
  const made = new Client(port);
  clients.push(made);
  return made;
};
/** Long enough for what passes to have come. */
const moment = () => new Promise((resolve) => setTimeout(resolve, 100));

describe('a network', () => {
  it('passes what is not cut', async () => {
    const one = client(await network.addNode('n1', echoPort, () => 0));
    one.socket.write('hello');
    await one.hears('HELLO');
    one.socket.end();
    await expect.poll(() => echo.sockets.size).toBe(0);
  });

  it('holds what is sent while it is cut, and both ends hear nothing; then it arrives', async () => {
    const one = client(await network.addNode('n1', echoPort, () => 0));
    one.socket.write('a');
    await one.hears('A');
    network.cut((from, to) => from === 'n1' || to === 'n1');
    one.socket.write('b');
    for (const socket of echo.sockets) socket.write('from here');
    await moment();
    expect([one.heard, echo.heard]).toEqual(['A', 'a']);
    network.heal();
    await expect.poll(() => echo.heard).toBe('ab');
    await one.hears('Afrom hereB');
  });

  it('can be cut in one direction', async () => {
    const one = client(await network.addNode('n1', echoPort, () => 0));
    one.socket.write('a');
    await one.hears('A');
    network.cut((from) => from === 'n1');
    one.socket.write('b');
    await expect.poll(() => echo.heard).toBe('ab');
    await moment();
    expect(one.heard).toBe('A');
    network.heal();
    await one.hears('AB');
  });

  it('lets connections that are made meanwhile wait, and hides the end of the other side', async () => {
    const port = await network.addNode('n1', echoPort, () => 0);
    const before = client(port);
    before.socket.write('a');
    await before.hears('A');
    network.cut(() => true);
    const meanwhile = client(port);
    meanwhile.socket.write('b');
    for (const socket of echo.sockets) socket.destroy();
    await moment();
    expect([before.isClosed, meanwhile.isClosed, echo.heard]).toEqual([false, false, 'a']);
    network.heal();
    await meanwhile.hears('B');
    await expect.poll(() => before.isClosed).toBe(true);
  });

  it('is cut between two of them alone', async () => {
    const [n1, n2] = [
      await network.addNode('n1', echoPort, () => 0),
      await network.addNode('n2', echoPort, () => 0),
    ];
    const toStore = client(await network.addWayToStore('n1', echoPort));
    const [toN1, toN2] = [client(n1), client(n2)];
    network.cut((from, to) => [from, to].includes('n1') && [from, to].includes(storeName));
    for (const one of [toStore, toN1, toN2]) one.socket.write('x');
    await Promise.all([toN1.hears('X'), toN2.hears('X')]);
    await moment();
    expect(toStore.heard).toBe('');
    network.cut((from, to) => [from, to].includes(hostName) && to === 'n2');
    for (const one of [toN1, toN2]) one.socket.write('y');
    await Promise.all([toStore.hears('X'), toN1.hears('XY')]);
    await moment();
    expect(toN2.heard).toBe('X');
  });

  it('knows which node has connected', async () => {
    let pid = 0;
    await network.addNode('n2', echoPort, () => pid);
    const port = await network.addNode('n1', echoPort, () => process.pid + 1_000_000);
    network.cut((from, to) => from === 'n2' && to === 'n1');
    const script = `require('net').connect(${port}, '127.0.0.1').write('child')`;
    const child = spawn(process.execPath, ['-e', script]);
    children.push(child);
    pid = child.pid ?? 0;
    const mine = client(port);
    mine.socket.write('mine');
    await mine.hears('MINE');
    await moment();
    expect(echo.heard).toBe('mine');
    network.heal();
    await expect.poll(() => echo.heard, { timeout: 20_000 }).toBe('minechild');
  });
});

describe('the owner of a socket', () => {
  it('is found among those that are asked for', async () => {
    const one = client(echoPort);
    await once(one.socket, 'connect');
    const port = one.socket.localPort ?? 0;
    expect(await ownerOf(port, [1_000_000_000, process.pid])).toBe(process.pid);
    expect(await ownerOf(port, [])).toBeUndefined();
    expect(await ownerOf(0, [process.pid])).toBeUndefined();
  });

  it('is looked for by the local port, on loopback', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1144 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 111 1',
      '   1: 0100007F:8000 0100007F:1144 01 00000000:00000000 00:00000000 00000000     0        0 222 1',
    ].join('\n');
    expect(inodeOf(table, 0x8000)).toBe('222');
    expect(inodeOf(table, 0x1144)).toBe('111');
    expect(inodeOf(table, 7)).toBeUndefined();
  });
});
