// How much may still be made: GetCapacity, and which pool a volume goes to.
import { type PoolBody, toBytes } from '../client/api-client.js';
import { unsupported } from './capabilities.js';
import { clusterCapacity, isClusterPool } from './cluster.js';
import type { GetCapacityRequest } from './messages.js';
import { parseParameters } from './parameters.js';
import type { Parts } from './parts.js';
import type { StoragePool } from './storage.js';
import { isReachable } from './topology.js';

export function openPools(pools: readonly StoragePool[]): readonly StoragePool[] {
  return pools.filter(({ state }) => state === 'open');
}

/** Of a daemon, not of a cluster. */
function isOwnPool(pool: StoragePool): pool is PoolBody {
  return !isClusterPool(pool);
}

export function freeBytesOf({ freeBytes }: StoragePool): bigint {
  return toBytes(freeBytes);
}

/** Of the pool that a volume with these parameters would go to. */
export async function getCapacity(
  { storage, topology }: Parts,
  { volumeCapabilities, parameters, accessibleTopology }: GetCapacityRequest,
): Promise<{ availableCapacity: string }> {
  const wanted = parseParameters(parameters);
  const { pool, thick } = wanted;
  const elsewhere = accessibleTopology !== null && !isReachable(topology, accessibleTopology);
  if (elsewhere || unsupported('volumeCapabilities', volumeCapabilities) !== undefined) {
    return { availableCapacity: '0' };
  }
  const all = openPools(await storage.pools());
  const ofCluster = all.filter(isClusterPool);
  if (ofCluster.length > 0) return { availableCapacity: clusterCapacity(ofCluster, wanted).toString() };
  const pools = all.filter(isOwnPool).filter(({ name }) => pool === undefined || name === pool);
  const most = pools.map((one) => availableBytes(one, thick)).reduce((a, b) => (a > b ? a : b), 0n);
  return { availableCapacity: most.toString() };
}

/**
 * A thick volume takes its room now. Thin ones may promise more than there is: as much as the pool's policy
 * says; where it says nothing, what is free is what can be promised without a risk.
 */
export function availableBytes(pool: PoolBody, thick: boolean): bigint {
  const capacityBytes = toBytes(pool.capacityBytes);
  const reservedBytes = (capacityBytes * BigInt(pool.reservePercent ?? 0)) / 100n;
  const roomBytes = freeBytesOf(pool) - reservedBytes;
  if (roomBytes <= 0n) return 0n;
  const percent = BigInt(pool.overcommitPercent ?? 0);
  if (percent === 0n) return roomBytes;
  const promisedBytes = (capacityBytes * percent) / 100n - toBytes(pool.provisionedBytes);
  if (promisedBytes <= 0n) return 0n;
  return thick && roomBytes < promisedBytes ? roomBytes : promisedBytes;
}
