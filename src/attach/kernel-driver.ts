// The driver `kernel`: NVMe/TCP of the kernel, asked as nvme-cli asks it, by a line of options written to
// /dev/nvme-fabrics. Each address is a path of its own; native multipath makes one device of them. A path is
// never given up (ctrl_loss_tmo -1). Nothing of ours has to run afterwards.
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveHost } from '../base/address.js';
import { AttachConflictError, AttachFailedError, AttachUnavailableError } from '../base/attach-errors.js';
import { ConnectRefusedError, UnreachableError } from '../base/errors.js';
import { checkOption } from './checks.js';
import type { AttachedNow, Driver } from './driver.js';
import { exists, type KernelTree } from './kernel-tree.js';
import type { NvmeController, NvmeTree } from './nvme-tree.js';
import type { ProcessCalls } from './ports.js';
import type { AttachRecord } from './records.js';
import { checkGoesOn, until } from './waiting.js';

const reconnectDelaySeconds = 2;
const keepAliveSeconds = 5;

export interface KernelDriverOptions {
  /** I/O queues of each path; default: the kernel's, one a CPU. */
  readonly ioQueues?: number;
}

export class KernelDriver implements Driver {
  readonly name = 'kernel';

  constructor(
    private readonly tree: KernelTree,
    private readonly nvme: NvmeTree,
    private readonly processes: ProcessCalls,
    private readonly options: KernelDriverOptions = {},
  ) {}

  async unavailable(): Promise<string | undefined> {
    const fabrics = this.#fabrics();
    const module = join(this.tree.roots.sys, 'module/nvme_tcp');
    if (!(await exists(fabrics)) || !(await exists(module)))
      await this.processes.run('modprobe', ['nvme-tcp']).catch(() => undefined);
    return (await exists(fabrics)) ? undefined : `there is no ${fabrics}, and modprobe nvme-tcp did not help`;
  }

