// The TCP socket of a gRPC server. Beyond loopback only with certificates of both sides: who has none that
// the authority signed is refused before anything of gRPC is read. An address for strangers, who have none
// yet, is of its own kind: few connections, and none for long.
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { formatHost, type HostPort } from '../base/address.js';
import { AddressInUseError, InvalidArgumentError, ListenError } from '../base/errors.js';

/** PEM. */
export interface ServerCertificate {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** PEM. */
export interface ServerTls extends ServerCertificate {
  /** Those that may have signed the certificates of clients. */
  readonly clientAuthority: Buffer;
}

export interface BoundSocket {
  readonly server: Server;
  /** With the port that was chosen where 0 was asked. */
  readonly address: HostPort;
}

const connectionsMax = 1024;
const strangersMax = 64;
const strangerMsMax = 15_000;
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
  return bind(server, { host, port });
}

/** `take` gets sockets that are encrypted and whose peer may be anybody; they are closed after a while. */
export async function listenForStrangers(
  address: HostPort,
  certificate: ServerCertificate,
  take: (socket: Socket) => void,
): Promise<BoundSocket> {
  const server = tlsServer(certificate, (socket) => {
    const late = setTimeout(() => socket.destroy(), strangerMsMax);
    socket.once('close', () => clearTimeout(late));
    take(socket);
  });
  server.maxConnections = strangersMax;
  return bind(server, address);
}

/** For connections that come from now on. Of a server with TLS. */
export function useCertificate(server: Server, certificate: ServerCertificate | ServerTls): void {
  (server as TlsServer).setSecureContext(contextOf(certificate));
}

async function bind(server: Server, { host, port }: HostPort): Promise<BoundSocket> {
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

function tlsServer(tls: ServerCertificate | ServerTls, take: (socket: Socket) => void): Server {
  const mutual = 'clientAuthority' in tls;
  const server = createTlsServer({
    ...contextOf(tls),
    requestCert: mutual,
    rejectUnauthorized: mutual,
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMsMax,
    noDelay: true,
  });
  server.on('secureConnection', take);
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function contextOf(tls: ServerCertificate | ServerTls) {
  return {
    cert: tls.certificate,
    key: tls.key,
    minVersion: 'TLSv1.3' as const,
    ...('clientAuthority' in tls && { ca: tls.clientAuthority }),
  };
}
