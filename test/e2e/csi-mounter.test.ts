// The mounter of a real node, on loop devices over sparse files: what it finds, makes, mounts and grows.
// Mounting needs root and the loop driver; without, this says so and is skipped.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Place, Places } from '../../src/csi/mounter/place.js';
import { SystemMounter } from '../../src/csi/mounter/system-mounter.js';
import type { FileSystemType } from '../../src/csi/mounter/types.js';

const tools = ['mkfs.ext4', 'mkfs.xfs', 'resize2fs', 'xfs_growfs', 'blkid', 'losetup'];
const missing = tools.filter((tool) => !existsSync(`/usr/sbin/${tool}`) && !existsSync(`/sbin/${tool}`));
const cannot =
  process.getuid?.() !== 0
    ? 'root is needed to mount'
    : !existsSync('/dev/loop-control')
      ? 'there is no loop driver'
      : missing.length > 0
        ? `not installed: ${missing.join(', ')}`
        : undefined;
if (cannot !== undefined) console.log(`SKIPPED: the mounter on real devices: ${cannot}`);

// capabilities(7): CAP_SYS_RESOURCE is bit 24; EXT4_IOC_RESIZE_FS asks for it, XFS for CAP_SYS_ADMIN only.
const capabilities = BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
const growsExt4 = ((capabilities >> 24n) & 1n) === 1n;
if (!growsExt4) console.log('SKIPPED: growing ext4 while mounted: this process has no CAP_SYS_RESOURCE');

const uuid = '5a1e0000-1111-4222-8333-444455556666';
const mib = 1 << 20;

let directory: string;
let places: Places;
let mounter: SystemMounter;
let device: string;

const run = (program: string, ...argv: string[]) => execFileSync(program, argv, { encoding: 'utf8' }).trim();
const image = () => join(directory, 'image');
const at = <T>(name: string, work: (place: Place) => Promise<T>) =>
  places.at('path', join(directory, name), work) as Promise<T>;

describe.skipIf(cannot !== undefined)('the mounter', () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ballast-mounter-'));
    places = new Places(directory);
    mounter = new SystemMounter(pino({ level: 'silent' }));
    await writeFile(image(), '');
    await truncate(image(), 320 * mib);
    device = run('losetup', '--find', '--show', image());
    for (const name of ['staged', 'pod']) await mkdir(join(directory, name));
    await writeFile(join(directory, 'node'), '');
  });
  afterEach(async () => {
    for (const name of ['node', 'pod', 'staged']) {
      await at(name, async (place) => {
        while ((await mounter.mountsAt(place)).length > 0) await mounter.unmount(place);
      });
    }
    run('losetup', '--detach', device);
    await rm(directory, { recursive: true });
  });

  it.each(['ext4', 'xfs'] as const)('%s: makes, mounts, binds to read, grows while mounted', async (type) => {
    expect(await mounter.probe(device)).toEqual({ kind: 'empty' });
    await mounter.format(device, { type, uuid, again: false });
    const unused = type === 'ext4'; // an XFS that is finished does not say whether it was mounted
    expect(await mounter.probe(device)).toEqual({ kind: 'file-system', type, uuid, unused });
    await mounter.check(device, type);
    const number = await mounter.deviceNumber(device);
    await at('staged', async (place) => {
      await mounter.mount(device, place, { type, flags: ['noatime'] });
      const [mount] = await mounter.mountsAt(place);
      expect(mount).toMatchObject({ device: number, fsType: type });
      expect(mount?.options).toContain('noatime');
      await at('pod', (pod) => mounter.bind(place, pod, { readOnly: true }));
    });
    await writeFile(join(directory, 'staged/file'), 'kept');
    expect(await readFile(join(directory, 'pod/file'), 'utf8')).toBe('kept');
    await expect(writeFile(join(directory, 'pod/other'), '')).rejects.toThrow(/EROFS/);
    expect(await mounter.probe(device)).toMatchObject({ unused: false });

    const before = await at('staged', (place) => mounter.usage(place));
    await truncate(image(), 640 * mib);
    run('losetup', '--set-capacity', device);
    if (type === 'xfs' || growsExt4) {
      await at('staged', (place) => mounter.grow(device, place, type));
      const after = await at('staged', (place) => mounter.usage(place));
      expect(after.bytes.total - before.bytes.total).toBeGreaterThan(250n * BigInt(mib));
    } else {
      await expect(at('staged', (place) => mounter.grow(device, place, type))).rejects.toThrow(/Permission/);
    }
    expect(await at('staged', (place) => mounter.trouble(place))).toBeUndefined();
    for (const name of ['pod', 'staged']) await at(name, (place) => mounter.unmount(place));
    await mounter.check(device, type);
  });

  it('binds the node of a device to a file', async () => {
    const number = await mounter.deviceNumber(device);
    await at('node', async (place) => {
      expect(await mounter.deviceNumberAt(place)).toBeUndefined();
      await mounter.bind(device, place, { readOnly: false });
      expect(await mounter.deviceNumberAt(place)).toBe(number);
      expect((await stat(join(directory, 'node'))).isBlockDevice()).toBe(true);
      await mounter.unmount(place);
      expect(await mounter.deviceNumberAt(place)).toBeUndefined();
    });
    expect(await mounter.deviceNumber('/dev/null')).toBeUndefined();
    expect(await mounter.deviceNumber('/dev/none')).toBeUndefined();
  });

  it('K12: tells data at either end, a partition table and swap from nothing', async () => {
    const put = async (offset: number, data: string | Buffer) => {
      const file = await open(device, 'r+');
      await file.write(Buffer.from(data as string), 0, data.length, offset);
      await file.sync();
      await file.close();
    };
    await put(320 * mib - 512, 'x'.repeat(512));
    expect(await mounter.probe(device)).toEqual({ kind: 'data' });
    await put(320 * mib - 512, Buffer.alloc(512));
    await put(512 * 1024, 'x'.repeat(512));
    expect(await mounter.probe(device)).toEqual({ kind: 'data' });
    run('mkswap', device);
    expect(await mounter.probe(device)).toEqual({ kind: 'other', what: 'swap (other)' });
    for (const type of ['ext4', 'xfs'] satisfies FileSystemType[]) {
      await mounter.format(device, { type, uuid, again: true });
      expect(await mounter.probe(device)).toMatchObject({ type });
    }
    // A partition table beside the signature of a file system.
    await put(510, Buffer.from([0x55, 0xaa]));
    await put(446 + 4, Buffer.from([0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0]));
    expect((await mounter.probe(device)).kind).not.toBe('empty');
    expect(await mounter.probe('/dev/none').catch(() => 'refused')).toBe('refused');
  });

  it('K12: does not format a device that another process has', async () => {
    await mounter.format(device, { type: 'ext4', uuid, again: false });
    await at('staged', (place) => mounter.mount(device, place, { type: 'ext4', flags: [] }));
    for (const type of ['ext4', 'xfs'] as const) {
      await expect(mounter.format(device, { type, uuid, again: true })).rejects.toThrow(/mkfs/);
    }
    await at('staged', (place) => mounter.unmount(place));
    expect(await mounter.probe(device)).toMatchObject({ type: 'ext4', uuid });
  });

  it('repairs what fsck can, and says of the rest what it is', async () => {
    await mounter.format(device, { type: 'ext4', uuid, again: false });
    run('debugfs', '-w', '-R', 'set_super_value free_blocks_count 1', device);
    await mounter.check(device, 'ext4');
    await expect(
      at('staged', (place) => mounter.mount(device, place, { type: 'xfs', flags: [] })),
    ).rejects.toThrow(/mount ended with/);
  });
});
