// The Unix socket of a gRPC server.
import { stat } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { InvalidUriError, ListenError } from '../base/errors.js';
import { listenOnUnixSocket } from '../base/listen.js';

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
  const server = createServer(take);
  server.maxConnections = connectionsMax;
  await listenOnUnixSocket(server, path);
  return server;
}
