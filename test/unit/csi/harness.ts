// The driver on a socket of its own, called by grpc-js, over the REST API of a daemon behind real doors with
// a fake engine: what CSI asks for passes through the checks of the daemon.
import { join } from 'node:path';
import { type ClientReadableStream, credentials, makeClientConstructor, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { type CsiDriverOptions, newCsiController } from '../../../src/csi/driver.js';
import { type CsiServiceName, csiService } from '../../../src/csi/services.js';
import { RestStorage } from '../../../src/csi/storage.js';
import type { RpcServer } from '../../../src/rpc/server.js';
import { DaemonHarness } from '../../support/daemon-harness.js';
import { gib } from '../../support/pool-harness.js';

export const hostNqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';
export const mountWriter = { mount: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
export const blockWriter = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

/** A refusal: the name of its status, and its text. */
export class Refused extends Error {
  constructor(
    readonly status: string,
    details: string,
  ) {
    super(details);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
type Answer = any;

export class CsiHarness {
  readonly daemon = new DaemonHarness();
  readonly world = this.daemon.world;
  readonly socket = join(this.world.directory, 'csi.sock');
  readonly lines: Record<string, unknown>[] = [];
  readonly storage = new RestStorage({ socketPath: join(this.world.directory, 'api.sock') });
  readonly #clients = new Map<CsiServiceName, Record<string, unknown> & { close(): void }>();
  #server: RpcServer | undefined;

  /** With a pool `p` of 10 GiB. */
  async start(options: Partial<CsiDriverOptions> = {}): Promise<void> {
    await this.daemon.start();
    await this.world.service.pools.create({
      name: 'p',
      devices: [{ path: this.world.disk('p.disk', 10n * gib) }],
    });
    await this.startDriver(options);
  }

  /** Also again: as a new process would. */
  async startDriver(options: Partial<CsiDriverOptions> = {}): Promise<void> {
    await this.stopDriver();
    const write = (line: string) => void this.lines.push(JSON.parse(line));
    const log = pino({ level: 'debug' }, { write });
    this.#server = newCsiController({ storage: this.storage, log, version: '1.2.3', ...options });
    await this.#server.listen(this.socket);
  }

  async stopDriver(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    await this.#server?.close();
  }

  async close(): Promise<void> {
    await this.stopDriver();
    await this.daemon.close();
  }

  identity(method: string, request: object = {}): Promise<Answer> {
    return this.#call('Identity', method, request);
  }

  call(method: string, request: object = {}, options: object = {}): Promise<Answer> {
    return this.#call('Controller', method, request, options);
  }

  group(method: string, request: object = {}): Promise<Answer> {
    return this.#call('GroupController', method, request);
  }

  /** All messages of a stream. */
  async metadata(method: string, request: object): Promise<Answer[]> {
    const client = this.client('SnapshotMetadata');
    const stream = (client[method] as (request: object) => ClientReadableStream<Answer>).call(
      client,
      request,
    );
    const messages: Answer[] = [];
    try {
      for await (const message of stream) messages.push(message);
    } catch (error) {
      throw refused(error as { code: number; details: string });
    }
    return messages;
  }

  async volume(name: string, request: object = {}): Promise<Answer> {
    const { volume } = await this.call('CreateVolume', {
      name,
      volumeCapabilities: [mountWriter],
      capacityRange: { requiredBytes: '1073741824' },
      ...request,
    });
    return volume;
  }

  async snapshot(sourceVolumeId: string, name: string): Promise<Answer> {
    return (await this.call('CreateSnapshot', { sourceVolumeId, name })).snapshot;
  }

  publishRequest(volumeId: string, request: object = {}): object {
    return { volumeId, nodeId: hostNqn, volumeCapability: mountWriter, ...request };
  }

  client(service: CsiServiceName): Record<string, unknown> & { close(): void } {
    const known = this.#clients.get(service);
    if (known !== undefined) return known;
    const Client = makeClientConstructor(csiService(service), service);
    const made = new Client(`unix:${this.socket}`, credentials.createInsecure());
    this.#clients.set(service, made as never);
    return made as never;
  }

  #call(service: CsiServiceName, method: string, request: object, options: object = {}): Promise<Answer> {
    const client = this.client(service);
    return new Promise((resolve, reject) => {
      const done = (error: { code: number; details: string } | null, answer: Answer) =>
        error === null ? resolve(answer) : reject(refused(error));
      (client[method] as (...all: unknown[]) => void).call(client, request, options, done);
    });
  }
}

export function refused({ code, details }: { code: number; details: string }): Refused {
  return new Refused(status[code] ?? String(code), details);
}

/** The name of the status that a call ends with. */
export async function statusOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof Refused) return error.status;
    throw error;
  }
}
