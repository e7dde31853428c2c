// Which process is at the other end of a connection on loopback: proc(5) tells, also of processes of the same
// user without root.
import { readdir, readFile, readlink } from 'node:fs/promises';

/** `port`: the process's own. Undefined: none of them has it. */
export async function ownerOf(port: number, pids: readonly number[]): Promise<number | undefined> {
  const inode = inodeOf(await readFile('/proc/net/tcp', 'utf8'), port);
  if (inode === undefined) return undefined;
  for (const pid of pids) {
    if (await hasSocket(pid, inode)) return pid;
  }
  return undefined;
}

/** Of the socket of 127.0.0.1 with this local port, in the text of /proc/net/tcp. */
export function inodeOf(table: string, port: number): string | undefined {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local) return fields[9];
  }
  return undefined;
}

async function hasSocket(pid: number, inode: string): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  const files = await readdir(directory).catch(() => []); // it has ended meanwhile
  const links = await Promise.all(files.map((file) => readlink(`${directory}/${file}`).catch(() => '')));
  return links.includes(`socket:[${inode}]`);
}
