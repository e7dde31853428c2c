// What is on the disks of this node: every replica in its pools, whether a record names it or not. One that
// is not served is opened for a moment, for nobody but this node, to read what it says of itself. Where it
// was never finished that makes it one that has nothing.
import { replicaDataName, replicaOfData } from '../base/replica-spec.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import type { ReplicaReport } from '../cluster/model/report.js';
import type { ReplicaInfo } from '../native/mirror-types.js';
import type { ReplicaNotes } from './replica-notes.js';
import type { AgentEngine } from './types.js';

export interface InventoryOptions {
  readonly engine: Pick<AgentEngine, 'poolVolumes' | 'addReplica' | 'removeReplica' | 'replicaInfo'>;
  readonly pools: () => Promise<readonly PoolFacts[]>;
  readonly notes: ReplicaNotes;
  /** Of this node. */
  readonly hostNqn: string;
}

/** Fails where something cannot be read: half of it would be taken for all. */
export async function inventory(options: InventoryOptions): Promise<readonly ReplicaReport[]> {
  const { engine, pools, notes } = options;
  const reports: ReplicaReport[] = [];
  for (const { name: pool, error } of await pools()) {
    if (error !== undefined) throw new Error(`pool '${pool}' cannot be read: ${error}`);
    for (const { name: data } of await engine.poolVolumes(pool)) {
      const uuid = replicaOfData(data);
      if (uuid === undefined || data !== replicaDataName(uuid)) continue;
      const info = await infoOf(options, pool, data, uuid);
      const noted = await notes.get(uuid);
      const { volumeUuid, sizeBytes, blockSizeBytes, maxEpoch, content, unusable, absent } = info;
      reports.push({
        ...{ uuid, pool, sizeBytes, blockSizeBytes, maxEpoch, content, unusable, absent },
        ...(volumeUuid !== undefined && { volumeUuid }),
        ...(noted !== undefined && { noted }),
      });
    }
  }
  return reports;
}

async function infoOf(
  { engine, hostNqn }: InventoryOptions,
  pool: string,
  volume: string,
  uuid: string,
): Promise<ReplicaInfo> {
  try {
    return await engine.replicaInfo(uuid);
  } catch {
    const info = await engine.addReplica({ name: uuid, pool, volume, uuid, hosts: [hostNqn] });
    await engine.removeReplica(uuid);
    return info;
  }
}
