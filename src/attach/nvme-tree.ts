// Controllers and namespaces of the kernel's NVMe host, as /sys shows them. A namespace is told by its UUID
// or NGUID and its subsystem, never by its name: nvme0n1 is another disk after a reconnect.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { names, readText } from './kernel-tree.js';
import type { KernelRoots } from './ports.js';

export interface NvmeController {
  /** "nvme0" */
  readonly name: string;
  readonly transport: string;
  readonly host: string;
  readonly port: number;
  readonly nqn: string;
  /** Empty on kernels that do not show it (before 5.8). */
  readonly hostNqn: string;
  /** "live", "connecting", "resetting", "deleting", ... */
  readonly state: string;
}

export interface NvmeDevice {
  /** "nvme0n1" */
  readonly name: string;
  readonly sizeBytes: bigint;
}

const sectorBytes = 512n;

export class NvmeTree {
  constructor(readonly roots: KernelRoots) {}

  async controllers(nqn: string): Promise<readonly NvmeController[]> {
    const found: NvmeController[] = [];
    for (const name of await names(join(this.roots.sys, 'class/nvme'))) {
      if (!/^nvme\d+$/.test(name)) continue;
      const [transport, address, subsystem, hostNqn, state] = await Promise.all(
        ['transport', 'address', 'subsysnqn', 'hostnqn', 'state'].map((file) => this.#of(name, file)),
      );
      if (subsystem !== nqn) continue;
      const options = new Map(address?.split(',').map((one) => one.split('=') as [string, string]));
      found.push({
        name,
        transport: transport ?? '',
        host: options.get('traddr') ?? '',
        port: Number(options.get('trsvcid') ?? 0),
        nqn,
        hostNqn: hostNqn ?? '',
        state: state ?? '',
      });
    }
    return found;
  }

  /** The block device of the namespace, once its node below /dev is that of it, too. */
  async device(nqn: string, uuid: string): Promise<NvmeDevice | undefined> {
    for (const name of await names(join(this.roots.sys, 'block'))) {
      // Not nvme0c0n1: one path of several, which is no device of its own.
      if (!/^nvme\d+n\d+$/.test(name)) continue;
      const block = join(this.roots.sys, 'block', name);
      if ((await readText(join(block, 'device/subsysnqn'))) !== nqn) continue;
      if (!(await this.#isNamed(block, uuid))) continue;
      const size = await readText(join(block, 'size'));
      if (size === undefined || BigInt(size) === 0n || !(await this.#nodeIsOf(name))) return undefined;
      return { name, sizeBytes: BigInt(size) * sectorBytes };
    }
    return undefined;
  }

  path(controller: string, file: string): string {
    return join(this.roots.sys, 'class/nvme', controller, file);
  }

  async #isNamed(block: string, uuid: string): Promise<boolean> {
    const plain = (text: string | undefined) => text?.replaceAll('-', '').toLowerCase();
    const wanted = plain(uuid);
    return (
      plain(await readText(join(block, 'uuid'))) === wanted ||
      plain(await readText(join(block, 'nguid'))) === wanted
    );
  }

  /** /dev follows /sys a moment later: an old node may still have the number of what was there before. */
  async #nodeIsOf(name: string): Promise<boolean> {
    const number = await readText(join(this.roots.sys, 'block', name, 'dev'));
    try {
      const node = await stat(join(this.roots.dev, name));
      if (!node.isBlockDevice()) return this.roots.dev !== '/dev';
      const major = ((node.rdev >> 8) & 0xfff) | ((node.rdev / 2 ** 32) & ~0xfff);
      const minor = (node.rdev & 0xff) | ((node.rdev >> 12) & ~0xff);
      return `${major}:${minor}` === number;
    } catch {
      return false;
    }
  }

  async #of(controller: string, file: string): Promise<string | undefined> {
    return readFile(this.path(controller, file), 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
  }
}
