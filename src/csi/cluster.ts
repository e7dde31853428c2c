// What a controller of a cluster says of volumes and pools, as CSI reads it of a daemon: the rest of this
// room knows no difference. Pure.

import { toBytes } from '../client/api-client.js';
import type { ClusterPoolBody, ClusterVolumeBody } from '../client/cluster-client.js';
import type { ClusterParameters, VolumeParameters } from './parameters.js';
import type { StoragePool, StorageVolume } from './storage.js';

const noCounters = { reads: 0, writes: 0, readBytes: 0, writeBytes: 0, errors: 0 };

/** Not of a cluster: the same. One that is being deleted is there for nobody any more: undefined. */
export function volumeOf(body: StorageVolume | ClusterVolumeBody): StorageVolume | undefined {
  if (!isClusterVolume(body)) return body;
  if (body.state === 'deleting') return undefined;
  const { name, uuid, nqn, nsid, sizeBytes, blockSizeBytes, thick, created, hosts, qos, addresses } = body;
  const { exclusive = false, pool, waitingFor, originUuid, cloneOf } = body;
  return {
    ...{ name, kind: 'pool', uuid, nqn, nsid, sizeBytes, blockSizeBytes, thick, created },
    ...{ durable: true, encrypted: false, counters: noCounters, addresses },
    ...conditionOf(body),
    ...(pool !== undefined && { pool }),
    ...(waitingFor !== undefined && { waitingFor }),
    ...(originUuid !== undefined && { originUuid }),
    ...(cloneOf !== undefined && { cloneOf }),
    ...(hosts !== undefined && { hosts: hosts.map((host) => ({ nqn: host, exclusive })) }),
    ...(qos !== undefined && { qos }),
    cluster: placementOf(body),
  };
}

/** A volume that is served, by fewer replicas than are wished for, has an error all the same. */
function conditionOf({ health, waitingFor }: ClusterVolumeBody): Pick<StorageVolume, 'state' | 'error'> {
  const error = `${health}${waitingFor === undefined ? '' : `: it waits for ${waitingFor}`}`;
  if (health === 'healthy') return { state: 'serving' };
  return { state: health === 'degraded' ? 'serving' : 'stopped', error };
}

function placementOf(body: ClusterVolumeBody): ClusterParameters {
  const { replicasWanted: replicas, minInSync, spread, nodeLabels, apartGroup, zones } = body;
  return {
    ...{ replicas, minInSync, spread },
    ...(nodeLabels !== undefined && { nodeLabels }),
    ...(apartGroup !== undefined && { apartGroup }),
    ...(zones !== undefined && { zones }),
  };
}

function isClusterVolume(body: StorageVolume | ClusterVolumeBody): body is ClusterVolumeBody {
  return body.kind === 'cluster';
}

export function isClusterPool(pool: StoragePool | ClusterPoolBody): pool is ClusterPoolBody {
  return 'nodes' in pool;
}

const replicasDefault = 3; // of a controller

/** The largest volume of these parameters: each replica takes it on a node of its own. */
export function clusterCapacity(
  pools: readonly ClusterPoolBody[],
  { pool: wanted, thick, replicas = replicasDefault, spread, nodeLabels = {} }: VolumeParameters,
): bigint {
  const nodes = pools
    .filter(({ name }) => wanted === undefined || name === wanted)
    .flatMap((pool) => pool.nodes)
    .filter(({ labels }) => Object.entries(nodeLabels).every(([key, value]) => labels[key] === value));
  const most = new Map<string, bigint>();
  for (const { node, zone, thinBytes, thickBytes } of nodes) {
    // Two replicas are on different nodes; where that is asked for, in different zones.
    const place = spread === 'zone' && zone !== undefined ? `zone ${zone}` : `node ${node}`;
    const bytes = toBytes(thick ? thickBytes : thinBytes);
    if (bytes > (most.get(place) ?? 0n)) most.set(place, bytes);
  }
  const rooms = [...most.values()].sort((one, other) => (one > other ? -1 : 1));
  return rooms[replicas - 1] ?? 0n;
}

/** In which word a volume differs from what was asked for. */
export function clusterDifference(
  wanted: ClusterParameters,
  found: StorageVolume['cluster'],
): keyof ClusterParameters | undefined {
  const words = ['replicas', 'minInSync', 'spread', 'apartGroup'] as const;
  const different = words.find((word) => wanted[word] !== undefined && wanted[word] !== found?.[word]);
  if (different !== undefined) return different;
  const { nodeLabels } = wanted;
  return nodeLabels === undefined || sameLabels(nodeLabels, found?.nodeLabels ?? {})
    ? undefined
    : 'nodeLabels';
}

function sameLabels(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => one[key] === other[key]);
}
