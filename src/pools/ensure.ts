// A pool and a volume that are to be there when the daemon starts: made where they are not, left alone where
// they are. What an earlier start made and did not remember is taken in. Called once, after the pools are
// open.
import { DomainError } from '../base/errors.js';
import { PoolDeviceError } from '../base/pool-errors.js';
import { checkDevices, missingPaths } from './devices.js';
import type { Pools } from './pools.js';
import type { PoolDeviceOptions, PoolView } from './types.js';
import type { Volumes } from './volumes.js';

export interface Ensured {
  readonly pool?: { readonly name: string; readonly device: PoolDeviceOptions };
  readonly volume?: { readonly name: string; readonly sizeBytes: bigint };
}

export async function ensure(pools: Pools, volumes: Volumes, { pool, volume }: Ensured): Promise<void> {
  if (pool !== undefined) {
    const known = (await pools.list()).find(({ name }) => name === pool.name);
    // What keeps it from being open keeps no other pool from being served; it is told with the others.
    if (known !== undefined && known.state !== 'open') return;
    if (known === undefined) await makePool(pools, pool);
  }
  if (volume !== undefined && volumes.find(volume.name) === undefined) {
    await volumes.create({ ...volume, ...(pool !== undefined && { pool: pool.name }) });
  }
}

async function makePool(pools: Pools, { name, device }: NonNullable<Ensured['pool']>): Promise<void> {
  const { path } = device;
  if ((await missingPaths([path])).length > 0) {
    await pools.create({ name, devices: [device] });
    return;
  }
  await checkDevices([{ path }], new Map());
  let found: PoolView;
  try {
    found = await pools.import([path]);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    // No pool on it: it was made, and the daemon ended before it was one. If there is one, this is refused.
    await pools.create({ name, devices: [{ path }] });
    return;
  }
  if (found.name === name) return;
  await pools.export(found.name);
  throw new PoolDeviceError(path, `holds a pool of another name, '${found.name}'`);
}
