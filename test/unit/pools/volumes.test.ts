// Volumes, snapshots and clones as a service: what is refused, what is done in which order, what is undone,
// what is left by a daemon that dies in between.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NoSpaceError, PoolFailedError } from '../../../src/base/pool-errors.js';
import { gib, mib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
beforeEach(async () => {
  world = new PoolHarness();
  await world.start();
  await world.pool();
  world.changes();
});
afterEach(() => world.close());

const code = (expected: string) => expect.objectContaining({ code: expected });
const failure = new PoolFailedError('engine', 'EIO');

describe('making a volume', () => {
  it('serves it as namespace 1 of a subsystem named by its UUID', async () => {
    const made = await world.service.volumes.create({ name: 'v', sizeBytes: gib, pool: 'p' });
    const { uuid } = made.info;
    expect(made).toMatchObject({ pool: 'p', state: 'serving', encrypted: false });
    expect(made.info).toMatchObject({ name: 'v', sizeBytes: gib, thick: false, originUuid: '' });
    expect(made.nqn).toBe(`nqn.2026-11.dev.ballast:volume:${uuid}`);
    expect(world.engine.volumes).toEqual([
      { name: 'v', kind: 'pool', pool: 'p', nqn: made.nqn, nsid: 1, uuid },
    ]);
    expect(world.changes()).toEqual(['createPoolVolume p v', 'addVolume v']);
    expect(world.service.volumes.list()).toEqual([made]);
  });

  it('takes the only pool where none is named, and wants a name where there are several', async () => {
    await world.volume('v');
    await world.pool('q');
    const made = world.service.volumes.create({ name: 'w', sizeBytes: mib });
    await expect(made).rejects.toThrow('pool: expected one of p, q; there are several');
    await world.volume('w', { pool: 'q' });
    expect(world.service.volumes.find('w')?.pool).toBe('q');
  });

  it.each([
    [{ name: 'a b', sizeBytes: mib }, 'INVALID_ARGUMENT'],
    [{ name: 'a/b', sizeBytes: mib }, 'INVALID_ARGUMENT'],
    [{ name: 'v' }, 'INVALID_ARGUMENT'],
    [{ name: 'v', sizeBytes: 0n }, 'INVALID_ARGUMENT'],
    [{ name: 'v', sizeBytes: -4096n }, 'INVALID_ARGUMENT'],
    [{ name: 'v', sizeBytes: 4097n }, 'INVALID_ARGUMENT'],
    [{ name: 'v', sizeBytes: 1n << 63n }, 'INVALID_ARGUMENT'],
    [{ name: 'v', sizeBytes: mib, pool: 'none' }, 'POOL_NOT_FOUND'],
    [{ name: 'v', source: { volume: 'none', snapshot: 's' } }, 'VOLUME_NOT_FOUND'],
  ])('refuses %o and asks nothing of the engine', async (options, refusal) => {
    const made = world.service.volumes.create(options);
    await expect(made).rejects.toEqual(code(refusal));
    expect(world.changes()).toEqual([]);
  });

  it('refuses a name that any volume of the daemon has', async () => {
    world.others = [{ name: 'demo' }];
    await world.start();
    await world.volume('v');
    await world.pool('q');
    for (const name of ['v', 'demo']) {
      const made = world.service.volumes.create({ name, sizeBytes: mib, pool: 'q' });
      await expect(made).rejects.toEqual(code('DUPLICATE_VOLUME'));
    }
  });

  it('gives one of two at once the name', async () => {
    const both = await Promise.allSettled([world.volume('v'), world.volume('v')]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(world.served()).toEqual(['v']);
  });

  it('leaves nothing, not even the name, when the pool or the engine refuses', async () => {
    world.engine.fail('createPoolVolume', new NoSpaceError('create', 'the pool is full'));
    await expect(world.volume('v')).rejects.toEqual(code('NO_SPACE'));
    world.engine.fail('addVolume', failure);
    await expect(world.volume('v')).rejects.toThrow('EIO');
    expect(world.changes().slice(1)).toEqual(['createPoolVolume p v', 'addVolume v', 'deletePoolVolume p v']);
    expect(world.service.volumes.list()).toEqual([]);
    await world.volume('v');
  });

  it('keeps what it could not take back, and says so in its log', async () => {
    world.engine.fail('addVolume', failure);
    world.engine.fail('deletePoolVolume', new PoolFailedError('delete', 'ENXIO'));
    await expect(world.volume('v')).rejects.toThrow('EIO');
    expect(world.service.volumes.find('v')).toMatchObject({ state: 'stopped', error: 'engine: EIO' });
    expect(world.lines.join()).toContain('undoing failed: delete: ENXIO');
    expect(await world.service.volumes.serve('v')).toMatchObject({ state: 'serving' });
  });

  it('that a daemon began and did not finish is served by the next', async () => {
    world.engine.crashAfter('createPoolVolume');
    void world.volume('v');
    await world.crashed();
    await world.start();
    expect(world.served()).toEqual(['v']);
  });
});

describe('changing a volume', () => {
  beforeEach(() => world.volume('v'));

  it('resizes both ways, and refuses to lose data', async () => {
    expect((await world.service.volumes.change('v', { sizeBytes: gib })).info.sizeBytes).toBe(gib);
    world.engine.write('p', 'v', 100n, 1);
    const shrunk = world.service.volumes.change('v', { sizeBytes: 4096n });
    await expect(shrunk).rejects.toEqual(code('INVALID_ARGUMENT'));
    expect((await world.service.volumes.change('v', { sizeBytes: mib })).info.sizeBytes).toBe(mib);
    expect(world.service.volumes.find('v')?.info.sizeBytes).toBe(mib);
    expect(world.served()).toEqual(['v']);
  });

  it('renames it, with the same NQN, out of service for a moment', async () => {
    const before = world.service.volumes.find('v');
    world.changes();
    const after = await world.service.volumes.change('v', { name: 'w' });
    expect(world.changes()).toEqual(['removeVolume v', 'renamePoolVolume p v w', 'addVolume w']);
    expect([after.info.name, after.nqn, after.state]).toEqual(['w', before?.nqn, 'serving']);
    expect(world.service.volumes.find('v')).toBeUndefined();
    await world.volume('v');
    const taken = world.service.volumes.change('v', { name: 'w' });
    await expect(taken).rejects.toEqual(code('DUPLICATE_VOLUME'));
    expect(world.served()).toEqual(['v', 'w']);
  });

  it('does not rename under the feet of hosts unless forced', async () => {
    world.engine.controllers = 2;
    await expect(world.service.volumes.change('v', { name: 'w' })).rejects.toEqual(code('VOLUME_IN_USE'));
    await world.service.volumes.change('v', { sizeBytes: gib });
    await world.service.volumes.change('v', { name: 'w', force: true });
    expect(world.served()).toEqual(['w']);
  });

  it('undoes the size when the name fails, and serves it under the old one', async () => {
    world.engine.fail('renamePoolVolume', failure);
    const changed = world.service.volumes.change('v', { name: 'w', sizeBytes: gib });
    await expect(changed).rejects.toThrow('EIO');
    expect(world.service.volumes.find('v')?.info.sizeBytes).toBe(16n * mib);
    expect(world.served()).toEqual(['v']);
    await world.volume('w');
  });

  it('refuses what is not there, and names that cannot be', async () => {
    await expect(world.service.volumes.change('x', { sizeBytes: mib })).rejects.toEqual(
      code('VOLUME_NOT_FOUND'),
    );
    await expect(world.service.volumes.change('v', { name: '' })).rejects.toEqual(code('INVALID_ARGUMENT'));
  });

  it('is one at a time: what waited for a volume that is gone is refused', async () => {
    const [deleted, resized] = await Promise.allSettled([
      world.service.volumes.delete('v'),
      world.service.volumes.change('v', { sizeBytes: gib }),
    ]);
    expect(deleted.status).toBe('fulfilled');
    expect(resized).toMatchObject({ status: 'rejected', reason: code('VOLUME_NOT_FOUND') });
  });

  it('does not change another volume that got the name while it waited', async () => {
    await world.volume('x');
    let go: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { addVolume } = world.engine;
    world.engine.addVolume = async (options) => {
      if (options.name === 'w') await held;
      return addVolume.call(world.engine, options);
    };
    const renamed = world.service.volumes.change('v', { name: 'w' });
    const resized = world.service.volumes.change('v', { sizeBytes: gib });
    while (world.service.volumes.find('w') === undefined)
      await new Promise((resolve) => setImmediate(resolve));
    await world.service.volumes.change('x', { name: 'v' });
    go();
    await renamed;
    await expect(resized).rejects.toEqual(code('VOLUME_NOT_FOUND'));
    expect(world.service.volumes.list().map(({ info }) => info.sizeBytes)).toEqual([16n * mib, 16n * mib]);
  });

  it.each(['removeVolume', 'renamePoolVolume', 'addVolume'] as const)(
    'serves it under one of its names after a death in %s',
    async (verb) => {
      const { nqn } = world.service.volumes.find('v')!;
      world.engine.crashAfter(verb);
      void world.service.volumes.change('v', { name: 'w' });
      await world.crashed();
      await world.start();
      expect(world.engine.volumes).toMatchObject([{ name: verb === 'removeVolume' ? 'v' : 'w', nqn }]);
    },
  );
});

describe('snapshots', () => {
  beforeEach(async () => {
    await world.volume('a');
    await world.volume('b');
  });

  it('are taken alone or as a group, listed and deleted', async () => {
    const [one] = await world.service.snapshots.create([{ volume: 'a', name: 's1' }]);
    expect(one).toMatchObject({ volume: 'a', name: 's1', sizeBytes: 16n * mib });
    const group = await world.service.snapshots.create([
      { volume: 'b', name: 's1' },
      { volume: 'a', name: 's2' },
    ]);
    expect(group.map(({ volume, name }) => `${volume}/${name}`)).toEqual(['b/s1', 'a/s2']);
    expect(new Set(group.map(({ createdAt }) => createdAt)).size).toBe(1);
    expect((await world.service.snapshots.list('a')).map(({ name }) => name)).toEqual(['s1', 's2']);
    expect(await world.service.snapshots.get('a', 's1')).toEqual(one);
    await world.service.snapshots.delete('a', 's1');
    await expect(world.service.snapshots.get('a', 's1')).rejects.toEqual(code('SNAPSHOT_NOT_FOUND'));
    await expect(world.service.snapshots.delete('a', 's1')).rejects.toEqual(code('SNAPSHOT_NOT_FOUND'));
  });

  it('are refused as a whole when one of a group cannot be', async () => {
    await world.service.snapshots.create([{ volume: 'b', name: 's' }]);
    await world.pool('q');
    await world.volume('c', { pool: 'q' });
    world.changes();
    const rows = [
      [[], 'INVALID_ARGUMENT'],
      [[{ volume: 'a', name: 'x y' }], 'INVALID_ARGUMENT'],
      [
        [
          { volume: 'a', name: 's' },
          { volume: 'a', name: 't' },
        ],
        'INVALID_ARGUMENT',
      ],
      [
        [
          { volume: 'a', name: 's' },
          { volume: 'none', name: 's' },
        ],
        'VOLUME_NOT_FOUND',
      ],
      [
        [
          { volume: 'a', name: 's' },
          { volume: 'b', name: 's' },
        ],
        'SNAPSHOT_EXISTS',
      ],
      [
        [
          { volume: 'a', name: 's' },
          { volume: 'c', name: 's' },
        ],
        'INVALID_ARGUMENT',
      ],
      [Array.from({ length: 129 }, (_, index) => ({ volume: `v${index}`, name: 's' })), 'INVALID_ARGUMENT'],
    ] as const;
    for (const [wanted, refusal] of rows) {
      await expect(world.service.snapshots.create(wanted)).rejects.toEqual(code(refusal));
    }
    expect(world.changes()).toEqual([]);
    expect(await world.service.snapshots.list('a')).toEqual([]);
  });

  it('become clones that are volumes of their own', async () => {
    world.engine.write('p', 'a', 1n, 7);
    const [snapshot] = await world.service.snapshots.create([{ volume: 'a', name: 's' }]);
    const source = { volume: 'a', snapshot: 's' };
    const clone = await world.service.volumes.create({ name: 'c', source });
    expect(clone.info).toMatchObject({ sizeBytes: 16n * mib, originUuid: snapshot?.uuid });
    const larger = await world.service.volumes.create({ name: 'd', source, sizeBytes: gib });
    expect(larger.info.sizeBytes).toBe(gib);
    await world.service.snapshots.delete('a', 's');
    await world.service.volumes.delete('a');
    expect((await world.service.snapshots.ranges('c', { countMax: 10 })).ranges).toHaveLength(1);
    const refused = [
      [{ name: 'e', source, sizeBytes: mib }, 'VOLUME_NOT_FOUND'],
      [{ name: 'e', source: { volume: 'b', snapshot: 's' } }, 'SNAPSHOT_NOT_FOUND'],
    ] as const;
    for (const [options, refusal] of refused) {
      await expect(world.service.volumes.create(options)).rejects.toEqual(code(refusal));
    }
    await world.volume('e');
  });

  it('cannot be cloned smaller, elsewhere, or encrypted otherwise', async () => {
    await world.service.snapshots.create([{ volume: 'a', name: 's' }]);
    const source = { volume: 'a', snapshot: 's' };
    for (const options of [{ sizeBytes: mib }, { pool: 'q' }, { encrypted: true }]) {
      const made = world.service.volumes.create({ name: 'c', source, ...options });
      await expect(made).rejects.toEqual(code('INVALID_ARGUMENT'));
    }
    expect(world.service.volumes.find('c')).toBeUndefined();
  });

  it('are reverted to while the volume is out of service', async () => {
    world.engine.write('p', 'a', 1n, 7);
    await world.service.snapshots.create([{ volume: 'a', name: 's' }]);
    world.engine.write('p', 'a', 2n, 8);
    world.engine.controllers = 1;
    await expect(world.service.volumes.revert('a', 's')).rejects.toEqual(code('VOLUME_IN_USE'));
    await expect(world.service.volumes.revert('a', 'x', { force: true })).rejects.toEqual(
      code('SNAPSHOT_NOT_FOUND'),
    );
    expect(world.engine.volume('p', 'a').content.size).toBe(2);
    world.changes();
    await world.service.volumes.revert('a', 's', { force: true });
    expect(world.changes()).toEqual(['removeVolume a', 'revertPoolVolume p a s', 'addVolume a']);
    expect([...world.engine.volume('p', 'a').content]).toEqual([[1n, 7]]);
    world.engine.fail('revertPoolVolume', failure);
    await expect(world.service.volumes.revert('a', 's', { force: true })).rejects.toThrow('EIO');
    expect(world.served()).toEqual(['a', 'b']);
  });

  it('tell what differs', async () => {
    for (const index of [1n, 2n, 9n]) world.engine.write('p', 'a', index, 1);
    await world.service.snapshots.create([{ volume: 'a', name: 's1' }]);
    for (const index of [2n, 20n]) world.engine.write('p', 'a', index, 2);
    await world.service.snapshots.create([{ volume: 'a', name: 's2' }]);
    world.engine.write('p', 'a', 40n, 3);
    const ranges = async (options: { snapshot?: string; since?: string }) =>
      (await world.service.snapshots.ranges('a', { countMax: 10, ...options })).ranges.map(
        ({ offsetBytes, lengthBytes }) => [Number(offsetBytes / 4096n), Number(lengthBytes / 4096n)],
      );
    expect(await ranges({})).toEqual([
      [1, 2],
      [9, 1],
      [20, 1],
      [40, 1],
    ]);
    expect(await ranges({ since: 's1', snapshot: 's2' })).toEqual([
      [2, 1],
      [20, 1],
    ]);
    expect(await ranges({ since: 's2' })).toEqual([[40, 1]]);
    const first = await world.service.snapshots.ranges('a', { countMax: 1 });
    expect(first.nextOffsetBytes).toBe(9n * 4096n);
    for (const options of [{ since: 'x' }, { snapshot: 'x' }]) {
      await expect(ranges(options)).rejects.toEqual(code('SNAPSHOT_NOT_FOUND'));
    }
    await expect(ranges({ since: 's1', snapshot: 's1' })).rejects.toEqual(code('INVALID_ARGUMENT'));
    for (const countMax of [0, 4097, 1.5]) {
      await expect(world.service.snapshots.ranges('a', { countMax })).rejects.toEqual(
        code('INVALID_ARGUMENT'),
      );
    }
  });
});

describe('deleting a volume', () => {
  beforeEach(() => world.volume('v'));

  it('ends serving it and frees its name', async () => {
    world.changes();
    await world.service.volumes.delete('v', { erase: true });
    expect(world.changes()).toEqual(['removeVolume v', 'deletePoolVolume p v erase']);
    expect([world.served(), world.service.volumes.list()]).toEqual([[], []]);
    await world.volume('v');
  });

  it('is refused while it has snapshots, which changes nothing', async () => {
    await world.service.snapshots.create([{ volume: 'v', name: 's' }]);
    const deleted = world.service.volumes.delete('v');
    await expect(deleted).rejects.toThrow("volume 'v': it has a snapshot; delete it first");
    expect(world.served()).toEqual(['v']);
  });

  it('that fails serves it again', async () => {
    world.engine.fail('deletePoolVolume', failure);
    await expect(world.service.volumes.delete('v')).rejects.toThrow('EIO');
    expect(world.service.volumes.find('v')?.state).toBe('serving');
    expect(world.served()).toEqual(['v']);
  });

  it.each(['removeVolume', 'deletePoolVolume'] as const)('is whole after a death in %s', async (verb) => {
    world.engine.crashAfter(verb);
    void world.service.volumes.delete('v');
    await world.crashed();
    await world.start();
    expect(world.served()).toEqual(verb === 'removeVolume' ? ['v'] : []);
  });

  it('waits for nothing in another volume, and a pool waits for it', async () => {
    await world.volume('w');
    let end: () => void = () => undefined;
    const erasing = new Promise<void>((resolve) => {
      end = resolve;
    });
    const { deletePoolVolume } = world.engine;
    world.engine.deletePoolVolume = async (...args) => {
      await erasing;
      return deletePoolVolume.apply(world.engine, args);
    };
    const deleted = world.service.volumes.delete('v', { erase: true });
    await world.service.volumes.change('w', { sizeBytes: gib });
    let exported = false;
    const leaving = world.service.pools.export('p').then(() => {
      exported = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(exported).toBe(false);
    end();
    await Promise.all([deleted, leaving]);
    expect(world.engine.calls.filter((call) => /delete|close/.test(call))).toEqual([
      'deletePoolVolume p v erase',
      'closePool p exported',
    ]);
  });
});
