// The replica of a volume that begins as a snapshot of another one: made of the snapshot that is in the same
// pool, so that nothing is copied. It is not used before all replicas of the volume are there, so each step
// may be made again.
import { replicaDataName } from '../base/replica-spec.js';
import { baseSnapshotName } from '../mirrors/snapshot-records.js';
import type { AgentEngine, WantedVolume } from './types.js';

/**
 * What is there before the first head of the volume is all of it; else only a copy makes the replica whole.
 */
export function isOriginal({ originSnapshot, originReplica }: WantedVolume): boolean {
  return originSnapshot === undefined || originReplica !== undefined;
}

/** `replica`: UUID of the one that is to be made. Fails when the snapshot is not in the pool. */
export async function ensureClone(
  engine: Pick<AgentEngine, 'poolVolumes' | 'poolSnapshots' | 'clonePoolVolume' | 'createPoolSnapshots'>,
  { name: volume, uuid, pool, sizeBytes, thick, originSnapshot, originReplica = '' }: WantedVolume,
  replica: string,
): Promise<void> {
  const name = replicaDataName(replica);
  if ((await engine.poolVolumes(pool)).every((one) => one.name !== name)) {
    const origin = replicaDataName(originReplica);
    const snapshots = await engine.poolSnapshots(pool, origin);
    const found = snapshots.find((one) => one.uuid === originSnapshot);
    if (found === undefined) throw new Error(`the snapshot of which '${volume}' is made is not in '${pool}'`);
    // The replica may have been larger than its volume already, when its head was making it so.
    const bytes = found.sizeBytes > sizeBytes ? found.sizeBytes : sizeBytes;
    const source = { volume: origin, snapshot: found.name };
    await engine.clonePoolVolume(pool, source, { name, uuid: replica, sizeBytes: bytes, thick });
  }
  if ((await engine.poolSnapshots(pool, name)).length > 0) return;
  await engine.createPoolSnapshots(pool, [{ volume: name, name: baseSnapshotName, uuid }]);
}
