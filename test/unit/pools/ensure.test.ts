// What is to be there at the start: made once, kept after, whole after a death in between.
import { rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ensured } from '../../../src/pools/ensure.js';
import { gib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
let path: string;
let wanted: Ensured;
beforeEach(async () => {
  world = new PoolHarness();
  path = join(world.directory, 'pool0');
  wanted = {
    pool: { name: 'pool0', device: { path, sizeBytes: 10n * gib } },
    volume: { name: 'demo', sizeBytes: gib },
  };
});
afterEach(() => world.close());

const changes = () => world.changes().filter((call) => /^(?:create|open|add)/.test(call));

describe('a pool and a volume that are to be there', () => {
  it('are made at the first start, and found at the second', async () => {
    await world.start(wanted);
    expect(changes()).toEqual(['createPool pool0', 'createPoolVolume pool0 demo', 'addVolume demo']);
    expect((await stat(path)).size).toBe(Number(10n * gib));
    const { nqn } = world.service.volumes.find('demo')!;
    await world.start(wanted);
    expect(changes()).toEqual([`openPool ${path}`, 'addVolume demo']);
    expect(world.service.volumes.find('demo')).toMatchObject({ nqn, state: 'serving' });
  });

  it.each(['createPool', 'createPoolVolume'] as const)('are whole after a death in %s', async (verb) => {
    world.crashNext(verb);
    void world.start(wanted);
    await world.crashed();
    await world.start(wanted);
    expect(world.served()).toEqual(['demo']);
    expect(await world.service.pools.list()).toMatchObject([{ name: 'pool0', state: 'open' }]);
  });

  it('are made in a file that was made and is no pool yet', async () => {
    world.disk('pool0');
    await truncate(path, Number(10n * gib));
    await world.start(wanted);
    expect(world.served()).toEqual(['demo']);
  });

  it('are left alone where the pool cannot be opened, which keeps no other from being served', async () => {
    await world.start(wanted);
    await world.pool('q');
    await world.volume('v', { pool: 'q' });
    await rm(path);
    world.disks.devices.delete(path);
    await world.start(wanted);
    expect(world.served()).toEqual(['v']);
    expect(await world.service.pools.get('pool0')).toMatchObject({ state: 'missing' });
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('are not made in place of a pool of another name', async () => {
    await world.start({});
    await world.service.pools.create({ name: 'mine', devices: [{ path, sizeBytes: gib }] });
    await world.service.pools.export('mine');
    await expect(world.start(wanted)).rejects.toThrow("holds a pool of another name, 'mine'");
    expect(await world.service.pools.list()).toEqual([]);
    expect(world.disks.devices.get(path)?.pool.name).toBe('mine');
  });
});
