// GET /metrics on an address of its own, without a token: for Prometheus, where the REST API is not to be
// reached or the process has none. The caller says which address; loopback is the default of the options.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatHost, type HostPort } from '../base/address.js';
import { AddressInUseError, ListenError } from '../base/errors.js';
import { contentType } from './exposition.js';

const connectionsMax = 16;
const requestMsMax = 10_000;

export interface MetricsListener {
  /** What was bound: with the port that was chosen where 0 was asked. */
  readonly address: HostPort;
  close(): Promise<void>;
}

/** `text` is asked at each scrape. */
export async function listenForMetrics(
  { host, port }: HostPort,
  text: () => AsyncIterable<string>,
): Promise<MetricsListener> {
  const server = createServer(
    { headersTimeout: requestMsMax, requestTimeout: requestMsMax },
    (request, response) => void answer(request, response, text).catch(() => response.destroy()),
  );
  server.maxConnections = connectionsMax;
  await bind(server, { host, port });
  const bound = server.address() as AddressInfo;
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  text: () => AsyncIterable<string>,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'only GET');
  if (request.url?.replace(/\?.*$/s, '') !== '/metrics') return refuse(response, 404, 'see /metrics');
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
  if (request.method === 'HEAD') return void response.end();
  await pipeline(Readable.from(text()), response);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function bind(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const name = `http://${formatHost(host)}:${port}/metrics`;
      reject(
        cause.code === 'EADDRINUSE'
          ? new AddressInUseError(name, { cause })
          : new ListenError(name, cause.code ?? cause.message, { cause }),
      );
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
}
