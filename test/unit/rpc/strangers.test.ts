// The address of a server for clients without a certificate: nothing is offered there that is not meant for
// them; and what calls know of their peers.
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ClientTls, methodsOf, RpcConnection } from '../../../src/rpc/connection.js';
import type { Call } from '../../../src/rpc/handlers.js';
import type { Peer } from '../../../src/rpc/peers.js';
import { RpcServer } from '../../../src/rpc/server.js';
import { Certificates } from '../../support/certificates.js';
import { type EchoService, services } from './echo.js';

const definition = services.byName.get('Echo')!;
const loopback = { host: '127.0.0.1', port: 0 };
let certificates: Certificates;
let server: RpcServer;
let peers: Peer[];
const opened: { close(): void }[] = [];

beforeAll(() => {
  certificates = new Certificates();
});
afterAll(() => certificates.close());
beforeEach(() => {
  peers = [];
  server = newServer();
});
afterEach(async () => {
  for (const one of opened.splice(0)) one.close();
  await server.close();
});

function newServer(): RpcServer {
  const check = async (_request: unknown, { peer }: Call) => void peers.push(peer);
  const log = pino({ level: 'silent' });
  return new RpcServer({ log, hidden: new Set(), changes: () => false, messageBytesMax: 1024, check });
}

const add = (options?: { readonly forStrangers: boolean }) =>
  server.add<EchoService>(
    definition,
    { Say: async (request) => request, CreateNothing: async () => ({}), Count: async function* () {} },
    options,
  );

function identity(name: string) {
  const { ca, certificate, key } = certificates.issue(name);
  return {
    own: { certificate: readFileSync(certificate), key: readFileSync(key) },
    certificateAuthority: readFileSync(ca),
  };
}

function say(port: number, tls: ClientTls, text = 'x'): Promise<unknown> {
  const connection = new RpcConnection({ ...loopback, port }, { tls });
  opened.push(connection);
  return connection.unary(methodsOf<EchoService>(definition).Say, { text }, { timeoutMs: 5_000 });
}

describe('an address for strangers', () => {
  it('is not there for a service that is not for them, whichever comes first', async () => {
    const { own } = identity('server');
    add();
    await expect(server.listenForStrangers(loopback, own)).rejects.toThrow('not for strangers');
    server = newServer();
    add({ forStrangers: true });
    await server.listenForStrangers(loopback, own);
    expect(() => add()).toThrow('strangers are listened to already');
  });

  it('answers clients without a certificate, who know who it is', async () => {
    const { own, certificateAuthority } = identity('server');
    add({ forStrangers: true });
    const { port } = await server.listenForStrangers(loopback, own);
    await say(port, { certificateAuthority });
    expect(peers).toEqual([{ address: '127.0.0.1' }]);
    const other = new Certificates();
    const stranger = { certificateAuthority: readFileSync(other.ca) };
    await expect(say(port, stranger)).rejects.toMatchObject({ status: 'UNAVAILABLE' });
    other.close();
  });

  it('M2: takes messages of the size that was said', async () => {
    const { own, certificateAuthority } = identity('server');
    add({ forStrangers: true });
    const { port } = await server.listenForStrangers(loopback, own);
    await say(port, { certificateAuthority }, 'x'.repeat(1000));
    await expect(say(port, { certificateAuthority }, 'x'.repeat(1100))).rejects.toMatchObject({
      status: 'RESOURCE_EXHAUSTED',
    });
  });

  it('M11: has few connections; who says nothing loses them, and others are answered', async () => {
    const { own, certificateAuthority } = identity('server');
    add({ forStrangers: true });
    const { port } = await server.listenForStrangers(loopback, own);
    const closed = Array.from({ length: 64 + 8 }, () => silent(port));
    await Promise.race(closed); // one too many
    await Promise.all(closed); // the others: their handshake did not come
    await say(port, { certificateAuthority });
  }, 20_000);
});

describe('a peer', () => {
  it('with a certificate is known by its names, as long as it is there', async () => {
    const { own, certificateAuthority } = identity('server');
    add();
    const tls = { ...own, clientAuthority: certificateAuthority };
    const { port } = await server.listenTcp(loopback, tls);
    await say(port, identity('client'));
    expect(peers).toEqual([{ address: '127.0.0.1', certificateNames: 'IP Address:127.0.0.1' }]);
  });

  it('that comes without TLS has an address and no names', async () => {
    add();
    const { port } = await server.listenTcp(loopback);
    const connection = new RpcConnection({ ...loopback, port });
    opened.push(connection);
    await connection.unary(methodsOf<EchoService>(definition).Say, {}, { timeoutMs: 5_000 });
    expect(peers).toEqual([{ address: '127.0.0.1' }]);
  });
});

describe('the certificate of a server', () => {
  it('is another one for connections that come after it was replaced', async () => {
    const { own, certificateAuthority } = identity('server');
    add({ forStrangers: true });
    const { port } = await server.listenForStrangers(loopback, own);
    await say(port, { certificateAuthority });
    const others = new Certificates();
    const { ca, certificate, key } = others.issue('server');
    server.useCertificate({ certificate: readFileSync(certificate), key: readFileSync(key) });
    await say(port, { certificateAuthority: readFileSync(ca) });
    await expect(say(port, { certificateAuthority })).rejects.toMatchObject({ status: 'UNAVAILABLE' });
    others.close();
  });
});

function silent(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection({ ...loopback, port });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
  });
}
