// volume_mount_group: what kubelet does for an fsGroup, done by the driver that says VOLUME_MOUNT_GROUP. The
// root gets the group, is writable by it and hands the group on (setgid). Where the root is not like that
// yet, so does all below it, root last: an attempt that was cut off is made again. As kubelet's
// fsGroupChangePolicy OnRootMismatch; every directory is opened without following a link.
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, lchown, open, opendir } from 'node:fs/promises';
import { openPlace, type Place } from '../mounter/place.js';
import type { NodeParts } from './parts.js';

const setgid = 0o2000;
const directoryBits = setgid | 0o770;
const fileBits = 0o660;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const depthMax = 256; // open files; what is deeper was not made by a person

export async function giveToGroup({ log }: NodeParts, place: Place, gid: number): Promise<void> {
  const at = await openPlace('targetPath', place);
  try {
    const root = await open(`/proc/self/fd/${at.fd}/.`, O_RDONLY | O_DIRECTORY);
    try {
      const { gid: found, mode } = await root.stat();
      if (found === gid && (mode & directoryBits) === directoryBits) return;
      const passed = await giveBelow(root, gid, 1);
      if (passed > 0) log.warn({ room: 'csi', passed }, 'directories that lie too deep keep their group');
      await giveOne(root, gid, directoryBits);
    } finally {
      await root.close();
    }
  } finally {
    await at.close();
  }
}

/** Answers how many directories were too deep. */
async function giveBelow(directory: FileHandle, gid: number, depth: number): Promise<number> {
  let passed = 0;
  for await (const entry of await opendir(`/proc/self/fd/${directory.fd}/`)) {
    passed += await giveEntry(directory, entry, gid, depth);
  }
  return passed;
}

async function giveEntry(parent: FileHandle, entry: Dirent, gid: number, depth: number): Promise<number> {
  const path = `/proc/self/fd/${parent.fd}/${entry.name}`;
  if (!entry.isDirectory() && !entry.isFile()) {
    await lchown(path, -1, gid); // a link, a pipe, ...: itself, and its mode stays
    return 0;
  }
  if (entry.isDirectory() && depth >= depthMax) return 1;
  const kind = entry.isDirectory() ? O_DIRECTORY : 0;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | kind);
  try {
    const passed = entry.isDirectory() ? await giveBelow(file, gid, depth + 1) : 0;
    await giveOne(file, gid, entry.isDirectory() ? directoryBits : fileBits);
    return passed;
  } finally {
    await file.close();
  }
}

/** chown(2) takes bits away: mode last. */
async function giveOne(file: FileHandle, gid: number, bits: number): Promise<void> {
  const { uid, mode } = await file.stat();
  await file.chown(uid, gid);
  await file.chmod((mode & 0o7777) | bits);
}
