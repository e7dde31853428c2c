// Where requests come in: a TCP address, where they need a token, and a Unix socket in the state directory,
// where being allowed to open it is enough. Opened early, so that an address that is taken is found before
// volumes are served; requests wait at the door until the server behind it has been loaded.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { formatHost, type HostPort } from '../base/address.js';
import { listen, listenOnUnixSocket } from '../base/listen.js';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const connectionsMax = 256; // for each door
const headersMsMax = 10_000;
const requestMsMax = 30_000;
const closeMsMax = 2_000;

export class ApiDoors {
  readonly #servers: Server[] = [];
  readonly #trusted = new WeakSet<Socket>();
  readonly #handler: Promise<Handler>;
  #setHandler: (handler: Handler) => void = () => undefined;
  #closing: Promise<void> | undefined;

  constructor() {
    this.#handler = new Promise((resolve) => {
      this.#setHandler = resolve;
    });
  }

  /** Resolves with what was bound: with the port that was chosen where 0 was asked. */
  async openTcp({ host, port }: HostPort): Promise<HostPort> {
    const server = this.#newServer();
    await listen(server, { host, port, exclusive: true }, formatHttp({ host, port }));
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }

  /** A socket that nobody answers on is replaced; anything else of that name is left alone. */
  async openSocket(path: string): Promise<void> {
    const server = this.#newServer();
    server.on('connection', (socket: Socket) => this.#trusted.add(socket));
    await listenOnUnixSocket(server, path);
  }

  /** Everything that waits, and all that comes, goes to this handler. */
  serve(handler: Handler): void {
    this.#setHandler(handler);
  }

  /** Whether a request came by the Unix socket. */
  isTrusted(request: IncomingMessage): boolean {
    return this.#trusted.has(request.socket);
  }

  /** Answers what has come, for a while, and takes nothing new. Idempotent. */
  close(): Promise<void> {
    this.#setHandler(refuse); // where none was set: those who wait get an answer
    this.#closing ??= Promise.all(this.#servers.map(closeServer)).then(() => undefined);
    return this.#closing;
  }

  #newServer(): Server {
    const server = createServer(
      { headersTimeout: headersMsMax, requestTimeout: requestMsMax },
      (request, response) => {
        if (this.#closing !== undefined) response.setHeader('connection', 'close');
        void this.#handler.then((handler) => handler(request, response));
      },
    );
    server.maxConnections = connectionsMax;
    server.on('clientError', (_error, socket: Socket) => answerGarbage(socket));
    this.#servers.push(server);
    return server;
  }
}

export function formatHttp({ host, port }: HostPort): string {
  return `http://${formatHost(host)}:${port}`;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const late = setTimeout(() => server.closeAllConnections(), closeMsMax);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
  });
  clearTimeout(late);
}

function refuse(_request: IncomingMessage, response: ServerResponse): void {
  const body = { code: 'CLOSED', message: 'the API is closed', details: {} };
  response.writeHead(503, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

function answerGarbage(socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify({ code: 'INVALID_ARGUMENT', message: 'this is not HTTP/1.1', details: {} });
  const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${body}`);
}
