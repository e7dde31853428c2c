// The driver `ublk`: a process that serves a device of the kernel's ublk driver, which is known by the UUID.
import { AttachUnavailableError } from '../base/attach-errors.js';
import { exists, type KernelTree } from './kernel-tree.js';
import type { KernelCalls, ProcessCalls } from './ports.js';
import type { AttachRecords } from './records.js';
import { ServedDriver } from './served-driver.js';

export class UblkDriver extends ServedDriver {
  readonly name = 'ublk';

  constructor(
    records: AttachRecords,
    tree: KernelTree,
    private readonly kernel: KernelCalls,
    processes: ProcessCalls,
  ) {
    super(records, tree, processes);
  }

  /**
   * Only when it was chosen: its devices grow while they are in use from Linux 6.16 on, as those of the other
   * drivers do, and no such kernel has been tried yet.
   */
  async unavailable(isChosen: boolean): Promise<string | undefined> {
    if (!isChosen) return 'it has to be chosen';
    const control = `${this.tree.roots.dev}/ublk-control`;
    if (!(await exists(control))) await this.processes.run('modprobe', ['ublk_drv']).catch(() => undefined);
    if (!(await exists(control))) return `there is no ${control}`;
    try {
      await this.kernel.ublkFeatures();
      return undefined;
    } catch (error) {
      if (error instanceof AttachUnavailableError) return error.reason;
      throw error;
    }
  }

  protected async prepare(): Promise<void> {}

  protected async removeRemains(uuid: string): Promise<void> {
    if (await exists(`${this.tree.roots.dev}/ublk-control`)) await this.kernel.removeUblk(uuid);
  }
}
