import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalAttacher } from '../../../src/attach/attacher.js';
import { FuseDriver } from '../../../src/attach/fuse-driver.js';
import { KernelTree } from '../../../src/attach/kernel-tree.js';
import { AttachRecords } from '../../../src/attach/records.js';
import type { AttachTarget } from '../../../src/attach/types.js';
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
const record = { version: 1, driver: 'fuse', target: { ...target, readOnly: false } } as const;

let kernel: FakeKernel;
let records: AttachRecords;
let server: Server | undefined;
beforeEach(() => {
  kernel = new FakeKernel();
  kernel.put('dev/fuse', '');
  kernel.put('dev/loop-control', '');
  records = new AttachRecords(`${kernel.top}/run`, kernel);
});
afterEach(() => {
  server?.close();
  server = undefined;
  kernel.remove();
});

const attacher = () => {
  const tree = new KernelTree(kernel.roots);
  return new LocalAttacher(records, [new FuseDriver(records, tree, kernel, kernel)], 'fuse');
};
const file = () => records.path(uuid, 'img');

/** A server process that has a device: number, start time, socket. */
async function serve(pid: number, state = 'live'): Promise<void> {
  const device = `${kernel.roots.dev}/loop7`;
  kernel.process(pid, '1000');
  kernel.loop('loop7', file());
  server = createServer((_request, response) => response.end(JSON.stringify({ state, device })));
  await new Promise<void>((resolve) => server?.listen(records.path(uuid, 'sock'), resolve));
  await records.writeServer(uuid, { version: 1, pid, startTime: '1000', device });
}

describe('the driver fuse', () => {
  it('K24: leaves no lock of a call that was killed behind its last step', async () => {
    await records.make();
    await writeFile(records.path(uuid, 'lock'), '');
    await attacher().detach(uuid);
    expect(await readdir(records.directory)).toEqual([]);
    await attacher().detach(uuid);
    expect(await readdir(records.directory)).toEqual([]);
  });

  it('starts a process and answers what it says', async () => {
    kernel.onStart = () => {
      void serve(42);
      kernel.process(42, '1000');
      return 42;
    };
    const attached = await attacher().attach(target);
    expect(attached).toMatchObject({ device: `${kernel.roots.dev}/loop7`, driver: 'fuse', state: 'live' });
    expect(attached.sizeBytes).toBe(1n << 20n);
    expect(await attacher().attach(target)).toEqual(attached);
    expect(kernel.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
  });

  it.each([
    ['UNREACHABLE', 'UNREACHABLE'],
    ['CONNECT_REFUSED', 'CONNECT_REFUSED'],
    ['NAMESPACE_NOT_FOUND', 'NAMESPACE_NOT_FOUND'],
    ['NATIVE', 'ATTACH_FAILED'],
  ])('passes on why its process failed: %s', async (code, seen) => {
    kernel.onStart = () => {
      kernel.process(42, '1000');
      void records.writeServer(uuid, {
        version: 1,
        pid: 42,
        startTime: '1000',
        error: { code, message: 'm' },
      });
      return 42;
    };
    await expect(attacher().attach(target)).rejects.toMatchObject({ code: seen });
    expect(kernel.calls).toContain('kill 42 SIGKILL');
  });

  it('fails when its process ends without a word, and leaves no mount', async () => {
    kernel.onStart = () => {
      kernel.mounts([{ number: '0:50', path: file() }]); // killed after it had mounted
      return 42;
    };
    await expect(attacher().attach(target)).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
    expect(kernel.calls.at(-1)).toBe(`unmount ${file()}`);
  });

  it('takes what a dead process left for its own, and another process with its number for none', async () => {
    await records.write(record);
    await serve(42);
    kernel.process(42, '2000'); // the number was given to somebody else
    kernel.mounts([{ number: '0:50', path: file() }]);
    kernel.loop('loop8', '/somebody/else.img');
    expect((await attacher().find(uuid))?.state).toBe('dead');
    await attacher().detach(uuid);
    expect(kernel.calls).toEqual([`loop loop7 ${file()} true`, `unmount ${file()}`]);
    expect(await records.list()).toEqual([]);
  });

  it('finishes what a call left that was killed after the record was written', async () => {
    await records.write(record);
    expect(await attacher().find(uuid)).toBeUndefined();
    expect(await attacher().list()).toEqual([]);
    await attacher().detach(uuid);
    await attacher().detach(uuid);
    expect(await records.list()).toEqual([]);
  });

  it('ends a process whose target is away, but not under a mounted device', async () => {
    await records.write(record);
    await serve(42, 'reconnecting');
    kernel.mounts([{ number: '7:7', path: '/mnt/a' }]);
    await expect(attacher().detach(uuid)).rejects.toMatchObject({
      code: 'ATTACH_CONFLICT',
      message: expect.stringContaining('/mnt/a'),
    });
    expect(kernel.calls).toEqual([]);
    kernel.mounts([]);
    await attacher().detach(uuid);
    expect(kernel.calls).toEqual(['kill 42 SIGKILL', `loop loop7 ${file()} true`]);
  });

  it('refuses to refresh what is not attached, or whose process died', async () => {
    await expect(attacher().refresh(uuid)).rejects.toMatchObject({ code: 'ATTACH_NOT_FOUND' });
    await records.write(record);
    await expect(attacher().refresh(uuid)).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
  });

  it('says what a machine lacks', async () => {
    kernel.take('dev/fuse');
    await expect(attacher().attach(target)).rejects.toMatchObject({
      code: 'ATTACH_UNAVAILABLE',
      message: expect.stringContaining('/fuse'),
    });
  });
});
