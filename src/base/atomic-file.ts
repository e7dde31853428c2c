// Replaces a small file so that a crash or a power failure leaves the old or the new content, never a
// mixture.
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** `mode` is what the file has whatever the umask, and whatever was left of an earlier attempt. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode?: number,
): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', mode ?? 0o644);
  try {
    if (mode !== undefined) await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync(); // the rename itself
  } finally {
    await directory.close();
  }
}
