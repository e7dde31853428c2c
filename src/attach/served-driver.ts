// What the drivers `fuse` and `ublk` have in common: a process for each device, which connects by our own
// initiator and serves the device. It outlives whoever started it. It is known by its number and start time,
// and asked by a socket in the state directory. Of one that died what the kernel has left is taken away.
import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { AttachConflictError, AttachFailedError } from '../base/attach-errors.js';
import {
  AbortedError,
  ConnectRefusedError,
  type DomainError,
  NamespaceNotFoundError,
  UnreachableError,
} from '../base/errors.js';
import type { AttachedNow, Driver } from './driver.js';
import type { KernelTree } from './kernel-tree.js';
import type { ProcessCalls } from './ports.js';
import type { AttachRecord, AttachRecords, ServerRecord } from './records.js';
import { askServer, ServerSilentError } from './server-client.js';
import { until } from './waiting.js';

export abstract class ServedDriver implements Driver {
  abstract readonly name: 'fuse' | 'ublk';

  constructor(
    protected readonly records: AttachRecords,
    protected readonly tree: KernelTree,
    protected readonly processes: ProcessCalls,
  ) {}

  abstract unavailable(isChosen: boolean): Promise<string | undefined>;
  /** Before the process is started. */
  protected abstract prepare(uuid: string): Promise<void>;
  /** Takes away what the kernel has left of a process that has ended. */
  protected abstract removeRemains(uuid: string): Promise<void>;

  async attach(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow> {
    const { uuid } = record.target;
    const server = await this.#living(uuid);
    if (server?.device !== undefined) {
      const now = await this.#ask(record, server, 'GET', '/', limit);
      if (now.state !== 'dead') return now;
    }
    await this.#clean(uuid);
    return this.#start(record, limit);
  }

  async find(record: AttachRecord): Promise<AttachedNow | undefined> {
    const { uuid } = record.target;
    const server = await this.records.readServer(uuid);
    if (server?.device === undefined) return undefined;
    const dead = {
      device: server.device,
      sizeBytes: await this.#sizeOf(server.device),
      state: 'dead',
    } as const;
    if ((await this.#living(uuid)) === undefined) return dead;
    return this.#ask(record, server, 'GET', '/', AbortSignal.timeout(2_000)).catch(() => dead);
  }

  async detach(record: AttachRecord, _others: unknown, limit: AbortSignal): Promise<void> {
    const { uuid } = record.target;
    const device = (await this.records.readServer(uuid))?.device;
    const use = device === undefined ? undefined : await this.tree.useOf(basename(device));
    if (use !== undefined) throw new AttachConflictError(uuid, use);
    const server = await this.#living(uuid);
    const now = server?.device === undefined ? undefined : await this.find(record);
    // A server that waits for its target cannot take its device away; what nobody uses loses nothing.
    if (server?.device !== undefined && now?.state === 'live') {
      await this.#ask(record, server, 'POST', '/detach', limit).catch((error: unknown) => {
        if (!(error instanceof ServerSilentError)) throw error;
      });
      await until('waiting for the end of the server', limit, () => this.#gone(uuid));
    }
    await this.#clean(uuid);
  }

  async refresh(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow> {
    const server = await this.#living(record.target.uuid);
    if (server?.device === undefined)
      throw new AttachFailedError(record.target.uuid, 'the process that serves it has died; attach it again');
    return this.#ask(record, server, 'POST', '/refresh', limit);
  }

  async #start(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow> {
    const { uuid } = record.target;
    await this.prepare(uuid);
    const { pid } = await this.processes.startServer(
      this.records.directory,
      uuid,
      this.records.path(uuid, 'log'),
    );
    try {
      const ready = await until(`attaching ${uuid}`, limit, async () => {
        const said = await this.records.readServer(uuid);
        if (said?.pid === pid) return said;
        if ((await this.tree.startTimeOf(pid)) !== undefined) return undefined;
        const last = await this.records.readServer(uuid); // it may have spoken before it ended
        if (last?.pid === pid) return last;
        throw new AttachFailedError(uuid, `its server ended; see ${this.records.path(uuid, 'log')}`);
      });
      if (ready.error !== undefined) throw errorOf(record, ready.error);
      return await this.#ask(record, ready, 'GET', '/', limit);
    } catch (error) {
      this.#kill(pid);
      await this.#clean(uuid);
      throw error;
    }
  }

  async #living(uuid: string): Promise<ServerRecord | undefined> {
    const server = await this.records.readServer(uuid);
    if (server === undefined) return undefined;
    return (await this.tree.startTimeOf(server.pid)) === server.startTime ? server : undefined;
  }

  async #gone(uuid: string): Promise<true | undefined> {
    return (await this.#living(uuid)) === undefined ? true : undefined;
  }

  /** Ends a server that lives, and takes away what it had. */
  async #clean(uuid: string): Promise<void> {
    const server = await this.#living(uuid);
    if (server !== undefined) {
      this.#kill(server.pid);
      await until('waiting for the end of the server', AbortSignal.timeout(10_000), () => this.#gone(uuid));
    }
    await this.removeRemains(uuid);
    for (const ending of ['sock', 'server.json', 'img'] as const)
      await rm(this.records.path(uuid, ending), { force: true });
  }

  #kill(pid: number): void {
    this.processes.kill(pid, 'SIGKILL');
  }

  async #ask(
    record: AttachRecord,
    server: ServerRecord,
    method: 'GET' | 'POST',
    path: string,
    limit: AbortSignal,
  ): Promise<AttachedNow> {
    const { uuid } = record.target;
    const { state, device } = await askServer(this.records.path(uuid, 'sock'), uuid, method, path, limit);
    const name = device ?? server.device ?? '';
    return { device: name, sizeBytes: await this.#sizeOf(name), state };
  }

  async #sizeOf(device: string): Promise<bigint> {
    return (await this.tree.sizeBytes(basename(device))) ?? 0n;
  }
}

/** What the server said, as the error that it was there. */
function errorOf(record: AttachRecord, { code, message }: { code: string; message: string }): DomainError {
  const { uuid, nqn, nsid } = record.target;
  const target = `${nqn}`;
  if (code === 'UNREACHABLE') return new UnreachableError(target, message);
  if (code === 'CONNECT_REFUSED') return new ConnectRefusedError(target, message);
  if (code === 'NAMESPACE_NOT_FOUND') return new NamespaceNotFoundError(nqn, nsid);
  if (code === 'ABORTED') return new AbortedError(message);
  return new AttachFailedError(uuid, message);
}
