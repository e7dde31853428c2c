// The driver `fuse`: a process that serves a FUSE file, and a loop device over the file.
import { open, truncate } from 'node:fs/promises';
import { exists, type KernelTree } from './kernel-tree.js';
import type { KernelCalls, ProcessCalls } from './ports.js';
import type { AttachRecords } from './records.js';
import { ServedDriver } from './served-driver.js';

export class FuseDriver extends ServedDriver {
  readonly name = 'fuse';

  constructor(
    records: AttachRecords,
    tree: KernelTree,
    private readonly kernel: KernelCalls,
    processes: ProcessCalls,
  ) {
    super(records, tree, processes);
  }

  async unavailable(): Promise<string | undefined> {
    for (const name of ['fuse', 'loop-control']) {
      if (await exists(`${this.tree.roots.dev}/${name}`)) continue;
      const module = name === 'fuse' ? 'fuse' : 'loop';
      await this.processes.run('modprobe', [module]).catch(() => undefined);
      if (!(await exists(`${this.tree.roots.dev}/${name}`)))
        return `there is no ${this.tree.roots.dev}/${name}`;
    }
    return undefined;
  }

  /** What the file system is mounted on. */
  protected async prepare(uuid: string): Promise<void> {
    await (await open(this.records.path(uuid, 'img'), 'a', 0o600)).close();
    await truncate(this.records.path(uuid, 'img'));
  }

  protected async removeRemains(uuid: string): Promise<void> {
    const file = this.records.path(uuid, 'img');
    for (const device of await this.tree.loopsOf(file)) await this.kernel.removeLoop(device, file, true);
    // As often as a server was killed between mounting and saying so.
    for (let i = 0; i < 16 && (await this.tree.isMountPoint(file)); i += 1)
      await this.kernel.unmountDead(file);
  }
}
