// The TCP socket of a gRPC server. Beyond loopback only with certificates of both sides: who has none that
// the authority signed is refused before anything of gRPC is read.
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { formatHost, type HostPort } from '../base/address.js';
import { AddressInUseError, InvalidArgumentError, ListenError } from '../base/errors.js';

/** PEM. */
export interface ServerTls {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** Those that may have signed the certificates of clients. */
  readonly clientAuthority: Buffer;
}

export interface BoundSocket {
  readonly server: Server;
  /** With the port that was chosen where 0 was asked. */
  readonly address: HostPort;
}

const connectionsMax = 1024;
const handshakeMsMax = 5_000;

/** The address is numeric. With `tls`, `take` gets sockets that are encrypted and whose peer is known. */
export async function listenOnTcp(
  { host, port }: HostPort,
  tls: ServerTls | undefined,
  take: (socket: Socket) => void,
): Promise<BoundSocket> {
  if (tls === undefined && !isLoopback(host)) {
    throw new InvalidArgumentError(
      'address',
      `a loopback address, or certificates of both sides; got ${host}`,
    );
  }
  const server = tls === undefined ? createServer({ noDelay: true }, take) : tlsServer(tls, take);
  server.maxConnections = connectionsMax;
  const name = `${formatHost(host)}:${port}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new AddressInUseError(name, { cause })
          : new ListenError(name, cause.code ?? cause.message, { cause }),
      ),
    );
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const bound = server.address();
  return { server, address: { host, port: typeof bound === 'object' && bound !== null ? bound.port : port } };
}

export function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

function tlsServer({ certificate, key, clientAuthority }: ServerTls, take: (socket: Socket) => void): Server {
  const server = createTlsServer({
    cert: certificate,
    key,
    ca: clientAuthority,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMsMax,
    noDelay: true,
  });
  server.on('secureConnection', take);
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}
