// The mounter of a real node: mount(8), umount(8), blkid, mkfs, fsck, resize2fs, xfs_growfs. What is mounted
// on, and what is bound, is handed to mount(8) as an open file, so that no path is walked a second time.
import { readFile, stat, statfs } from 'node:fs/promises';
import type { Log } from '../../base/log.js';
import { RpcError } from '../../rpc/status.js';
import { parseMountinfo } from './mountinfo.js';
import { openPlace, type Place, through } from './place.js';
import { probe } from './probe.js';
import { runTool } from './run-tool.js';
import type {
  DeviceContent,
  FileSystemType,
  FormatOptions,
  Mount,
  Mounter,
  MountOptions,
  Usage,
} from './types.js';

/** -c: the path is an open file, not to be resolved again. -n: and nothing to be written about it. */
const asItIs = ['-c', '-n'];
const formatMsMax = 600_000;
const checkMsMax = 3_600_000; // a large file system after a crash

export class SystemMounter implements Mounter {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  async mountsAt({ path }: Place): Promise<readonly Mount[]> {
    const all = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
    return all.filter(({ mountPoint }) => mountPoint === path).reverse();
  }

  async deviceNumber(device: string): Promise<string | undefined> {
    const found = await stat(device).catch(() => undefined);
    return found?.isBlockDevice() ? formatDeviceNumber(found.rdev) : undefined;
  }

  async deviceNumberAt(place: Place): Promise<string | undefined> {
    const at = await openPlace('path', place).catch(() => undefined);
    try {
      return at === undefined ? undefined : await this.deviceNumber(`/proc/self/fd/${at.fd}`);
    } finally {
      await at?.close();
    }
  }

  async probe(device: string): Promise<DeviceContent> {
    return probe(device, await sizeBytesOf(device));
  }

  async format(device: string, { type, uuid, again }: FormatOptions): Promise<void> {
    // Both refuse a device that another process has, such as an mkfs that a dead plugin has left running.
    const argv =
      type === 'ext4'
        ? ['-q', '-F', '-m', '0', '-E', 'nodiscard', '-U', uuid, device]
        : ['-q', '-K', ...(again ? ['-f'] : []), '-m', `uuid=${uuid}`, device];
    await runTool(`mkfs.${type}`, argv, { timeoutMs: formatMsMax });
  }

  async check(device: string, type: FileSystemType): Promise<void> {
    if (type !== 'ext4') return; // mounting replays its log, and fsck.xfs does nothing
    const { status } = await runTool('fsck.ext4', ['-a', device], {
      timeoutMs: checkMsMax,
      statuses: [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16],
    });
    // fsck(8): bits. 1 and 2: repaired. 4: errors are left. From 8 on it did not check: mounting may work.
    if (status >= 8) this.#log.warn({ room: 'csi' }, `fsck.ext4 did not check ${device}: ${status}`);
    else if ((status & 4) !== 0) {
      const what = `the file system has errors that fsck does not repair alone: e2fsck ${device}`;
      throw new RpcError('INTERNAL', what);
    }
  }

  async mount(device: string, at: Place, { type, flags }: MountOptions): Promise<void> {
    const options = flags.length === 0 ? [] : ['-o', flags.join(',')];
    await withOpen(at, (fd) =>
      runTool('mount', [...asItIs, '-t', type, ...options, device, '/proc/self/fd/3'], { fds: [fd] }),
    );
  }

  async bind(source: Place | string, at: Place, { readOnly }: { readonly readOnly: boolean }): Promise<void> {
    await withOpen(at, async (fd) => {
      if (typeof source === 'string') {
        return runTool('mount', [...asItIs, '--bind', source, '/proc/self/fd/3'], { fds: [fd] });
      }
      return withOpen(source, (from) =>
        runTool('mount', [...asItIs, '--bind', '/proc/self/fd/4', '/proc/self/fd/3'], { fds: [fd, from] }),
      );
    });
    if (readOnly) await this.bindReadOnly(at);
  }

  async bindReadOnly(at: Place): Promise<void> {
    await withOpen(at, (fd) =>
      runTool('mount', [...asItIs, '-o', 'remount,bind,ro', '/proc/self/fd/3'], { fds: [fd] }),
    );
  }

  async unmount({ parentFd, name }: Place): Promise<void> {
    // An open file of what is mounted would keep it busy: by the directory that it is in.
    await runTool('umount', [...asItIs, `/proc/self/fd/3/${name}`], { fds: [parentFd] });
  }

  async grow(device: string, at: Place, type: string): Promise<void> {
    if (type === 'ext4') await runTool('resize2fs', [device], { timeoutMs: formatMsMax });
    // It looks its argument up among the mounts, where no open file is found.
    else if (type === 'xfs') await runTool('xfs_growfs', ['-d', at.path], { timeoutMs: formatMsMax });
    else throw new RpcError('INTERNAL', `a file system of type ${type} is not grown`);
  }

  async usage(place: Place): Promise<Usage> {
    const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(through(place), { bigint: true });
    return {
      bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
      inodes: { total: files, used: files - ffree, available: ffree },
    };
  }

  async trouble(place: Place): Promise<string | undefined> {
    try {
      await stat(through(place)); // the root is in memory; XFS answers EIO once it has shut down
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'it cannot be looked at';
    }
  }
}

/** dev_t of the C library to the numbers of the kernel. */
function formatDeviceNumber(rdev: number): string {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

async function sizeBytesOf(device: string): Promise<bigint> {
  const found = await stat(device, { bigint: true });
  if (found.isFile()) return found.size;
  const { stdout } = await runTool('blockdev', ['--getsize64', device]);
  return BigInt(stdout.trim());
}

async function withOpen<T>(place: Place, work: (fd: number) => Promise<T>): Promise<T> {
  const at = await openPlace('path', place);
  try {
    return await work(at.fd);
  } finally {
    await at.close();
  }
}
