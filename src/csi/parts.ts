// What the services of the controller share, and how they take their turn. Two locks at most are held, first
// that of a name, then those of volumes, so that nobody waits for ever.
import type { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import type { SnapshotDirectory } from './snapshot-directory.js';
import type { Storage } from './storage.js';
import type { Segments } from './topology.js';
import type { VolumeDirectory } from './volume-directory.js';

export interface Parts {
  readonly storage: Storage;
  readonly volumes: VolumeDirectory;
  readonly snapshots: SnapshotDirectory;
  readonly locks: KeyedLock;
  readonly log: Log;
  /** Where the volumes are; none: they can be reached from everywhere. */
  readonly topology: Segments | undefined;
  /** Label under which zones of a cluster are told; none: they are not. */
  readonly zoneKey: string | undefined;
  /** Where hosts find the target, HOST:PORT; none: where the daemon says that it listens. */
  readonly targetAddresses: readonly string[];
}

/** Alone with a name that is being made. */
export function withName<T>({ locks }: Parts, name: string, call: Call, work: () => Promise<T>): Promise<T> {
  return locks.exclusive(`name ${name}`, inTime(call, work));
}

/** Alone with these volumes. */
export function withVolumes<T>(
  { locks }: Pick<Parts, 'locks'>,
  ids: readonly string[],
  call: Call,
  work: () => Promise<T>,
): Promise<T> {
  return locks.exclusiveAll(
    ids.map((id) => `volume ${id}`),
    inTime(call, work),
  );
}

/** While nobody changes or deletes the volume. */
export function withVolumeKept<T>(
  { locks }: Parts,
  id: string,
  call: Call,
  work: () => Promise<T>,
): Promise<T> {
  return locks.shared(`volume ${id}`, inTime(call, work));
}

/** What nobody waits for any more is not begun. What was begun is finished: the same call finds it done. */
function inTime<T>({ signal }: Call, work: () => Promise<T>): () => Promise<T> {
  return () => {
    if (signal.aborted) {
      throw new RpcError('ABORTED', 'another call for the same was under way until the deadline had passed');
    }
    return work();
  };
}
