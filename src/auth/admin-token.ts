// The token that is there from the first start: in a file of the state directory that only its owner can
// read, from which clients take it. The daemon keeps its hash. Removing the file and starting again replaces
// it.
import { type FileHandle, open } from 'node:fs/promises';
import { writeFileAtomically } from '../base/atomic-file.js';
import { StateDirectoryError } from '../base/errors.js';
import { hashToken, makeToken, nameInToken } from './token.js';

export const adminName = 'admin';
const othersMode = 0o077;
const fileBytesMax = 256;

/** Makes the file where there is none. Resolves with the hash of the token. */
export async function adminTokenHash(path: string): Promise<Uint8Array> {
  return hashToken((await readToken(path)) ?? (await writeToken(path)));
}

async function readToken(path: string): Promise<string | undefined> {
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
      const advice = 'others may have read it; remove it to have a new one made';
      throw new StateDirectoryError(path, `has mode ${octal} instead of 0600: ${advice}`);
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(fileBytesMax), 0, fileBytesMax, 0);
    const token = buffer.toString('latin1', 0, bytesRead).trim();
    if (nameInToken(token) !== adminName) {
      throw new StateDirectoryError(path, 'holds no token; remove it to have a new one made');
    }
    return token;
  } finally {
    await file.close();
  }
}

async function writeToken(path: string): Promise<string> {
  const token = makeToken(adminName);
  try {
    await writeFileAtomically(path, `${token}\n`, 0o600);
  } catch (cause) {
    throw new StateDirectoryError(path, 'cannot be written', { cause });
  }
  return token;
}
