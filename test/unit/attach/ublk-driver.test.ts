import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalAttacher } from '../../../src/attach/attacher.js';
import { FuseDriver } from '../../../src/attach/fuse-driver.js';
import { KernelTree } from '../../../src/attach/kernel-tree.js';
import { AttachRecords } from '../../../src/attach/records.js';
import type { AttachTarget } from '../../../src/attach/types.js';
import { UblkDriver } from '../../../src/attach/ublk-driver.js';
import { AttachUnavailableError } from '../../../src/base/attach-errors.js';
import { FakeKernel } from '../../support/fake-kernel.js';

const uuid = '6f0b3c1e-0d53-4f62-9a3e-3f2f0e1a2b3c';
const hostId = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const target: AttachTarget = {
  uuid,
  nqn: 'nqn.2026-11.dev.ballast:volume:a',
  nsid: 1,
  addresses: [{ host: '192.0.2.1', port: 4420 }],
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
  hostId,
};

let kernel: FakeKernel;
let records: AttachRecords;
beforeEach(() => {
  kernel = new FakeKernel();
  kernel.put('dev/ublk-control', '');
  kernel.put('dev/fuse', '');
  kernel.put('dev/loop-control', '');
  // Every process ends without a word: what is looked at is which driver was chosen, and what it takes away.
  kernel.onStart = () => 42;
  records = new AttachRecords(`${kernel.top}/run`, kernel);
});
afterEach(() => kernel.remove());

const attacher = (wanted: 'auto' | 'ublk') => {
  const tree = new KernelTree(kernel.roots);
  const drivers = [
    new UblkDriver(records, tree, kernel, kernel),
    new FuseDriver(records, tree, kernel, kernel),
  ];
  return new LocalAttacher(records, drivers, wanted);
};
/** The driver that the record was written for when its process was started. */
async function chosen(wanted: 'auto' | 'ublk'): Promise<string | undefined> {
  let seen: string | undefined;
  kernel.onStart = () => {
    seen = JSON.parse(readFileSync(records.path(uuid, 'json'), 'utf8')).driver;
    return 42;
  };
  await expect(attacher(wanted).attach(target)).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
  return seen;
}

describe('the driver ublk', () => {
  it('is used only if it is chosen', async () => {
    expect(await chosen('auto')).toBe('fuse');
    expect(await chosen('ublk')).toBe('ublk');
  });

  it('is not for a kernel whose driver refuses, and says why', async () => {
    kernel.features = new AttachUnavailableError('ublk', 'it is older than Linux 6.5');
    expect(await chosen('auto')).toBe('fuse');
    await expect(attacher('ublk').attach(target)).rejects.toMatchObject({
      code: 'ATTACH_UNAVAILABLE',
      message: expect.stringContaining('older than Linux 6.5'),
    });
    expect(await records.list()).toEqual([]);
  });

  it('loads the module, and is not there without it', async () => {
    kernel.take('dev/ublk-control');
    await expect(attacher('ublk').attach(target)).rejects.toMatchObject({ code: 'ATTACH_UNAVAILABLE' });
    expect(kernel.calls).toEqual(['modprobe ublk_drv']);
    kernel.onRun = () => kernel.put('dev/ublk-control', '');
    expect(await chosen('ublk')).toBe('ublk');
  });

  it('takes away the devices of the UUID that a process left which has ended', async () => {
    await expect(attacher('ublk').attach(target)).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
    expect(kernel.calls.at(-1)).toBe(`ublk ${uuid}`);
    expect(await records.list()).toEqual([]);
  });

  it('asks nothing of a kernel that has no ublk any more', async () => {
    await records.write({ version: 1, driver: 'ublk', target: { ...target, readOnly: false } });
    kernel.take('dev/ublk-control');
    await attacher('ublk').detach(uuid);
    expect(kernel.calls.filter((call) => call.startsWith('ublk'))).toEqual([]);
    expect(await records.list()).toEqual([]);
  });
});
