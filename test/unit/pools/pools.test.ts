// Pools as a service: what is refused and changes nothing, what is done in which order, what is undone.
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { gib, mib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
beforeEach(async () => {
  world = new PoolHarness();
  await world.start();
});
afterEach(() => world.close());

const code = (expected: string) => expect.objectContaining({ code: expected });
const records = async () => (await world.store.list('pools/')).entries.length;

describe('making a pool', () => {
  it('takes disks and makes files, and remembers where they are', async () => {
    const disk = world.disk('a');
    const file = join(world.directory, 'b');
    const devices = [{ path: disk }, { path: file, sizeBytes: 10n * gib }];
    const made = await world.service.pools.create({ name: 'p', devices, checksums: false });
    expect(made).toMatchObject({ name: 'p', state: 'open', problems: [], paths: [disk, file] });
    expect(made.info).toMatchObject({ checksums: false, extentBytes: 1 << 20, volumesCount: 0 });
    expect(await records()).toBe(1);
    expect(await world.service.pools.list()).toEqual([made]);
  });

  it.each([
    ['no device', () => [], 'INVALID_ARGUMENT', '1 to 60'],
    ['a relative path', () => [{ path: 'disk' }], 'INVALID_ARGUMENT', 'an absolute path'],
    ['what does not exist', () => [{ path: '/no/such' }], 'POOL_DEVICE', 'give a size'],
    ['a file in no directory', () => [{ path: '/no/such/f', sizeBytes: gib }], 'POOL_DEVICE', 'no directory'],
    ['a directory', () => [{ path: world.directory }], 'POOL_DEVICE', 'is a directory'],
    ['a character device', () => [{ path: '/dev/null' }], 'POOL_DEVICE', 'neither'],
    ['too small a file', () => [{ path: world.disk('s', mib) }], 'POOL_DEVICE', '1 MiB is too small'],
    [
      'another size',
      () => [{ path: world.disk('s'), sizeBytes: mib }],
      'POOL_DEVICE',
      'has 1 GiB, not 1 MiB',
    ],
    [
      'a path twice',
      () => [{ path: world.disk('s') }, { path: world.disk('s') }],
      'INVALID_ARGUMENT',
      'twice',
    ],
  ] as const)('refuses %s and asks nothing of the engine', async (_what, devices, refusal, reason) => {
    world.changes();
    const made = world.service.pools.create({ name: 'p', devices: devices() });
    await expect(made).rejects.toThrow(reason);
    await expect(made).rejects.toEqual(code(refusal));
    expect([world.changes(), await records()]).toEqual([[], 0]);
  });

  it('refuses names and extents that cannot be, and a name that is taken', async () => {
    await world.pool('p');
    const devices = [{ path: world.disk('other') }];
    for (const name of ['', 'a b', '../x', 'x'.repeat(64)]) {
      await expect(world.service.pools.create({ name, devices })).rejects.toEqual(code('INVALID_ARGUMENT'));
    }
    const odd = world.service.pools.create({ name: 'q', devices, extentBytes: 4096 });
    await expect(odd).rejects.toThrow('extentBytes: expected one of 262144, 524288, 1048576');
    await expect(world.service.pools.create({ name: 'p', devices })).rejects.toEqual(code('POOL_EXISTS'));
  });

  it('refuses a file that is of a pool or a volume already, under whichever name', async () => {
    world.others = [{ name: 'demo', path: world.disk('demo.img') }];
    await world.start();
    await world.pool('p');
    const link = join(world.directory, 'link');
    symlinkSync(join(world.directory, 'p.disk'), link);
    const twice = world.service.pools.create({ name: 'q', devices: [{ path: link }] });
    await expect(twice).rejects.toThrow(`${link}: belongs to pool 'p'`);
    const disk = world.disk('new');
    symlinkSync(disk, `${link}2`);
    const same = world.service.pools.create({ name: 'q', devices: [{ path: disk }, { path: `${link}2` }] });
    await expect(same).rejects.toThrow(`${link}2: belongs to another device of this list, ${disk}`);
    const file = world.service.pools.create({ name: 'q', devices: [{ path: world.others[0]!.path! }] });
    await expect(file).rejects.toThrow("belongs to volume 'demo'");
    const added = world.service.pools.addDevice('p', { path: world.others[0]!.path! });
    await expect(added).rejects.toThrow("belongs to volume 'demo'");
  });

  it('undoes it when it cannot be remembered, with the files that were made for it', async () => {
    const file = join(world.directory, 'made');
    const { commit } = world.store;
    world.store.commit = () => Promise.reject(new PoolFailedError('commit', 'EIO'));
    const made = world.service.pools.create({ name: 'p', devices: [{ path: file, sizeBytes: gib }] });
    await expect(made).rejects.toThrow('EIO');
    world.store.commit = commit;
    expect(world.changes()).toEqual(['createPool p', 'destroyPool p']);
    expect([existsSync(file), await world.service.pools.list()]).toEqual([false, []]);
  });

  it('lets one of two at once have the name', async () => {
    const create = (disk: string) =>
      world.service.pools.create({ name: 'p', devices: [{ path: world.disk(disk) }] });
    const both = await Promise.allSettled([create('a'), create('b')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('adding a device', () => {
  it('remembers it', async () => {
    await world.pool();
    const path = world.disk('more');
    const { paths } = await world.service.pools.addDevice('p', { path });
    expect(paths).toEqual([join(world.directory, 'p.disk'), path]);
    await world.start();
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open', paths });
  });

  it('that fails leaves the pool as it was', async () => {
    await world.pool();
    const path = world.disk('more');
    world.engine.fail('addPoolDevice', new PoolFailedError('add', 'EIO'));
    await expect(world.service.pools.addDevice('p', { path })).rejects.toThrow('EIO');
    await world.start();
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open', paths: [expect.any(String)] });
    expect(world.engine.calls).toContain(`openPool ${join(world.directory, 'p.disk')}`);
  });

  it('is refused for a pool that is not there', async () => {
    const added = world.service.pools.addDevice('q', { path: world.disk('more') });
    await expect(added).rejects.toEqual(code('POOL_NOT_FOUND'));
  });
});

describe('giving a pool away and taking it in', () => {
  it('keeps its volumes', async () => {
    await world.pool();
    await world.volume('v');
    const before = world.service.volumes.find('v');
    await world.service.pools.export('p');
    expect([world.served(), world.service.volumes.list(), await world.service.pools.list()]).toEqual([
      [],
      [],
      [],
    ]);
    expect(await records()).toBe(0);
    await world.start();
    expect(await world.service.pools.list()).toEqual([]);
    const taken = await world.service.pools.import([join(world.directory, 'p.disk')]);
    expect(taken).toMatchObject({ name: 'p', state: 'open' });
    expect(world.service.volumes.find('v')).toEqual(before);
    expect(world.served()).toEqual(['v']);
  });

  it('is refused while hosts are connected, unless forced', async () => {
    await world.pool();
    world.engine.controllers = 1;
    await world.volume('v');
    const first = world.service.pools.export('p');
    await expect(first).rejects.toEqual(code('VOLUME_IN_USE'));
    expect(world.served()).toEqual(['v']);
    await world.service.pools.export('p', { force: true });
    expect(world.served()).toEqual([]);
  });

  it('that fails serves on', async () => {
    await world.pool();
    await world.volume('v');
    world.engine.fail('closePool', new PoolFailedError('close', 'EIO'));
    await expect(world.service.pools.export('p')).rejects.toThrow('EIO');
    expect(world.served()).toEqual(['v']);
    await world.start();
    expect(world.served()).toEqual(['v']);
  });

  it('that fails when it is closed already opens it again', async () => {
    await world.pool();
    await world.volume('v');
    world.engine.failAfter('closePool', new PoolFailedError('close', 'EIO'));
    await expect(world.service.pools.export('p')).rejects.toThrow('EIO');
    expect(world.served()).toEqual(['v']);
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open' });
    world.engine.failAfter('closePool', new PoolFailedError('close', 'EIO'));
    world.engine.fail('openPool', new PoolFailedError('open', 'ENXIO'));
    await expect(world.service.pools.export('p')).rejects.toThrow('EIO');
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'broken', error: 'open: ENXIO' });
    expect(world.service.volumes.list()).toEqual([]);
  });

  it('brings back a pool on which a disk failed', async () => {
    await world.pool();
    await world.volume('v');
    world.engine.breakPool('p');
    const broken = await world.service.pools.get('p');
    expect(broken).toMatchObject({ state: 'broken', error: expect.stringContaining('a disk failed') });
    await world.service.pools.export('p', { force: true });
    await world.service.pools.import([join(world.directory, 'p.disk')]);
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open' });
  });

  it('refuses paths of an open pool, a name that is taken, and volumes whose names are', async () => {
    await world.pool('p');
    await world.volume('v');
    const path = join(world.directory, 'p.disk');
    await expect(world.service.pools.import([path])).rejects.toThrow("belongs to the open pool 'p'");
    await expect(world.service.pools.import([])).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(world.service.pools.import(['/no/such'])).rejects.toEqual(code('POOL_DEVICE'));
    await world.service.pools.export('p');
    await world.pool('other');
    await world.volume('v');
    const taken = world.service.pools.import([path]);
    await expect(taken).rejects.toThrow("of pool 'p': the name is taken by a volume of pool 'other'");
    expect([world.engine.open.has('p'), await records(), world.served()]).toEqual([false, 1, ['v']]);
  });

  it('is refused for a pool whose name another one has', async () => {
    await world.pool('p');
    await world.service.pools.export('p');
    const elsewhere = join(world.directory, 'p.disk');
    const devices = [{ path: world.disk('new') }];
    await world.service.pools.create({ name: 'p', devices });
    await expect(world.service.pools.import([elsewhere])).rejects.toEqual(code('POOL_EXISTS'));
    expect((await world.service.pools.list()).length).toBe(1);
  });
});

describe('destroying a pool', () => {
  it('is refused while it has volumes, and then leaves nothing', async () => {
    await world.pool();
    await world.volume('v');
    await expect(world.service.pools.destroy('p')).rejects.toThrow("pool 'p': it has 1 volume; delete first");
    await world.service.volumes.delete('v');
    await world.service.pools.destroy('p');
    expect([await world.service.pools.list(), await records(), world.disks.devices.size]).toEqual([[], 0, 0]);
  });

  it('that fails leaves it open', async () => {
    await world.pool();
    world.engine.fail('destroyPool', new PoolFailedError('destroy', 'EIO'));
    await expect(world.service.pools.destroy('p')).rejects.toThrow('EIO');
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open' });
    await world.volume('v');
    expect(world.served()).toEqual(['v']);
  });
});

describe('a policy', () => {
  it('is changed in part, and told', async () => {
    await world.pool();
    await Promise.all([
      world.service.pools.setPolicy('p', { overcommitPercent: 300 }),
      world.service.pools.setPolicy('p', { reservePercent: 5 }),
    ]);
    const { info } = await world.service.pools.get('p');
    expect(info).toMatchObject({ overcommitPercent: 300, reservePercent: 5 });
    expect(world.changes()).toContain('setPoolPolicy p 300 5');
    await expect(world.service.pools.setPolicy('no', {})).rejects.toThrow("'no'");
  });
});

describe('a scrub', () => {
  it('begins and ends, and tells how far it is', async () => {
    await world.pool();
    const { info } = await world.service.pools.startScrub('p', mib);
    expect(info?.scrub).toMatchObject({ running: true, totalBytes: 8n * mib });
    expect(world.changes()).toContain(`startScrub p ${mib}`);
    expect((await world.service.pools.stopScrub('p')).info?.scrub.running).toBe(false);
  });
});

describe('a pool without checksums', () => {
  it('cannot be scrubbed, which is not its failure', async () => {
    await world.service.pools.create({
      name: 'p',
      devices: [{ path: world.disk('p.disk') }],
      checksums: false,
    });
    await expect(world.service.pools.startScrub('p')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(world.changes()).not.toContain('startScrub p 0');
  });
});

describe('a start', () => {
  it('serves the others when a pool is missing, and finds it again', async () => {
    await world.pool('p');
    await world.volume('v', { pool: 'p' });
    await world.pool('q');
    await world.volume('w', { pool: 'q' });
    const path = join(world.directory, 'p.disk');
    const device = world.disks.devices.get(path)!;
    world.disks.devices.delete(path);
    rmSync(path);
    await world.start();
    expect(world.served()).toEqual(['w']);
    const missing = await world.service.pools.get('p');
    expect(missing).toMatchObject({ state: 'missing', error: `there is no ${path}` });
    expect(missing.info).toBeUndefined();
    const made = world.service.volumes.create({ name: 'x', sizeBytes: mib, pool: 'p' });
    await expect(made).rejects.toThrow(`pool 'p': there is no ${path}`);
    await expect(world.service.pools.destroy('p')).rejects.toEqual(code('POOL_UNAVAILABLE'));
    await expect(world.service.pools.export('p')).rejects.toThrow('force forgets it here');

    const moved = world.disk('moved');
    world.disks.devices.set(moved, device);
    expect(await world.service.pools.import([moved])).toMatchObject({ state: 'open', paths: [moved] });
    expect(world.served()).toEqual(['v', 'w']);
    await world.start();
    expect(world.served()).toEqual(['v', 'w']);
  });

  it('says why a pool cannot be opened, and forgets it when forced', async () => {
    await world.pool('p');
    world.disks.devices.clear();
    await world.start();
    expect(await world.service.pools.get('p')).toMatchObject({
      state: 'broken',
      error: expect.stringContaining('is of no pool'),
    });
    await world.service.pools.export('p', { force: true });
    expect([await world.service.pools.list(), await records()]).toEqual([[], 0]);
  });

  it('does not take another pool for the one it knows', async () => {
    await world.pool('p');
    await world.pool('q');
    const [p, q] = ['p.disk', 'q.disk'].map((name) => join(world.directory, name));
    const device = world.disks.devices.get(q!)!;
    world.disks.devices.set(q!, world.disks.devices.get(p!)!);
    world.disks.devices.set(p!, device);
    await world.start();
    for (const pool of await world.service.pools.list()) {
      expect(pool).toMatchObject({ state: 'broken', error: expect.stringContaining('hold another pool') });
    }
    expect(world.engine.open.size).toBe(0);
  });

  it('ends where a volume of the command line has the name of one in a pool', async () => {
    await world.pool('p');
    await world.volume('v');
    world.others = [{ name: 'v' }];
    const started = world.start();
    await expect(started).rejects.toThrow("volume 'v': pool 'p' has a volume of this name; choose another");
    await expect(started).rejects.toEqual(code('DUPLICATE_VOLUME'));
  });

  it('ends where a volume of the command line is on a device of a pool', async () => {
    await world.pool('p');
    const link = join(world.directory, 'link');
    symlinkSync(join(world.directory, 'p.disk'), link);
    world.others = [{ name: 'raw', path: link }];
    const started = world.start();
    await expect(started).rejects.toThrow(`${link}: belongs to volume 'raw', and to pool 'p'`);
    await expect(started).rejects.toEqual(code('POOL_DEVICE'));
    expect(world.engine.open.size).toBe(0);
  });

  it('leaves out a volume whose name a volume of another pool has, and says so', async () => {
    await world.pool('p');
    await world.volume('v', { pool: 'p' });
    world.clock.advance(1000);
    await world.pool('q');
    await world.volume('w', { pool: 'q' });
    world.engine.volume('q', 'w').info = { ...world.engine.volume('q', 'w').info, name: 'v' };
    await world.start();
    expect(world.served()).toEqual(['v']);
    expect(world.service.volumes.find('v')?.pool).toBe('p');
    const { problems } = await world.service.pools.get('q');
    expect(problems).toEqual([
      expect.stringContaining("volume 'v': the name is taken by a volume of pool 'p'"),
    ]);
    await expect(world.service.pools.destroy('q')).rejects.toEqual(code('POOL_IN_USE'));
  });

  it('refuses a store that is of another version', async () => {
    const value = Buffer.from(JSON.stringify({ version: 2 }));
    await world.store.commit([], [{ type: 'put', key: 'pools/x', value }]);
    await expect(world.start()).rejects.toEqual(code('STORE_FAILED'));
  });
});

describe('a daemon that dies', () => {
  it.each([
    ['createPool', 'says that a pool is there'],
    ['addPoolDevice', 'finds the device'],
    ['closePool', 'does not serve what was to be exported'],
    ['destroyPool', 'knows nothing of it'],
  ] as const)('after %s: the next start %s', async (verb, _what) => {
    const path = join(world.directory, 'p.disk');
    const more = world.disk('more');
    const act = {
      createPool: () => world.service.pools.create({ name: 'p', devices: [{ path: world.disk('p.disk') }] }),
      addPoolDevice: () => world.service.pools.addDevice('p', { path: more }),
      closePool: () => world.service.pools.export('p'),
      destroyPool: () => world.service.pools.destroy('p'),
    };
    if (verb !== 'createPool') await world.pool();
    world.engine.crashAfter(verb);
    void act[verb]();
    await world.crashed();
    await world.start();
    const pools = await world.service.pools.list();
    switch (verb) {
      case 'createPool': {
        expect(pools).toEqual([]);
        await expect(act.createPool()).rejects.toThrow("has a pool on it, 'p'; import it");
        expect(await world.service.pools.import([path])).toMatchObject({ name: 'p', state: 'open' });
        break;
      }
      case 'addPoolDevice':
        expect(pools).toMatchObject([{ state: 'open', paths: [path, more] }]);
        break;
      case 'closePool':
        expect(pools).toEqual([]);
        expect(await world.service.pools.import([path])).toMatchObject({ state: 'open' });
        break;
      case 'destroyPool':
        expect(pools).toEqual([]);
        expect(await records()).toBe(0);
    }
  });

  it('before a device joined opens the pool without it', async () => {
    await world.pool();
    const more = world.disk('more');
    world.engine.addPoolDevice = () => {
      world.engine.calls.push('crash');
      return new Promise(() => undefined);
    };
    void world.service.pools.addDevice('p', { path: more });
    await world.crashed();
    await world.start();
    expect(await world.service.pools.get('p')).toMatchObject({ state: 'open', paths: [expect.any(String)] });
    await world.start();
    expect(world.engine.calls.filter((call) => call.startsWith('openPool'))).toHaveLength(1);
    expect(await world.service.pools.addDevice('p', { path: more })).toMatchObject({
      paths: [expect.any(String), more],
    });
  });

  it('before a pool was destroyed destroys it at the next start', async () => {
    await world.pool();
    world.engine.destroyPool = () => {
      world.engine.calls.push('crash');
      return new Promise(() => undefined);
    };
    void world.service.pools.destroy('p');
    await world.crashed();
    await world.start();
    expect([await world.service.pools.list(), world.disks.devices.size]).toEqual([[], 0]);
  });
});
