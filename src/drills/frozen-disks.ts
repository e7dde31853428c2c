// Disks of nodes that can be made to wait: each is a file in a file system of its own, in a loop device, and
// fsfreeze(8) lets writes to that wait in the kernel. Needs root. What must stay true: none stays frozen, or
// what writes to it could not even be killed.
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const imageBytes = 3 * 2 ** 30; // sparse
const tools = ['mkfs.ext4', 'mount', 'umount', 'fsfreeze'];

export class FrozenDisks {
  readonly #directory: string;
  readonly #places = new Map<string, string>();
  readonly #frozen = new Set<string>();
  readonly #thawAtExit = () => {
    for (const name of this.#frozen) spawnSync('fsfreeze', ['--unfreeze', this.#place(name)]);
  };

  constructor(directory: string) {
    this.#directory = directory;
    process.on('exit', this.#thawAtExit);
  }

  /** Why this machine cannot have them. */
  static async unavailable(): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return 'it needs root, to mount and freeze file systems';
    for (const tool of tools) {
      const found = await run('sh', ['-c', `command -v ${tool}`]).catch(() => undefined);
      if (found === undefined) return `it needs ${tool} (e2fsprogs, util-linux)`;
    }
    return undefined;
  }

  /** Returns a directory of the node, in a file system of its own. */
  async add(name: string): Promise<string> {
    const place = join(this.#directory, `${name}.disk`);
    const image = `${place}.ext4`;
    await mkdir(place, { recursive: true });
    const file = await open(image, 'w', 0o600);
    await file.truncate(imageBytes).finally(() => file.close());
    await run('mkfs.ext4', ['-q', '-F', image]);
    await run('mount', ['-o', 'loop', image, place]);
    this.#places.set(name, place);
    return place;
  }

  /** Writes wait from now on. */
  async freeze(name: string): Promise<void> {
    const place = this.#place(name);
    if (this.#frozen.has(name)) return;
    this.#frozen.add(name);
    await run('fsfreeze', ['--freeze', place]);
  }

  async thaw(name: string): Promise<void> {
    if (!this.#frozen.has(name)) return;
    await run('fsfreeze', ['--unfreeze', this.#place(name)]);
    this.#frozen.delete(name);
  }

  async thawAll(): Promise<void> {
    for (const name of [...this.#frozen]) await this.thaw(name);
  }

  /** When nobody uses them any more. */
  async close(): Promise<void> {
    await this.thawAll();
    process.off('exit', this.#thawAtExit);
    for (const place of this.#places.values()) await run('umount', [place]);
    this.#places.clear();
  }

  #place(name: string): string {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`there is no disk of '${name}'`);
    return place;
  }
}
