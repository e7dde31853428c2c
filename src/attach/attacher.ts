// Attaching on this machine: chooses the driver, keeps the record, lets calls for one UUID take turns. The
// record is written before anything is done and removed when nothing is left; everything between is the
// driver's, which finds what there is. So a caller may be killed at any step: the next call goes on.
import { basename } from 'node:path';
import {
  AttachConflictError,
  AttachFailedError,
  AttachNotFoundError,
  AttachUnavailableError,
} from '../base/attach-errors.js';
import { checkTarget, checkUuid } from './checks.js';
import type { AttachedNow, Driver } from './driver.js';
import type { AttachRecord, AttachRecords } from './records.js';
import type { AttachCallOptions, AttachDriver, Attached, Attacher, AttachTarget } from './types.js';
import { checkGoesOn, limitOf } from './waiting.js';

export class LocalAttacher implements Attacher {
  /** `drivers` in the order of preference; `wanted`: one of them alone, for what is not attached yet. */
  constructor(
    private readonly records: AttachRecords,
    private readonly drivers: readonly Driver[],
    private readonly wanted: AttachDriver | 'auto' = 'auto',
  ) {}

  async attach(target: AttachTarget, options?: AttachCallOptions): Promise<Attached> {
    const checked = checkTarget(target);
    const limit = limitOf(options);
    checkGoesOn(limit, 'attach');
    return this.records.exclusive(checked.uuid, limit, async () => {
      const before = await this.records.read(checked.uuid);
      if (before !== undefined) this.#checkSame(before, checked);
      const record = {
        version: 1,
        driver: before?.driver ?? (await this.#choose()),
        target: checked,
      } as const;
      await this.records.write(record);
      try {
        return attached(record, await this.#driverOf(record).attach(record, limit));
      } catch (error) {
        // What has a process has taken all of it away; of the kernel there may be paths, for the next call.
        if (before === undefined && record.driver !== 'kernel') await this.records.remove(checked.uuid);
        throw error;
      }
    });
  }

  async find(uuid: string): Promise<Attached | undefined> {
    const record = await this.records.read(checkUuid(uuid));
    if (record === undefined) return undefined;
    const now = await this.#driverOf(record).find(record);
    return now === undefined ? undefined : attached(record, now);
  }

  async list(): Promise<readonly Attached[]> {
    const found = await Promise.all((await this.records.list()).map((uuid) => this.find(uuid)));
    return found.filter((one) => one !== undefined);
  }

  async detach(uuid: string, options?: AttachCallOptions): Promise<void> {
    const known = checkUuid(uuid);
    const limit = limitOf(options);
    checkGoesOn(limit, 'detach');
    // A call that was killed behind its last step has left its lock: taking it takes it away.
    if ((await this.records.read(known)) === undefined && !(await this.records.hasLock(known))) return;
    await this.records.exclusive(known, limit, async () => {
      const record = await this.records.read(known);
      if (record === undefined) return;
      const others = (await this.#all()).filter((other) => other.target.uuid !== known);
      await this.#driverOf(record).detach(record, others, limit);
      await this.records.remove(known);
    });
  }

  async refresh(uuid: string, options?: AttachCallOptions): Promise<Attached> {
    const known = checkUuid(uuid);
    const limit = limitOf(options);
    const record = await this.records.read(known);
    if (record === undefined) throw new AttachNotFoundError(known);
    return attached(record, await this.#driverOf(record).refresh(record, limit));
  }

  /** The UUID of what is attached as `device`, a path or a name below /dev; or undefined. */
  async uuidOf(device: string): Promise<string | undefined> {
    const name = basename(device);
    return (await this.list()).find((one) => basename(one.device) === name)?.uuid;
  }

  #checkSame({ driver, target }: AttachRecord, asked: Required<AttachTarget>): void {
    const different = (['nqn', 'nsid', 'readOnly', 'hostNqn'] as const).find(
      (key) => target[key] !== asked[key],
    );
    if (different !== undefined)
      throw new AttachConflictError(asked.uuid, `is attached with another ${different}; detach it first`);
    if (this.wanted !== 'auto' && this.wanted !== driver)
      throw new AttachConflictError(asked.uuid, `is attached by the driver ${driver}; detach it first`);
  }

  async #choose(): Promise<AttachDriver> {
    const reasons: string[] = [];
    for (const driver of this.drivers) {
      if (this.wanted !== 'auto' && driver.name !== this.wanted) continue;
      const reason = await driver.unavailable(this.wanted !== 'auto');
      if (reason === undefined) return driver.name;
      reasons.push(this.wanted === 'auto' ? `${driver.name}: ${reason}` : reason);
    }
    throw new AttachUnavailableError(this.wanted, reasons.join('; ') || 'there is no such driver');
  }

  #driverOf({ driver, target }: AttachRecord): Driver {
    const found = this.drivers.find(({ name }) => name === driver);
    if (found === undefined) throw new AttachFailedError(target.uuid, `there is no driver ${driver}`);
    return found;
  }

  async #all(): Promise<readonly AttachRecord[]> {
    const records = await Promise.all((await this.records.list()).map((uuid) => this.records.read(uuid)));
    return records.filter((record) => record !== undefined);
  }
}

function attached({ driver, target }: AttachRecord, now: AttachedNow): Attached {
  return { uuid: target.uuid, nqn: target.nqn, driver, ...now };
}
