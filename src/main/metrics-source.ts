// What the daemon measures, for its metrics and for /v1/stats: the engine's counters, and volumes of pools
// and of the command line as one list.
import type { QosWords } from '../base/qos.js';
import type { DataPlanePort } from '../cli/engine-port.js';
import type { MeasuredVolume, MetricsSource } from '../metrics/sources.js';
import type { MirrorService } from '../mirrors/mirror-service.js';
import type { PoolService } from '../pools/pool-service.js';
import type { VolumeView } from '../pools/types.js';

export function metricsSource(
  dataPlane: DataPlanePort,
  { pools, volumes, qos }: Pick<PoolService, 'pools' | 'volumes' | 'qos'>,
  mirrors: Pick<MirrorService, 'list'>,
): MetricsSource {
  return {
    stats: () => dataPlane.counters({ latency: true }),
    volumes: () => [
      ...dataPlane.volumes().map((volume) => ({ ...volume, serving: true, pods: [] })),
      ...volumes.list().map((view) => ofPool(view, qos.heldBy(view.settings.qos))),
    ],
    allocations: () => volumes.allocations(),
    pools: () => pools.list(),
    mirrors: () => mirrors.list(),
    qosBudgetIops: () => qos.budget().iops,
  };
}

function ofPool({ pool, info, nqn, state, settings }: VolumeView, qos: QosWords | undefined): MeasuredVolume {
  const { name, uuid, sizeBytes } = info;
  const { pods = [] } = settings;
  const serving = state === 'serving';
  return { name, uuid, kind: 'pool', pool, nqn, nsid: 1, sizeBytes, serving, pods, ...(qos && { qos }) };
}
