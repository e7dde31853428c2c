// A client of a CSI driver by its Unix socket, as kubelet and the sidecars are.
import { credentials, makeClientConstructor, status } from '@grpc/grpc-js';
import { type CsiServiceName, csiService } from '../../src/csi/services.js';

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer
export type CsiAnswer = any;

export const mountWriter = { mount: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

type Client = Record<string, (...all: unknown[]) => void> & { close(): void };

export class CsiClient {
  /** Of the last call that was refused: status and text. */
  lastRefusal = '';
  readonly #socket: string;
  readonly #clients = new Map<CsiServiceName, Client>();

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** What is answered, or the name of the status. */
  call(service: CsiServiceName, method: string, request: object = {}): Promise<CsiAnswer> {
    const client = this.#client(service);
    return new Promise((resolve) => {
      const done = (error: { code: number; details: string } | null, answer: CsiAnswer) => {
        if (error === null) return resolve(answer);
        this.lastRefusal = `${method}: ${status[error.code]}: ${error.details}`;
        resolve(status[error.code]);
      };
      client[method]?.call(client, request, { deadline: Date.now() + 60_000 }, done);
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(service: CsiServiceName): Client {
    const known = this.#clients.get(service);
    if (known !== undefined) return known;
    const Made = makeClientConstructor(csiService(service), service);
    const channel = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 200 };
    const made = new Made(`unix:${this.#socket}`, credentials.createInsecure(), channel) as unknown as Client;
    this.#clients.set(service, made);
    return made;
  }
}
