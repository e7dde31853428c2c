// What the kernel shows of processes, block devices and mounts, below roots that a test can replace.
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KernelRoots } from './ports.js';

const sectorBytes = 512n; // the unit of /sys/block/*/size, whatever the block size

export class KernelTree {
  constructor(readonly roots: KernelRoots) {}

  /** Field 22 of /proc/PID/stat; undefined when there is no such process, or only its remains. */
  async startTimeOf(pid: number): Promise<string | undefined> {
    const text = await readText(join(this.roots.proc, String(pid), 'stat'));
    // The second field is a name in parentheses that may hold anything.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }

  /** Loop devices whose file is `file`, also when that was unmounted since. */
  async loopsOf(file: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of await names(join(this.roots.sys, 'block'))) {
      if (!/^loop\d+$/.test(name)) continue;
      const backing = await readText(join(this.roots.sys, 'block', name, 'loop/backing_file'));
      if (backing === file || backing === `${file} (deleted)`) found.push(join(this.roots.dev, name));
    }
    return found;
  }

  /** Size of the block device of this name ("loop0"); undefined if there is none. */
  async sizeBytes(name: string): Promise<bigint | undefined> {
    const text = await readText(join(this.roots.sys, 'block', name, 'size'));
    return text === undefined ? undefined : BigInt(text) * sectorBytes;
  }

  /** Mounted somewhere, or below another device; a sentence. What has it open otherwise is not seen. */
  async useOf(name: string): Promise<string | undefined> {
    const number = await readText(join(this.roots.sys, 'block', name, 'dev'));
    if (number === undefined) return undefined;
    const mounts = (await readText(join(this.roots.proc, 'self/mountinfo'))) ?? '';
    const mount = mounts.split('\n').find((line) => line.split(' ')[2] === number);
    if (mount !== undefined) return `${name} is mounted on ${mount.split(' ')[4] ?? ''}`;
    const holders = await names(join(this.roots.sys, 'block', name, 'holders'));
    return holders.length > 0 ? `${name} is used by ${holders.join(', ')}` : undefined;
  }

  async isMountPoint(path: string): Promise<boolean> {
    const mounts = (await readText(join(this.roots.proc, 'self/mountinfo'))) ?? '';
    return mounts.split('\n').some((line) => line.split(' ')[4] === path);
  }
}

/** Without the line's end; undefined when it cannot be read: things of the kernel go at any moment. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

export async function names(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch {
    return [];
  }
}

export async function linkName(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
