// What is kept of a volume beside its pool: from the beginning, over starts, to its end; and what becomes of
// records that are damaged or of nothing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { decodeSettings } from '../../../src/pools/settings-decode.js';
import type { VolumeSettings } from '../../../src/pools/volume-settings.js';
import { mib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
beforeEach(async () => {
  world = new PoolHarness();
  await world.start();
  await world.pool();
});
afterEach(() => world.close());

const host = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
const settings: VolumeSettings = {
  hosts: [{ nqn: host, exclusive: true }],
  cloneOf: '22222222-2222-3333-4444-555555555555',
  qos: { iops: 100, class: 'high' },
  pods: [{ uid: 'u', node: 'n', namespace: 'd', name: 'p' }],
};

const make = async (name: string, kept: VolumeSettings = settings) =>
  (await world.service.volumes.create({ name, sizeBytes: 16n * mib, settings: kept })).info.uuid;
const keys = async () => (await world.store.list('volumes/')).entries.map(({ key }) => key);
const write = (uuid: string, text: string) =>
  world.store.commit([], [{ type: 'put', key: `volumes/${uuid}`, value: Buffer.from(text) }]);
const hostsServed = () => world.engine.volumes.map(({ hosts }) => hosts);

describe('what is kept of a volume', () => {
  it('is handed to the engine when it is served, now and after the next start', async () => {
    await make('v');
    expect(hostsServed()).toEqual([[host]]);
    await world.start();
    expect(hostsServed()).toEqual([[host]]);
  });

  it('is nothing where nothing was asked for: any host, no record', async () => {
    await make('v', {});
    expect(hostsServed()).toEqual([undefined]);
    expect(await keys()).toEqual([]);
  });

  it('goes with the volume', async () => {
    await make('v');
    await world.service.volumes.delete('v', { force: true });
    expect(await keys()).toEqual([]);
  });

  it('stays with a volume that is renamed, reverted or served again', async () => {
    const uuid = await make('v');
    await world.service.snapshots.createOne('v', 's');
    await world.service.volumes.change('v', { name: 'w' });
    await world.service.volumes.revert('w', 's');
    expect(hostsServed()).toEqual([[host]]);
    expect(await keys()).toEqual([`volumes/${uuid}`]);
  });

  it.each(['createPoolVolume', 'addVolume'] as const)('leaves no record when %s fails', async (verb) => {
    world.engine.fail(verb, new PoolFailedError('engine', 'EIO'));
    await expect(make('v')).rejects.toMatchObject({ code: 'POOL_FAILED' });
    expect(await keys()).toEqual([]);
  });

  it('is there before the volume is: a crash in between lets nobody in who was not asked in', async () => {
    world.engine.crashAfter('createPoolVolume');
    void make('v', { hosts: [] });
    await world.crashed();
    await world.start();
    expect(hostsServed()).toEqual([[]]);
  });

  it('stays when its pool is exported, and is found again when the pool comes back', async () => {
    const uuid = await make('v');
    await world.service.pools.export('p');
    expect(await keys()).toEqual([`volumes/${uuid}`]);
    await world.service.pools.import([`${world.directory}/p.disk`]);
    expect(hostsServed()).toEqual([[host]]);
  });
});

describe('records of nothing', () => {
  const orphan = '33333333-2222-3333-4444-555555555555';

  it('are forgotten when their pool is opened, others are not', async () => {
    const uuid = await make('v');
    const pool = (await world.service.pools.get('p')).uuid;
    await write(orphan, JSON.stringify({ version: 1, pool, hosts: [] }));
    const elsewhere = '44444444-2222-3333-4444-555555555555';
    await write(elsewhere, JSON.stringify({ version: 1, pool: elsewhere, hosts: [] }));
    await world.start();
    expect(await keys()).toEqual([`volumes/${elsewhere}`, `volumes/${uuid}`].sort());
  });

  it('stay while their pool cannot be opened', async () => {
    const pool = (await world.service.pools.get('p')).uuid;
    await write(orphan, JSON.stringify({ version: 1, pool, hosts: [] }));
    world.disks.devices.clear();
    await world.start();
    expect((await world.service.pools.get('p')).state).not.toBe('open');
    expect(await keys()).toEqual([`volumes/${orphan}`]);
  });

  it('stay where the volume is there and is not served, because its name is taken', async () => {
    const uuid = await make('v');
    await world.service.pools.export('p');
    await world.pool('q');
    await world.volume('v', { pool: 'q' });
    await world.service.pools.export('q');
    await world.service.pools.import([`${world.directory}/q.disk`]);
    await expect(world.service.pools.import([`${world.directory}/p.disk`])).rejects.toMatchObject({
      code: 'DUPLICATE_VOLUME',
    });
    expect(await keys()).toEqual([`volumes/${uuid}`]);
  });
});

describe('a damaged record', () => {
  it.each([
    ['{', []],
    ['[]', []],
    ['{"version":2}', []],
    ['{"version":1,"hosts":"any"}', []],
    ['{"version":1,"hosts":[{"nqn":""}]}', []],
    [`{"version":1,"hosts":[{"nqn":"${host}","exclusive":false}],"qos":7}`, [host]],
    ['{"version":1,"qos":{"iops":-1}}', undefined],
    ['{"version":1,"cloneOf":"x","pods":[{}]}', undefined],
  ])('%s: hosts that cannot be understood are nobody, and the pool tells of it', async (text, hosts) => {
    const uuid = await make('v', {});
    await write(uuid, text);
    await world.start();
    expect(hostsServed()).toEqual([hosts]);
    const { problems } = await world.service.pools.get('p');
    expect(problems).toEqual([expect.stringMatching(/^what is kept of volume 'v' is damaged: /)]);
    expect(world.lines.join('')).toContain("what is kept of volume 'v' is damaged");
  });

  it('keeps the parts that can be understood', () => {
    const value = Buffer.from(JSON.stringify({ version: 1, pool: 'p', ...settings, qos: 'fast' }));
    const { qos: _qos, ...rest } = settings;
    expect(decodeSettings(value)).toEqual({
      decoded: { settings: rest, problem: 'qos cannot be read' },
      pool: 'p',
    });
  });

  it('does not keep its pool from being destroyed once the volume is gone', async () => {
    const uuid = await make('v', {});
    await write(uuid, '{');
    await world.start();
    await world.service.volumes.delete('v');
    await world.service.pools.destroy('p');
    expect(await keys()).toEqual([]);
  });
});
