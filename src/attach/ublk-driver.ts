// The driver `ublk`: a process that serves a device of the kernel's ublk driver, which is known by the UUID.
import { AttachUnavailableError } from '../base/attach-errors.js';
import { exists, type KernelTree } from './kernel-tree.js';
import type { KernelCalls, ProcessCalls } from './ports.js';
import type { AttachRecords } from './records.js';
import { ServedDriver } from './served-driver.js';

const canResize = 1n << 10n; // UBLK_F_UPDATE_SIZE

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

  /** Unless it was chosen, only where a device can grow while it is in use, as those of other drivers can. */
  async unavailable(isChosen: boolean): Promise<string | undefined> {
    const control = `${this.tree.roots.dev}/ublk-control`;
    if (!(await exists(control))) await this.processes.run('modprobe', ['ublk_drv']).catch(() => undefined);
    if (!(await exists(control))) return `there is no ${control}`;
    try {
      const features = await this.kernel.ublkFeatures();
      return isChosen || (features & canResize) !== 0n
        ? undefined
        : 'the kernel cannot resize its devices (Linux 6.16 can); it has to be chosen';
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
