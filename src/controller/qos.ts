// Limits and guarantees of a volume of a cluster that is there: what is guaranteed has to fit in the budget
// of every pool that a replica of it is in. Pure.
import { ClusterUnsupportedError, ClusterVolumeStateError } from '../base/cluster-errors.js';
import { checkQos, type QosWords } from '../base/qos.js';
import { QosOvercommittedError } from '../base/qos-errors.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import type { Candidate } from '../cluster/placement/candidates.js';

/** Undefined: none any more. The same object where nothing changes. */
export function withQos(
  volume: VolumeRecord,
  qos: QosWords | undefined,
  candidates: readonly Candidate[],
): VolumeRecord {
  const { qos: before, ...rest } = volume;
  if (volume.state === 'deleting') throw new ClusterVolumeStateError(volume.name, 'is being deleted');
  if (qos === undefined) return before === undefined ? volume : rest;
  if (qos.class !== undefined) throw new ClusterUnsupportedError('classes of QoS');
  checkQos(qos);
  const more = (qos.minIops ?? 0) - (before?.minIops ?? 0);
  if (more > 0) checkBudgets(volume, more, candidates);
  return { ...rest, qos };
}

function checkBudgets({ replicas }: VolumeRecord, more: number, candidates: readonly Candidate[]): void {
  for (const replica of replicas) {
    const found = candidates.find(({ node }) => node.id === replica.node);
    const pool = found?.pools.find(({ name }) => name === replica.pool);
    if (found === undefined || pool === undefined) continue; // away: nobody knows what it could do
    const { committedIops, iopsBudget = 0 } = pool;
    if (committedIops + more <= iopsBudget) continue;
    const there = `pool '${pool.name}' of node '${found.node.name}'`;
    throw new QosOvercommittedError(
      `${there} has ${committedIops} of ${iopsBudget} IOPS guaranteed already; ${more} more are asked for`,
    );
  }
}
