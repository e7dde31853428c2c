// Which hosts may use a volume: what is granted and refused, that it outlives a start, that a revocation
// answers when the target has let go of the host, and what is refused while somebody has a volume.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { mib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
beforeEach(async () => {
  world = new PoolHarness();
  await world.start();
  await world.pool();
});
afterEach(() => world.close());

const one = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
const two = 'nqn.2014-08.org.nvmexpress:uuid:22222222-2222-3333-4444-555555555555';
const failure = new PoolFailedError('engine', 'EIO');
const code = (expected: string) => expect.objectContaining({ code: expected });

/** Answers its NQN. */
async function make(hosts?: readonly string[]): Promise<string> {
  const grants = hosts?.map((nqn) => ({ nqn, exclusive: false }));
  const made = await world.service.volumes.create({
    name: 'v',
    sizeBytes: 16n * mib,
    ...(grants !== undefined && { settings: { hosts: grants } }),
  });
  world.changes();
  return made.nqn;
}
const grant = (nqn: string, exclusive = false) => world.service.hosts.grant('v', nqn, { exclusive });
const granted = () => world.service.volumes.find('v')?.settings.hosts;
const served = () => world.engine.volumes.find(({ name }) => name === 'v')?.hosts;

describe('granting', () => {
  it('adds a host, once however often it is asked', async () => {
    const nqn = await make([]);
    await grant(one);
    await grant(two);
    expect(await grant(one)).toMatchObject({
      settings: {
        hosts: [
          { nqn: one, exclusive: false },
          { nqn: two, exclusive: false },
        ],
      },
    });
    expect(served()).toEqual([one, two]);
    expect(world.changes()).toContain(`setHosts ${nqn} ${one} ${two}`);
  });

  it('outlives the daemon', async () => {
    await make([]);
    await grant(one, true);
    await world.start();
    expect(granted()).toEqual([{ nqn: one, exclusive: true }]);
    expect(served()).toEqual([one]);
    await expect(grant(two)).rejects.toEqual(code('HOST_CONFLICT'));
  });

  it('K14: refuses a second host beside an exclusive one, and exclusively beside another', async () => {
    await make([]);
    await grant(one, true);
    await expect(grant(two)).rejects.toEqual(code('HOST_CONFLICT'));
    await expect(grant(two, true)).rejects.toEqual(code('HOST_CONFLICT'));
    await grant(one, false);
    await grant(two);
    await expect(grant(two, true)).rejects.toEqual(code('HOST_CONFLICT'));
    expect(granted()).toEqual([
      { nqn: one, exclusive: false },
      { nqn: two, exclusive: false },
    ]);
    expect(served()).toEqual([one, two]);
  });

  it('gives two who ask at once for it exclusively to one of them', async () => {
    await make([]);
    const results = await Promise.allSettled([grant(one, true), grant(two, true)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(granted()).toHaveLength(1);
  });

  it('closes a volume that any host may use, unless others are at work', async () => {
    const nqn = await make();
    world.engine.connected.set(nqn, [one, two]);
    await expect(grant(one)).rejects.toEqual(code('VOLUME_IN_USE'));
    expect([granted(), served()]).toEqual([undefined, undefined]);
    world.engine.connected.set(nqn, [one]);
    await grant(one);
    expect(served()).toEqual([one]);
    expect(await world.service.hosts.list('v')).toEqual({
      granted: [{ nqn: one, exclusive: false }],
      connected: [one],
    });
  });

  it('is undone when the engine refuses it', async () => {
    await make([two]);
    world.engine.fail('setHosts', failure);
    await expect(grant(one)).rejects.toEqual(code('POOL_FAILED'));
    expect(granted()).toEqual([{ nqn: two, exclusive: false }]);
    await world.start();
    expect(served()).toEqual([two]);
  });

  it('refuses what is no NQN, and more hosts than a list may have', async () => {
    await make(Array.from({ length: 256 }, (_, i) => `nqn.2026-11.dev.ballast:host:${i}`));
    await expect(async () => grant('host')).rejects.toEqual(code('INVALID_NQN'));
    await expect(grant(one)).rejects.toEqual(code('HOST_CONFLICT'));
  });

  it('counts for a volume that is not served now, when it is served again', async () => {
    await make([]);
    world.engine.fail('addVolume', failure);
    await world.service.snapshots.createOne('v', 's');
    await world.service.volumes.revert('v', 's');
    expect(world.service.volumes.find('v')?.state).toBe('stopped');
    await grant(one);
    await world.service.volumes.serve('v');
    expect(served()).toEqual([one]);
  });
});

describe('revoking', () => {
  it('takes it from one host, once however often it is asked', async () => {
    await make([one, two]);
    await world.service.hosts.revoke('v', one);
    await world.service.hosts.revoke('v', one);
    expect(granted()).toEqual([{ nqn: two, exclusive: false }]);
    expect(served()).toEqual([two]);
  });

  it('K15: answers only when the engine has let go of the host, and is in the store before', async () => {
    const nqn = await make([one]);
    world.engine.crashAfter('setHosts'); // it never answers
    let answered = false;
    void world.service.hosts.revoke('v', one).then(() => (answered = true));
    await world.crashed();
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    await world.start();
    expect(world.engine.volumes.find((volume) => volume.nqn === nqn)?.hosts).toEqual([]);
  });

  it('K15: asked again it waits again, also when the host is not on the list any more', async () => {
    const nqn = await make([one]);
    world.engine.fail('setHosts', failure);
    await expect(world.service.hosts.revoke('v', one)).rejects.toEqual(code('POOL_FAILED'));
    expect(granted()).toEqual([]); // never given back
    await world.service.hosts.revoke('v', one);
    expect(world.changes().filter((call) => call === `setHosts ${nqn}`)).toHaveLength(2);
  });

  it('refuses a volume that any host may use', async () => {
    await make();
    await expect(world.service.hosts.revoke('v', one)).rejects.toEqual(code('INVALID_ARGUMENT'));
  });
});

describe('letting any host in again', () => {
  it('takes the list away', async () => {
    await make([one]);
    await world.service.hosts.open('v');
    expect([granted(), served()]).toEqual([undefined, undefined]);
    await world.start();
    expect(served()).toBeUndefined();
  });

  it('is refused while a host has the volume exclusively', async () => {
    await make([]);
    await grant(one, true);
    await expect(world.service.hosts.open('v')).rejects.toEqual(code('HOST_CONFLICT'));
    expect(served()).toEqual([one]);
  });
});

describe('a volume that somebody has', () => {
  it('K16: is not deleted while it is granted to a host, unless forced', async () => {
    await make([one]);
    await expect(world.service.volumes.delete('v')).rejects.toEqual(code('VOLUME_IN_USE'));
    await world.service.volumes.delete('v', { force: true });
    expect(world.served()).toEqual([]);
  });

  it('K16: is not deleted while a host is connected, unless forced', async () => {
    world.engine.connected.set(await make(), [one]);
    await expect(world.service.volumes.delete('v')).rejects.toThrow(`${one} is connected`);
    expect(world.served()).toEqual(['v']);
    await world.service.volumes.delete('v', { force: true });
  });

  it('does not keep another from being renamed', async () => {
    world.engine.connected.set(await make(), [one]);
    await world.volume('w');
    await world.service.volumes.change('w', { name: 'x' });
    const renamed = world.service.volumes.change('v', { name: 'y' });
    await expect(renamed).rejects.toEqual(code('VOLUME_IN_USE'));
    await expect(world.service.pools.export('p')).rejects.toEqual(code('VOLUME_IN_USE'));
  });
});

describe('a volume by its UUID', () => {
  it('is found, changed, snapshotted, cloned and deleted as by its name', async () => {
    await make();
    const { volumes, snapshots } = world.service;
    const uuid = volumes.find('v')?.info.uuid ?? '';
    expect(volumes.find(uuid.toUpperCase())?.info.name).toBe('v');
    await volumes.change(uuid, { sizeBytes: 32n * mib });
    const [taken] = await snapshots.create([{ volume: uuid, name: 's' }]);
    expect(taken).toMatchObject({ volume: 'v', volumeUuid: uuid });
    expect(await snapshots.list(uuid)).toEqual([taken]);
    expect(await snapshots.ranges(uuid, { snapshot: 's', countMax: 1 })).toEqual({ ranges: [] });
    await volumes.create({ name: 'c', source: { volume: uuid, snapshot: 's' } });
    await volumes.revert(uuid, 's');
    await volumes.change(uuid, { name: 'w' });
    await snapshots.delete(uuid, 's');
    await volumes.delete(uuid);
    expect(world.served()).toEqual(['c']);
    await expect(async () => volumes.serve(uuid)).rejects.toEqual(code('VOLUME_NOT_FOUND'));
  });

  it('is one volume in a group, by whatever it is named', async () => {
    await make();
    const uuid = world.service.volumes.find('v')?.info.uuid ?? '';
    const twice = [
      { volume: 'v', name: 'a' },
      { volume: uuid, name: 'b' },
    ];
    await expect(world.service.snapshots.create(twice)).rejects.toEqual(code('INVALID_ARGUMENT'));
  });

  it('keeps names in its form from being taken', async () => {
    await make();
    const name = '11111111-2222-3333-4444-555555555555';
    const made = world.service.volumes.create({ name, sizeBytes: mib });
    await expect(made).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(world.service.volumes.change('v', { name })).rejects.toEqual(code('INVALID_ARGUMENT'));
  });
});

describe('a clone', () => {
  it('says of which volume it is one, where a volume was asked for', async () => {
    await make();
    const { volumes, snapshots } = world.service;
    await snapshots.createOne('v', 's');
    const uuid = volumes.find('v')?.info.uuid;
    const source = { volume: 'v', snapshot: 's' };
    const asVolume = await volumes.create({ name: 'a', source: { ...source, asVolume: true } });
    expect(asVolume.settings).toEqual({ cloneOf: uuid });
    expect((await volumes.create({ name: 'b', source })).settings).toEqual({});
    await world.start();
    expect(world.service.volumes.find('a')?.settings).toEqual({ cloneOf: uuid });
  });
});
