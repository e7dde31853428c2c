// The process behind a device of the drivers `fuse` and `ublk`: `ballast attach-serve`, started by the driver
// and by nobody else. Connects, makes the device, says so in the state directory, and answers on its socket
// until it is told to let the device go, or the device is taken away.
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { resolveHost } from '../base/address.js';
import { AttachConflictError, AttachNotFoundError } from '../base/attach-errors.js';
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { AttachmentInfo, AttachOptions, ConnectOptions, ControllerState } from '../native/types.js';
import type { KernelTree } from './kernel-tree.js';
import type { AttachRecord, AttachRecords } from './records.js';

const connectTimeoutMs = 10_000;

/** What of an engine a server needs; src/main hands in the real one. */
export interface ServerEngine {
  connect(options: ConnectOptions): Promise<ServerController>;
  attach(controller: ServerController, options: AttachOptions): Promise<ServerDevice>;
  close(): Promise<void>;
}

export interface ServerController {
  readonly state: ControllerState;
  onNamespaces(callback: () => void): void;
  close(): Promise<void>;
}

export interface ServerDevice {
  readonly info: AttachmentInfo;
  refresh(): Promise<AttachmentInfo>;
  detach(): Promise<void>;
}

export interface ServerStatus {
  readonly state: 'live' | 'reconnecting' | 'dead';
  readonly device: string;
}

export interface ServerParts {
  readonly records: AttachRecords;
  readonly tree: KernelTree;
  readonly engine: ServerEngine;
  readonly log: Log;
  readonly pid: number;
  /** Calls back at each SIGTERM and SIGINT. */
  onStopSignal(callback: () => void): void;
}

/** Resolves when the device is gone; rejects, and has said why in the state directory, if it never was. */
export async function serveAttachment(parts: ServerParts, uuid: string): Promise<void> {
  const { records, log, pid } = parts;
  const record = await records.read(uuid);
  if (record === undefined) throw new AttachNotFoundError(uuid);
  const startTime = (await parts.tree.startTimeOf(pid)) ?? '';
  const said = { version: 1, pid, startTime } as const;
  try {
    const controller = await connect(parts.engine, record);
    const device = await parts.engine.attach(controller, {
      nsid: record.target.nsid,
      uuid,
      driver: record.driver === 'ublk' ? 'ublk' : 'fuse',
      path: records.path(uuid, 'img'),
      readOnly: record.target.readOnly,
    });
    const doors = new Doors(parts, controller, device);
    await doors.open(records.path(uuid, 'sock'));
    await records.writeServer(uuid, { ...said, device: device.info.device });
    log.info({ device: device.info.device, uuid }, 'attached');
    await doors.closed;
    await controller.close();
    log.info({ uuid }, 'detached');
  } catch (error) {
    const code = error instanceof DomainError ? error.code : 'INTERNAL';
    const message = error instanceof Error ? error.message : String(error);
    log.error({ uuid, err: error }, 'not attached');
    await records.writeServer(uuid, { ...said, error: { code, message } });
    throw error;
  }
}

async function connect(engine: ServerEngine, { target }: AttachRecord): Promise<ServerController> {
  const addresses = await Promise.all(
    target.addresses.map(async ({ host, port }) => ({ host: await resolveHost(host), port })),
  );
  const [first, ...otherAddresses] = addresses;
  if (first === undefined) throw new AttachNotFoundError(target.uuid);
  return engine.connect({
    host: first.host,
    port: first.port,
    otherAddresses,
    nqn: target.nqn,
    hostNqn: target.hostNqn,
    hostId: target.hostId,
    connectTimeoutMs,
    ctrlLossTimeoutMs: Number.POSITIVE_INFINITY,
  });
}

class Doors {
  readonly closed: Promise<void>;
  readonly #server: Server;
  #working: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly parts: ServerParts,
    private readonly controller: ServerController,
    private readonly device: ServerDevice,
  ) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.maxConnections = 16;
    this.closed = once(this.#server, 'close').then(() => undefined);
    // The size of the namespace may be another one.
    controller.onNamespaces(() => void this.#inTurn(() => device.refresh()).catch(this.#logged('refresh')));
    parts.onStopSignal(() => void this.#detach().catch(this.#logged('detach')));
  }

  async open(socketPath: string): Promise<void> {
    await rm(socketPath, { force: true });
    this.#server.listen(socketPath);
    await once(this.#server, 'listening');
    await chmod(socketPath, 0o600); // the directory is 0700 already
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (method === 'POST' && url === '/refresh') await this.#inTurn(() => this.device.refresh());
      else if (method === 'POST' && url === '/detach') await this.#detach();
      else if (method !== 'GET' || url !== '/') return send(response, 404, { message: 'not found' });
      send(response, 200, { state: stateOf(this.controller.state), device: this.device.info.device });
    } catch (error) {
      if (error instanceof AttachConflictError) return send(response, 409, { message: error.reason });
      send(response, 500, { message: error instanceof Error ? error.message : 'failed' });
    }
  }

  async #detach(): Promise<void> {
    await this.#inTurn(() => this.device.detach());
    this.#server.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#working.then(work, work);
    this.#working = turn.catch(() => undefined);
    return turn;
  }

  #logged(what: string): (error: unknown) => void {
    return (err) => this.parts.log.warn({ err }, `${what} failed`);
  }
}

function stateOf(state: ControllerState): ServerStatus['state'] {
  if (state === 'live') return 'live';
  return state === 'dead' || state === 'closed' ? 'dead' : 'reconnecting';
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}
