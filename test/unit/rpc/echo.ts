// A server with the service of echo.proto on a socket of its own, and clients of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type ClientReadableStream,
  credentials,
  makeClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { pino } from 'pino';
import type { Handlers } from '../../../src/rpc/handlers.js';
import { RpcServer } from '../../../src/rpc/server.js';
import { loadServices } from '../../../src/rpc/services.js';

export interface Words {
  readonly text: string;
  readonly number: string;
  readonly secretThings: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
  readonly inner: Words | null;
}

export interface EchoService {
  Say: { request: Words; response: Words };
  CreateNothing: { request: Words; response: Words };
  Count: { request: Words; stream: Words };
}

export const services = loadServices(fileURLToPath(new URL('echo.proto', import.meta.url)), 'echo');
const definition = services.byName.get('Echo')!;
const EchoClient = makeClientConstructor(definition, 'Echo');

export interface Answer {
  readonly error: ServiceError | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly answer: any;
}

export class EchoHarness {
  readonly directory = mkdtempSync(join(tmpdir(), 'ballast-rpc-'));
  readonly path = join(this.directory, 'echo.sock');
  readonly lines: Record<string, unknown>[] = [];
  readonly #clients: InstanceType<typeof EchoClient>[] = [];
  server = this.newServer({});

  newServer(handlers: Partial<Handlers<EchoService>>): RpcServer {
    const write = (line: string) => void this.lines.push(JSON.parse(line));
    const server = new RpcServer({
      log: pino({ level: 'debug' }, { write }),
      hidden: new Set([...services.mapFields, 'flags']),
      changes: (method) => method.startsWith('Create'),
      endless: (method) => method === 'Count',
    });
    const none = async function* () {};
    server.add<EchoService>(definition, {
      Say: async (request) => request,
      CreateNothing: async () => ({}),
      Count: none,
      ...handlers,
    });
    return server;
  }

  async start(handlers: Partial<Handlers<EchoService>> = {}): Promise<void> {
    this.server = this.newServer(handlers);
    await this.server.listen(this.path);
  }

  client(options: object = {}): InstanceType<typeof EchoClient> {
    const client = new EchoClient(`unix:${this.path}`, credentials.createInsecure(), options);
    this.#clients.push(client);
    return client;
  }

  call(method: string, request: object, options: object = {}, client = this.client()): Promise<Answer> {
    return new Promise((resolve) => {
      client[method]!(request, options, (error: ServiceError | null, answer: unknown) =>
        resolve({ error, answer }),
      );
    });
  }

  stream(request: object, client = this.client()): ClientReadableStream<Words> {
    return client.Count!(request) as unknown as ClientReadableStream<Words>;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.server.close();
    rmSync(this.directory, { recursive: true });
  }
}
