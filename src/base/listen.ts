// A server that begins to listen, and says what is wrong with its address in our own errors.
import { lstat, unlink } from 'node:fs/promises';
import { connect, type ListenOptions, type Server } from 'node:net';
import { AddressInUseError, ListenError } from './errors.js';

/** name: the address as people know it. Throws AddressInUseError, ListenError. */
export function listen(server: Server, options: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new AddressInUseError(name, { cause })
          : new ListenError(name, cause.code ?? cause.message, { cause }),
      ),
    );
    server.listen(options, resolve);
  });
}

/**
 * On a Unix socket of mode 0600. One that an earlier process left behind is replaced, if nobody answers on
 * it; anything else of that name is left alone. Throws AddressInUseError, ListenError.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  await removeStale(path);
  // bind() happens within listen(): the socket never is, even for a moment, open to others.
  const before = process.umask(0o177);
  const listening = listen(server, { path }, `unix:${path}`);
  process.umask(before);
  await listening;
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new ListenError(`unix:${path}`, 'there is a file of this name; remove it');
  if (await answers(path)) throw new AddressInUseError(`unix:${path}`);
  await unlink(path).catch((cause: Error) => {
    throw new ListenError(`unix:${path}`, 'the socket that was left behind cannot be removed', { cause });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
