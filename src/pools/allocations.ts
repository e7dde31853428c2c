// How much room volumes take, asked of the engine at the moment it is wanted.
import type { Registry } from './registry.js';
import type { PoolsEngine } from './types.js';

/**
 * Bytes that volumes and their snapshots hold, by UUID: of the volume of this name or UUID, or of all. Those
 * of pools that are not open, or do not count it, are left out.
 */
export async function allocations(
  engine: Pick<PoolsEngine, 'poolAllocations'>,
  registry: Registry,
  name?: string,
): Promise<ReadonlyMap<string, bigint>> {
  const volume = name === undefined ? undefined : registry.findVolume(name);
  if (name !== undefined && volume === undefined) return new Map();
  const wanted = volume === undefined ? registry.pools : [volume.pool];
  const open = wanted.filter(({ state }) => state === 'open');
  const found = await Promise.all(
    open.map(({ record }) =>
      // Closed or failed meanwhile: who lists volumes is told of the pool by its state.
      engine.poolAllocations(record.name, volume?.info.name).catch(() => new Map<string, bigint>()),
    ),
  );
  return new Map(found.flatMap((one) => [...one]));
}
