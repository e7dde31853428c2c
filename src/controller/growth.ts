// A larger volume of a cluster that is there: every pool that a replica of it is in has to have the room, and
// every replica has to be one that can grow. Pure.
import { ClusterVolumeStateError } from '../base/cluster-errors.js';
import { NoSpaceError } from '../base/pool-errors.js';
import { type PlacedReplica, promisedBytes, type VolumeRecord, wantSize } from '../cluster/model/volume.js';
import type { Candidate } from '../cluster/placement/candidates.js';
import { growthRefusal } from '../cluster/placement/fit.js';
import type { StepFacts } from './volume-step.js';

/** The same object where nothing changes. What nodes that are away have is seen when they are back. */
export function withSize(
  volume: VolumeRecord,
  sizeBytes: bigint,
  candidates: readonly Candidate[],
  saidOf: StepFacts['saidOf'],
): VolumeRecord {
  const next = wantSize(volume, sizeBytes);
  const moreBytes = sizeBytes - promisedBytes(volume);
  if (next === volume || moreBytes <= 0n) return next;
  const refusals = volume.replicas.flatMap((replica) => {
    const found = candidates.find(({ node }) => node.id === replica.node);
    const pool = found?.pools.find(({ name }) => name === replica.pool);
    if (found === undefined || pool === undefined) return [];
    checkReplica(volume, replica, found.node.name, sizeBytes, saidOf);
    const reason = growthRefusal(pool, moreBytes, volume.wishes);
    return reason === undefined ? [] : [`${found.node.name}: ${reason}`];
  });
  if (refusals.length === 0) return next;
  throw new NoSpaceError(`make volume '${volume.name}' larger`, refusals.join('; '));
}

/** Its metadata has room up to a size: of replicas of before there was growth their first one. */
function checkReplica(
  { name }: VolumeRecord,
  { uuid, node }: PlacedReplica,
  nodeName: string,
  sizeBytes: bigint,
  saidOf: StepFacts['saidOf'],
): void {
  const said = saidOf(node, name);
  if (said?.replica !== uuid || said.sizeMaxBytes === undefined || said.sizeMaxBytes >= sizeBytes) return;
  const most = `its replica on '${nodeName}' was made for at most ${said.sizeMaxBytes} bytes`;
  const reason = `cannot have ${sizeBytes} bytes: ${most}; evacuate that node, as replicas made now can grow`;
  throw new ClusterVolumeStateError(name, reason);
}
