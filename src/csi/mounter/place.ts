// A place below the kubelet's directory, reached by a walk that follows no symbolic link: each directory is
// opened from the one before it and held, so that nothing which is swapped after a check is ever used. What
// is done there is done through the open directory (/proc/self/fd/N/NAME; Node.js has no openat(2)).
import { constants, type FileHandle, lstat, mkdir, open, readlink, rmdir, unlink } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { RpcError } from '../../rpc/status.js';
import { invalid } from '../checks.js';

/** open(2): O_PATH of every architecture but alpha, parisc and sparc. Node.js does not name it. */
const oPath = 0o10000000;
const directoryFlags = oPath | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export type PlaceKind = 'absent' | 'directory' | 'file' | 'device' | 'other';

/** A name in a directory that is held open; valid within Places.at(). */
export interface Place {
  /** Real path, for what the kernel tells of mounts. */
  readonly path: string;
  /** Of the directory that it is in. */
  readonly parentFd: number;
  readonly name: string;
}

export class Places {
  readonly #top: string;

  /** `top`: absolute; may be, or lie behind, a symbolic link: who starts this process chose it. */
  constructor(top: string) {
    this.#top = top.replace(/\/+$/, '');
  }

  get top(): string {
    return this.#top;
  }

  /** Refuses by the text alone: relative, `..`, or not below the kubelet's directory. */
  check(field: string, path: string): void {
    this.#components(field, path);
  }

  /**
   * Runs `work` with the place. Answers undefined, without running it, where a directory on the way is
   * missing.
   */
  async at<T>(field: string, path: string, work: (place: Place) => Promise<T>): Promise<T | undefined> {
    const components = this.#components(field, path);
    const name = components.pop() as string;
    let parent = await open(this.#top, oPath | constants.O_DIRECTORY).catch((cause: Error) => {
      throw new RpcError('FAILED_PRECONDITION', 'the kubelet directory of this node cannot be opened', {
        cause,
      });
    });
    try {
      for (const component of components) {
        const next = await openChild(field, parent, component);
        if (next === undefined) return undefined;
        await parent.close();
        parent = next;
      }
      const path = join(await readlink(`/proc/self/fd/${parent.fd}`), name);
      return await work({ path, parentFd: parent.fd, name });
    } finally {
      await parent.close();
    }
  }

  #components(field: string, path: string): string[] {
    const bad = () => invalid(field, 'an absolute path below the kubelet directory, without . and ..');
    if (!isAbsolute(path) || path.includes('\0')) throw bad();
    if (!path.startsWith(`${this.#top}/`)) throw bad();
    const components = path
      .slice(this.#top.length + 1)
      .replace(/\/$/, '')
      .split('/');
    if (components.some((one) => one === '' || one === '.' || one === '..')) throw bad();
    return components;
  }
}

export async function kindOf(place: Place): Promise<PlaceKind> {
  try {
    const found = await lstat(through(place));
    if (found.isDirectory()) return 'directory';
    if (found.isBlockDevice()) return 'device';
    return found.isFile() ? 'file' : 'other';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
    throw error;
  }
}

/** Makes it where it is absent; what is there has to be of the kind. */
export async function ensure(field: string, place: Place, kind: 'directory' | 'file'): Promise<void> {
  try {
    if (kind === 'directory') await mkdir(through(place), 0o750);
    else {
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
      await (await open(through(place), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o640)).close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const found = await kindOf(place);
    // A device is one that is bound to the file.
    if (found === kind || (kind === 'file' && found === 'device')) return;
    throw invalid(field, `a ${kind} or nothing there, and no symbolic link`);
  }
}

/** Takes away an empty directory or an empty file: never what holds something. */
export async function remove(place: Place): Promise<void> {
  const kind = await kindOf(place);
  if (kind === 'directory') await rmdir(through(place));
  else if (kind === 'file') {
    if ((await lstat(through(place))).size > 0) throw inTheWay('the file there is not empty');
    await unlink(through(place));
  } else if (kind !== 'absent') throw inTheWay('what is there is not of this driver');
}

/** The directory or file itself, for mount(2) through a child: nobody can put something else in its place. */
export async function openPlace(field: string, place: Place): Promise<FileHandle> {
  try {
    return await open(through(place), oPath | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new RpcError('INTERNAL', `${field}: it has just been taken away`, { cause });
  }
}

/** By the open directory; not to be given to what follows a symbolic link at its end. */
export function through({ parentFd, name }: Place): string {
  return `/proc/self/fd/${parentFd}/${name}`;
}

async function openChild(field: string, parent: FileHandle, name: string): Promise<FileHandle | undefined> {
  try {
    return await open(`/proc/self/fd/${parent.fd}/${name}`, directoryFlags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR' || code === 'ELOOP')
      throw invalid(field, 'directories only, and no symbolic link');
    throw error;
  }
}

function inTheWay(what: string): RpcError {
  return new RpcError('FAILED_PRECONDITION', `it cannot be taken away: ${what}`);
}
