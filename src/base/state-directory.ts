// What lies where in the state directory, for the daemon that makes it and for the clients that read it.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StateDirectoryError } from './errors.js';

// sun_path of unix(7) holds 108 bytes, the last of which is the terminating zero.
const socketPathBytesMax = 107;

export interface StatePaths {
  readonly directory: string;
  /** The daemon's own state; one process at a time. */
  readonly store: string;
  /** Of a controller: how far its store was, beside it. */
  readonly storeMark: string;
  /** The REST API without a token, for those who may use this directory. */
  readonly apiSocket: string;
  /** The admin token of the REST API. */
  readonly apiToken: string;
  /** The keys that wrap those of encrypted volumes, unless they are elsewhere. */
  readonly volumeKeys: string;
  /** Of a controller: the authority of its cluster, a directory. */
  readonly authority: string;
  /** Of a node: with what it belongs to a cluster, a directory. */
  readonly membership: string;
}

/** Absolute paths; changes nothing. Refuses a directory whose socket could not be bound. */
export function statePaths(stateDirectory: string): StatePaths {
  const directory = resolve(stateDirectory);
  const apiSocket = join(directory, 'api.sock');
  if (Buffer.byteLength(apiSocket) > socketPathBytesMax) {
    const reason = `is longer than the ${socketPathBytesMax} bytes of a socket's path; choose a shorter one`;
    throw new StateDirectoryError(apiSocket, reason);
  }
  return {
    directory,
    store: join(directory, 'store'),
    storeMark: join(directory, 'store-mark'),
    apiSocket,
    apiToken: join(directory, 'api-token'),
    volumeKeys: join(directory, 'volume-keys'),
    authority: join(directory, 'authority'),
    membership: join(directory, 'cluster'),
  };
}

export async function makeStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (cause) {
    throw new StateDirectoryError(directory, 'cannot be made', { cause });
  }
}
