// What is attached, as files of one directory: a record for each UUID, written before anything is done and
// removed when nothing is left, so that whatever a crash leaves has a record. Beside it what the server of a
// device says of itself. A lock for each UUID, which the kernel takes back from a process that dies.
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../base/atomic-file.js';
import { AttachFailedError } from '../base/attach-errors.js';
import { StateDirectoryError } from '../base/errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { KernelCalls } from './ports.js';
import type { AttachDriver, AttachTarget } from './types.js';
import { until } from './waiting.js';

export interface AttachRecord {
  readonly version: 1;
  readonly driver: AttachDriver;
  readonly target: Required<AttachTarget>;
}

/** What the process that serves a device writes once, when it is ready or has failed. */
export interface ServerRecord {
  readonly version: 1;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: tells a process from another one that got its number. */
  readonly startTime: string;
  readonly device?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

export class AttachRecords {
  constructor(
    readonly directory: string,
    private readonly kernel: KernelCalls,
  ) {}

  path(uuid: string, ending: 'json' | 'server.json' | 'sock' | 'img' | 'log' | 'lock'): string {
    return join(this.directory, `${uuid}.${ending}`);
  }

  async list(): Promise<readonly string[]> {
    const names = await readdir(this.directory).catch(missingIs([] as string[]));
    return names
      .map((name) => name.replace(/\.json$/, ''))
      .filter((name) => uuidPattern.test(name))
      .sort();
  }

  async read(uuid: string): Promise<AttachRecord | undefined> {
    const record = await this.#read<AttachRecord>(this.path(uuid, 'json'));
    if (record !== undefined && (record.version !== 1 || record.target?.uuid !== uuid))
      throw new AttachFailedError(uuid, `${this.path(uuid, 'json')} is not a record of it`);
    return record;
  }

  async write(record: AttachRecord): Promise<void> {
    await this.make();
    await writeFileAtomically(this.path(record.target.uuid, 'json'), `${JSON.stringify(record)}\n`, 0o600);
  }

  async readServer(uuid: string): Promise<ServerRecord | undefined> {
    return this.#read<ServerRecord>(this.path(uuid, 'server.json'));
  }

  async writeServer(uuid: string, record: ServerRecord): Promise<void> {
    await writeFileAtomically(this.path(uuid, 'server.json'), `${JSON.stringify(record)}\n`, 0o600);
  }

  /** The record goes last: until then the next call finds what is left. */
  async remove(uuid: string): Promise<void> {
    for (const ending of ['sock', 'server.json', 'img', 'log', 'json'] as const)
      await rm(this.path(uuid, ending), { force: true });
  }

  async make(): Promise<void> {
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new StateDirectoryError(this.directory, 'cannot be made', { cause });
    }
  }

  /** Somebody works on the UUID, or was killed at it. */
  async hasLock(uuid: string): Promise<boolean> {
    return (await stat(this.path(uuid, 'lock')).catch(missingIs(undefined))) !== undefined;
  }

  /** Runs `work` while no other call, of whatever process, works on the UUID. */
  async exclusive<T>(uuid: string, limit: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.make();
    const descriptor = await until(`waiting for others that work on ${uuid}`, limit, async () =>
      this.#tryLock(uuid),
    );
    try {
      return await work();
    } finally {
      // Who waits for this very file takes another one when it has the lock of one that is gone.
      if ((await this.read(uuid).catch(() => undefined)) === undefined)
        await rm(this.path(uuid, 'lock'), { force: true });
      closeSync(descriptor);
    }
  }

  #tryLock(uuid: string): number | undefined {
    const path = this.path(uuid, 'lock');
    const descriptor = openSync(path, 'a', 0o600);
    try {
      if (this.kernel.tryLock(descriptor) && fstatSync(descriptor).ino === statSync(path).ino)
        return descriptor;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    closeSync(descriptor);
    return undefined;
  }

  async #read<T>(path: string): Promise<T | undefined> {
    const text = await readFile(path, 'utf8').catch(missingIs(undefined));
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new StateDirectoryError(path, 'is damaged; remove it when nothing is attached', { cause });
    }
  }
}

function missingIs<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