  async attach(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow> {
    const { uuid, nqn, readOnly } = record.target;
    const errors = await this.#connectMissing(record, limit);
    const ours = await this.#ours(record);
    if (ours.length === 0) throw errors[0] ?? new AttachFailedError(uuid, 'no path to it could be made');
    const device = await until(`waiting for the device of ${uuid}`, limit, () => this.nvme.device(nqn, uuid));
    if (readOnly) await this.#setReadOnly(uuid, device.name);
    return this.#now(record, device);
  }

  async find(record: AttachRecord): Promise<AttachedNow | undefined> {
    const device = await this.nvme.device(record.target.nqn, record.target.uuid);
    return device === undefined ? undefined : this.#now(record, device);
  }

  /** The paths go when nothing else of the subsystem is attached. */
  async detach(record: AttachRecord, others: readonly AttachRecord[], limit: AbortSignal): Promise<void> {
    const { uuid, nqn } = record.target;
    const device = await this.nvme.device(nqn, uuid);
    const use = device === undefined ? undefined : await this.tree.useOf(device.name);
    if (use !== undefined) throw new AttachConflictError(uuid, use);
    if (others.some(({ driver, target }) => driver === 'kernel' && target.nqn === nqn)) return;
    for (const { name } of await this.#ours(record)) {
      await writeFile(this.nvme.path(name, 'delete_controller'), '1').catch(
        (error: NodeJS.ErrnoException) => {
          if (!['ENOENT', 'ENODEV'].includes(error.code ?? ''))
            throw this.#failed(uuid, `ending ${name}`, error);
        },
      );
    }
    await until(`waiting for the end of the paths to ${uuid}`, limit, async () =>
      (await this.#ours(record)).length === 0 ? true : undefined,
    );
  }

  /** The kernel follows by itself, by an event; this makes it look at once. */
  async refresh(record: AttachRecord, limit: AbortSignal): Promise<AttachedNow> {
    const { uuid, nqn } = record.target;
    for (const { name, state } of await this.#ours(record)) {
      if (state !== 'live') continue;
      await writeFile(this.nvme.path(name, 'rescan_controller'), '1').catch(() => undefined);
    }
    const device = await until(`waiting for the device of ${uuid}`, limit, () => this.nvme.device(nqn, uuid));
    return this.#now(record, device);
  }

  /** Adds the paths that are not there. What failed: of no matter while another path is there. */
  async #connectMissing(record: AttachRecord, limit: AbortSignal): Promise<readonly Error[]> {
    const errors: Error[] = [];
    for (const address of record.target.addresses) {
      checkGoesOn(limit, 'connecting');
      try {
        const host = await resolveHost(address.host);
        const paths = await this.#ours(record);
        if (paths.some((path) => path.host === host && path.port === address.port)) continue;
        await this.#connect(record, host, address.port);
      } catch (error) {
        if (error instanceof AttachUnavailableError) throw error;
        errors.push(error as Error);
      }
    }
    return errors;
  }

  async #connect(record: AttachRecord, host: string, port: number): Promise<void> {
    const target = `${host}:${port}/${record.target.nqn}`;
    const fabrics = await open(this.#fabrics(), 'r+').catch((cause: unknown) => {
      throw new AttachUnavailableError('kernel', `${this.#fabrics()} cannot be opened`, { cause });
    });
    try {
      await fabrics.write(connectOptions(record, host, port, this.options));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'EALREADY') return; // it is there: another process was quicker
      if (
        code === 'ECONNREFUSED' ||
        code === 'ETIMEDOUT' ||
        code === 'EHOSTUNREACH' ||
        code === 'ENETUNREACH'
      )
        throw new UnreachableError(target, message, { cause });
      throw new ConnectRefusedError(target, `the kernel says ${code ?? message}; dmesg says why`, { cause });
    } finally {
      await fabrics.close();
    }
  }

  /** Paths of another host NQN are another's, also to the same subsystem. */
  async #ours({ target }: AttachRecord): Promise<readonly NvmeController[]> {
    const controllers = await this.nvme.controllers(target.nqn);
    return controllers.filter(
      ({ transport, hostNqn }) => transport === 'tcp' && (hostNqn === '' || hostNqn === target.hostNqn),
    );
  }

  async #now(
    record: AttachRecord,
    device: { readonly name: string; readonly sizeBytes: bigint },
  ): Promise<AttachedNow> {
    const states = (await this.#ours(record)).map(({ state }) => state);
    const state = states.includes('live')
      ? 'live'
      : states.some((one) => ['connecting', 'resetting', 'new'].includes(one))
        ? 'reconnecting'
        : 'dead';
    return { device: join(this.tree.roots.dev, device.name), sizeBytes: device.sizeBytes, state };
  }

  async #setReadOnly(uuid: string, name: string): Promise<void> {
    try {
      await this.processes.run('blockdev', ['--setro', join(this.tree.roots.dev, name)]);
    } catch (cause) {
      throw this.#failed(uuid, 'making the device read-only', cause);
    }
  }

  #failed(uuid: string, what: string, cause: unknown): AttachFailedError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new AttachFailedError(uuid, `${what}: ${reason}`, { cause });
  }

  #fabrics(): string {
    return join(this.tree.roots.dev, 'nvme-fabrics');
  }
}

/** As `nvme connect` writes it. Every value is checked: a comma would begin an option of its own. */
export function connectOptions(
  { target }: AttachRecord,
  host: string,
  port: number,
  { ioQueues }: KernelDriverOptions = {},
): string {
  const options: readonly (readonly [string, string | number | undefined])[] = [
    ['nqn', target.nqn],
    ['transport', 'tcp'],
    ['traddr', host],
    ['trsvcid', port],
    ['hostnqn', target.hostNqn],
    ['hostid', target.hostId],
    ['nr_io_queues', ioQueues],
    ['keep_alive_tmo', keepAliveSeconds],
    ['reconnect_delay', reconnectDelaySeconds],
    ['ctrl_loss_tmo', -1], // never
  ];
  return options
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${checkOption(name, String(value))}`)
    .join(',');
}
