import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalAttacher } from '../../../src/attach/attacher.js';
import { connectOptions, KernelDriver } from '../../../src/attach/kernel-driver.js';
import { KernelTree } from '../../../src/attach/kernel-tree.js';
import { NvmeTree } from '../../../src/attach/nvme-tree.js';
import { AttachRecords } from '../../../src/attach/records.js';
import type { AttachTarget } from '../../../src/attach/types.js';
import { FakeKernel } from '../../support/fake-kernel.js';

const uuid = '6f0b3c1e-0d53-4f62-9a3e-3f2f0e1a2b3c';
const otherUuid = '11111111-2222-4333-8444-555555555555';
const nqn = 'nqn.2026-11.dev.ballast:volume:a';
const hostId = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${hostId}`;
const target: AttachTarget = {
  uuid,
  nqn,
  nsid: 1,
  addresses: [{ host: '192.0.2.1', port: 4420 }],
  hostNqn,
  hostId,
};

let kernel: FakeKernel;
let records: AttachRecords;
beforeEach(() => {
  kernel = new FakeKernel();
  records = new AttachRecords(`${kernel.top}/run/attach`, kernel);
});
afterEach(() => kernel.remove());

function attacher(): LocalAttacher {
  const tree = new KernelTree(kernel.roots);
  return new LocalAttacher(records, [new KernelDriver(tree, new NvmeTree(kernel.roots), kernel)]);
}

const ours = (name: string, host = '192.0.2.1', state = 'live') =>
  kernel.controller(name, { nqn, host, hostNqn, state });

describe('the driver kernel', () => {
  it('writes what nvme connect writes, and never gives a path up', () => {
    const record = { version: 1, driver: 'kernel', target: { ...target, readOnly: false } } as const;
    expect(connectOptions(record, '192.0.2.1', 4420, { ioQueues: 2 })).toBe(
      `nqn=${nqn},transport=tcp,traddr=192.0.2.1,trsvcid=4420,hostnqn=${hostNqn},hostid=${hostId},` +
        'nr_io_queues=2,keep_alive_tmo=5,reconnect_delay=2,ctrl_loss_tmo=-1',
    );
  });

  it.each([
    ['nqn', { nqn: 'nqn.2026-11.dev.ballast:a,hostnqn=b' }],
    ['nqn', { nqn: 'nqn.2026-11.dev.ballast:a\nb' }],
    ['addresses', { addresses: [{ host: '192.0.2.1,nqn=x', port: 4420 }] }],
    ['addresses', { addresses: [{ host: 'fe80::1%a,b', port: 4420 }] }],
    ['addresses', { addresses: [{ host: '192.0.2.1', port: 0 }] }],
    ['addresses', { addresses: [] }],
    ['hostId', { hostId: `${hostId},x` }],
    ['hostNqn', { hostNqn: `${hostNqn},x` }],
    ['uuid', { uuid: '../../etc/passwd' }],
    ['nsid', { nsid: 0 }],
    ['nsid', { nsid: 0xffff_ffff }],
  ])('refuses a wrong %s before it does anything: %j', async (_field, wrong) => {
    await expect(attacher().attach({ ...target, ...wrong })).rejects.toMatchObject({
      code: expect.stringMatching(/^INVALID_/),
    });
    expect(await records.list()).toEqual([]);
    expect(kernel.get('dev/nvme-fabrics')).toBe('');
  });

  it('K13: waits for a device that appears late, and takes none of another namespace', async () => {
    ours('nvme0');
    kernel.device('nvme0n1', nqn, otherUuid); // the name that ours had before
    kernel.device('nvme1n1', 'nqn.2026-11.dev.ballast:volume:b', uuid); // a copy of another subsystem
    const short = { deadlineMs: 50 };
    await expect(attacher().attach(target, short)).rejects.toMatchObject({ code: 'ABORTED' });
    kernel.device('nvme0n2', nqn, uuid, { node: false }); // until its node is there, too
    await expect(attacher().attach(target, short)).rejects.toMatchObject({ code: 'ABORTED' });
    const attaching = attacher().attach(target);
    kernel.device('nvme0n2', nqn, uuid);
    await expect(attaching).resolves.toMatchObject({
      device: `${kernel.roots.dev}/nvme0n2`,
      driver: 'kernel',
      state: 'live',
      sizeBytes: 1n << 20n,
    });
  });

  it('K13: finds a namespace under another name after it was reused', async () => {
    ours('nvme0');
    kernel.device('nvme0n1', nqn, uuid);
    await attacher().attach(target);
    kernel.device('nvme0n1', nqn, otherUuid);
    expect(await attacher().find(uuid)).toBeUndefined();
    kernel.device('nvme0n3', nqn, uuid.toUpperCase());
    expect((await attacher().find(uuid))?.device).toBe(`${kernel.roots.dev}/nvme0n3`);
    expect(await attacher().uuidOf('/dev/nvme0n1')).toBeUndefined();
  });

  it('keeps paths that are there and adds those that are missing', async () => {
    ours('nvme0');
    kernel.device('nvme0n1', nqn, uuid);
    const addresses = ['192.0.2.1', '192.0.2.2'].map((host) => ({ host, port: 4420 }));
    await attacher().attach({ ...target, addresses });
    expect(kernel.get('dev/nvme-fabrics')).toContain('traddr=192.0.2.2,');
  });

  it('says dead, reconnecting, live of the best of its paths', async () => {
    kernel.device('nvme0n1', nqn, uuid);
    ours('nvme0', '192.0.2.1', 'connecting');
    ours('nvme1', '192.0.2.2', 'live');
    await attacher().attach(target);
    expect((await attacher().find(uuid))?.state).toBe('live');
    kernel.take('sys/class/nvme/nvme1');
    expect((await attacher().find(uuid))?.state).toBe('reconnecting');
    kernel.take('sys/class/nvme/nvme0');
    expect((await attacher().find(uuid))?.state).toBe('dead');
  });

  it('ends its own paths only, and not while another namespace of the subsystem is attached', async () => {
    ours('nvme0');
    kernel.controller('nvme1', { nqn, host: '192.0.2.1', hostNqn: `${hostNqn}x` });
    kernel.device('nvme0n1', nqn, uuid);
    kernel.device('nvme0n2', nqn, otherUuid);
    await attacher().attach(target);
    await attacher().attach({ ...target, uuid: otherUuid, nsid: 2 });
    await attacher().detach(uuid);
    expect(kernel.get('sys/class/nvme/nvme0/delete_controller')).toBe('\n');
    const detaching = attacher().detach(otherUuid);
    await expect.poll(() => kernel.get('sys/class/nvme/nvme0/delete_controller')).toBe('1');
    kernel.take('sys/class/nvme/nvme0');
    await detaching;
    expect(kernel.get('sys/class/nvme/nvme1/delete_controller')).toBe('\n');
    expect(await records.list()).toEqual([]);
  });

  it('does not take a device away that is mounted', async () => {
    ours('nvme0');
    kernel.device('nvme0n1', nqn, uuid);
    await attacher().attach(target);
    kernel.mounts([{ number: '259:1', path: '/mnt/a' }]);
    await expect(attacher().detach(uuid)).rejects.toMatchObject({ code: 'ATTACH_CONFLICT' });
    expect(kernel.get('sys/class/nvme/nvme0/delete_controller')).toBe('\n');
    expect(await records.list()).toEqual([uuid]);
  });

  it('goes on where a call that was killed stopped, before and after it connected', async () => {
    await records.write({ version: 1, driver: 'kernel', target: { ...target, readOnly: false } });
    ours('nvme0');
    kernel.device('nvme0n1', nqn, uuid);
    expect((await attacher().attach(target)).state).toBe('live');
    kernel.take('sys/class/nvme/nvme0');
    kernel.take('sys/block/nvme0n1');
    await attacher().detach(uuid);
    expect(await records.list()).toEqual([]);
  });

  it('tries modprobe, and says why it cannot be used', async () => {
    kernel.take('dev/nvme-fabrics');
    await expect(attacher().attach(target)).rejects.toMatchObject({ code: 'ATTACH_UNAVAILABLE' });
    expect(kernel.calls).toEqual(['modprobe nvme-tcp']);
    expect(await records.list()).toEqual([]);
    kernel.onRun = () => {
      kernel.put('dev/nvme-fabrics', '');
      ours('nvme0');
      kernel.device('nvme0n1', nqn, uuid);
    };
    expect((await attacher().attach(target)).driver).toBe('kernel');
  });

  it('refuses the same UUID with another subsystem, host or mode, and gives up at its deadline', async () => {
    ours('nvme0');
    kernel.device('nvme0n1', nqn, uuid);
    await attacher().attach(target);
    for (const other of [{ nqn: `${nqn}b` }, { nsid: 2 }, { readOnly: true }])
      await expect(attacher().attach({ ...target, ...other })).rejects.toMatchObject({
        code: 'ATTACH_CONFLICT',
      });
    const late = { ...target, uuid: otherUuid };
    await expect(attacher().attach(late, { deadlineMs: 50 })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
