// Reads a file of the state directory that holds a secret. One that others could read is refused, not
// repaired: what was read stays known.
import { type FileHandle, open } from 'node:fs/promises';
import { StateDirectoryError } from './errors.js';

const othersMode = 0o077;

/** At most `bytesMax` of it. Undefined: there is none. `remedy`: what to do when others could read it. */
export async function readPrivateFile(
  path: string,
  bytesMax: number,
  remedy: string,
): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StateDirectoryError(path, 'cannot be read', { cause });
  }
  try {
    const { mode } = await file.stat(); // of what is open: a name can be given to another file
    if ((mode & othersMode) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new StateDirectoryError(
        path,
        `has mode ${octal} instead of 0600: others may have read it; ${remedy}`,
      );
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
