// The token that is there from the first start: in a file of the state directory that only its owner can
// read, from which clients take it. The daemon keeps its hash. Removing the file and starting again replaces
// it.
import { writeFileAtomically } from '../base/atomic-file.js';
import { StateDirectoryError } from '../base/errors.js';
import { readPrivateFile } from '../base/private-file.js';
import { hashToken, makeToken, nameInToken } from './token.js';

export const adminName = 'admin';
const fileBytesMax = 256;

/** Makes the file where there is none. Resolves with the hash of the token. */
export async function adminTokenHash(path: string): Promise<Uint8Array> {
  return hashToken((await readToken(path)) ?? (await writeToken(path)));
}

async function readToken(path: string): Promise<string | undefined> {
  const text = await readPrivateFile(path, fileBytesMax, 'remove it to have a new one made');
  if (text === undefined) return undefined;
  const token = text.trim();
  if (nameInToken(token) !== adminName) {
    throw new StateDirectoryError(path, 'holds no token; remove it to have a new one made');
  }
  return token;
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
