// The Unix socket of a gRPC server: 0600 from its first moment, and one that an earlier process left behind
// is replaced, if nobody answers on it.
import { lstat, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { AddressInUseError, InvalidUriError, ListenError } from '../base/errors.js';

const connectionsMax = 64;
/** What the kernel keeps of a path (unix(7): sun_path, with its end). */
const pathBytesMax = 107;

/** unix:///PATH, unix:/PATH or /PATH. */
export function parseUnixEndpoint(text: string): string {
  const path = text.replace(/^unix:(?:\/\/)?/, '');
  if (!isAbsolute(path) || path.includes('\0') || path.endsWith('/')) {
    throw new InvalidUriError(text, 'expected unix:///PATH of a socket');
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > pathBytesMax) {
    throw new InvalidUriError(text, `has a path of ${bytes} bytes, more than ${pathBytesMax}`);
  }
  return path;
}

export async function listenOnSocket(path: string, take: (socket: Socket) => void): Promise<Server> {
  // listen() would say EACCES of one that is not there.
  const directory = await stat(dirname(path)).catch(() => undefined);
  if (!directory?.isDirectory()) {
    throw new ListenError(`unix:${path}`, `there is no directory ${dirname(path)}`);
  }
  await removeStale(path);
  const server = createServer(take);
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new AddressInUseError(`unix:${path}`, { cause })
          : new ListenError(`unix:${path}`, cause.code ?? cause.message, { cause }),
      ),
    );
    // bind() happens within listen(): the socket never is, even for a moment, open to others.
    const before = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(before);
  });
  return server;
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
