// Volumes of pools that are the data of replicas: of no host, and not to be changed here.
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
beforeEach(async () => {
  world = new PoolHarness();
  await world.start();
  await world.pool('p');
  await world.volume('data');
  await world.volume('plain');
});
afterEach(() => world.close());

const names = () => world.service.volumes.list().map(({ info }) => info.name);

async function startWithReplica(): Promise<void> {
  world.replicas = [{ replica: 'r1', pool: 'p', volume: 'data' }];
  await world.start();
}

/** As the engine does when it makes the replica. */
async function makeMetadata(): Promise<void> {
  const uuid = '11111111-2222-3333-4444-555555555555';
  await world.engine.createPoolVolume('p', { name: '.replica.r1', uuid, sizeBytes: 1n << 20n });
}

describe('a volume that is the data of a replica', () => {
  it('is neither served nor listed, and others are', async () => {
    await makeMetadata();
    await startWithReplica();
    expect(world.served()).toEqual(['plain']);
    expect(names()).toEqual(['plain']);
  });

  it('is not changed by anybody', async () => {
    await startWithReplica();
    const { volumes, snapshots, hosts } = world.service;
    const inUse = expect.objectContaining({
      code: 'VOLUME_IN_USE',
      message: expect.stringContaining("it is the data of replica 'r1'"),
    });
    await expect(volumes.change('data', { sizeBytes: 1n << 30n })).rejects.toThrow(inUse);
    await expect(volumes.change('data', { name: 'other' })).rejects.toThrow(inUse);
    await expect(volumes.delete('data', { force: true })).rejects.toThrow(inUse);
    await expect(volumes.serve('data')).rejects.toThrow(inUse);
    await expect(snapshots.createOne('data', 's')).rejects.toThrow(inUse);
    await expect(hosts.grant('data', 'nqn.2026-11.dev.ballast:host:a')).rejects.toThrow(inUse);
  });

  it('keeps its pool from being given away or destroyed', async () => {
    await startWithReplica();
    await world.service.volumes.delete('plain');
    const { pools } = world.service;
    const inUse = expect.objectContaining({ code: 'POOL_IN_USE' });
    await expect(pools.export('p', { force: true })).rejects.toThrow(inUse);
    await expect(pools.destroy('p')).rejects.toThrow(inUse);
  });

  it('is not served without its replica, until somebody asks for that', async () => {
    await startWithReplica();
    world.replicas = [];
    await world.start();
    expect(world.served()).toEqual(['plain']);
    const view = world.service.volumes.find('data');
    expect(view?.state).toBe('stopped');
    expect(view?.error).toContain("it is the data of replica 'r1', and no --replica names it now");
    expect((await world.service.volumes.serve('data')).state).toBe('serving');
    expect(world.served()).toEqual(['data', 'plain']);
  });

  it('lends its name to the mirror', async () => {
    world.others = [{ name: 'data' }];
    await startWithReplica();
    expect(names()).toEqual(['plain']);
  });

  it('has metadata that can be deleted when no replica has it', async () => {
    await makeMetadata();
    await world.start();
    expect(world.served()).toEqual(['data', 'plain']);
    expect(world.service.volumes.find('.replica.r1')?.error).toContain('no --replica has it now');
    await world.service.volumes.delete('.replica.r1');
    expect(names().sort()).toEqual(['data', 'plain']);
  });
});

describe('a file that is the data of a replica', () => {
  it('is no device of a pool', async () => {
    const path = world.disk('r1.img');
    world.replicas = [{ replica: 'r1', path }];
    await world.start();
    await expect(world.service.pools.create({ name: 'q', devices: [{ path }] })).rejects.toThrow(
      "belongs to replica 'r1'",
    );
  });

  it('ends the start when it is a device of one', async () => {
    world.replicas = [{ replica: 'r1', path: join(world.directory, 'p.disk') }];
    await expect(world.start()).rejects.toThrow("belongs to replica 'r1', and to pool 'p'");
  });
});
