import { beforeEach, describe, expect, it } from 'vitest';
import type { QosWords } from '../../../src/base/qos.js';
import { mib, PoolHarness } from '../../support/pool-harness.js';

let harness: PoolHarness;
const limitsOf = (name: string) => harness.engine.volumes.find((volume) => volume.name === name)?.qos;
const create = (name: string, qos?: QosWords) =>
  harness.service.volumes.create({ name, sizeBytes: 16n * mib, ...(qos && { settings: { qos } }) });
const set = (name: string, qos: QosWords | null) => harness.service.volumes.change(name, { qos });

beforeEach(async () => {
  harness = new PoolHarness();
  await harness.start();
  await harness.pool();
});

describe('limits of a volume', () => {
  it("are the engine's at once, changed live, kept over a restart, and taken away", async () => {
    await create('v', { iops: 1, throughput: 2, burstSeconds: 1.5 });
    expect(limitsOf('v')).toMatchObject({ iops: 1, bytesPerSecond: 2 << 20, burstMs: 1500, weight: 100 });
    harness.changes();
    expect((await set('v', { readIops: 1_000_000_000_000 })).settings.qos).toEqual({ readIops: 1e12 });
    expect(harness.changes()).toEqual(['setQos v']);
    expect(limitsOf('v')).toMatchObject({ iops: 0, readIops: 1e12, bytesPerSecond: 0 });
    await harness.start();
    expect(limitsOf('v')).toMatchObject({ readIops: 1e12 });
    await set('v', null);
    expect(harness.service.volumes.find('v')?.settings.qos).toBeUndefined();
    expect(limitsOf('v')).toMatchObject({ readIops: 0 });
  });

  it('of 0 are none (N31)', async () => {
    await create('v', { iops: 0, readIops: 0, throughput: 0, minIops: 0, weight: 0 });
    expect(limitsOf('v')).toMatchObject({ iops: 0, readIops: 0, minIops: 0, weight: 100 });
  });

  it('that cannot be are refused, and nothing changes', async () => {
    await create('v', { iops: 5 });
    const refused: QosWords[] = [
      { iops: -1 },
      { iops: 0.5 },
      { iops: Number.NaN },
      { throughput: 1e12 },
      { burstSeconds: 3601 },
      { weight: 10_001 },
      { iops: 5, minIops: 6 },
      { readIops: 2, writeIops: 2, minIops: 5 },
    ];
    for (const qos of refused) {
      await expect(set('v', qos)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(create('w', qos)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(harness.service.volumes.find('v')?.settings.qos).toEqual({ iops: 5 });
    expect(harness.service.volumes.find('w')).toBeUndefined();
  });

  it('stay what they were when the engine fails', async () => {
    await create('v', { iops: 5 });
    harness.engine.fail('setQos', new Error('no'));
    await expect(set('v', { iops: 6 })).rejects.toThrow('no');
    expect(harness.service.volumes.find('v')?.settings.qos).toEqual({ iops: 5 });
  });

  it('stay what they were when another part of the same change fails', async () => {
    await create('v', { iops: 5 });
    harness.engine.fail('resizePoolVolume', new Error('no'));
    await expect(
      harness.service.volumes.change('v', { qos: { iops: 6 }, sizeBytes: 32n * mib }),
    ).rejects.toThrow('no');
    expect(harness.service.volumes.find('v')?.settings.qos).toEqual({ iops: 5 });
    expect(limitsOf('v')).toMatchObject({ iops: 5 });
  });
});

describe('guarantees', () => {
  const overcommitted = { code: 'QOS_OVERCOMMITTED' };

  it('are refused without a budget, saying how to get one', async () => {
    await expect(create('v', { minIops: 1 })).rejects.toMatchObject({
      ...overcommitted,
      message: expect.stringMatching(/burnin --set.*qos budget set/),
    });
    expect(harness.service.volumes.find('v')).toBeUndefined();
  });

  it('are admitted up to the budget and no further, with the numbers (N31)', async () => {
    await harness.service.qos.setBudget({ iops: 1000, depth: 8 });
    expect(harness.engine.budget).toEqual({ iops: 1000, depth: 8 });
    await create('a', { minIops: 600 });
    await create('b', { minIops: 400 });
    await expect(create('c', { minIops: 1 })).rejects.toMatchObject({
      ...overcommitted,
      message: expect.stringMatching(/1001 .*1000.*1000/),
    });
    await expect(set('b', { minIops: 401 })).rejects.toMatchObject(overcommitted);
    expect(harness.service.volumes.find('b')?.settings.qos).toEqual({ minIops: 400 });
    await set('a', { minIops: 500 });
    await set('b', { minIops: 500 });
    expect(harness.service.qos.budget()).toMatchObject({ iops: 1000, guaranteedIops: 1000 });
    await harness.service.volumes.delete('a');
    await create('c', { minIops: 500 });
  });

  it('keep their budget: it cannot become less than they are', async () => {
    await harness.service.qos.setBudget({ iops: 1000 });
    await create('a', { minIops: 600 });
    await expect(harness.service.qos.setBudget({ iops: 599 })).rejects.toMatchObject(overcommitted);
    await expect(harness.service.qos.setBudget({ iops: 0 })).rejects.toMatchObject(overcommitted);
    await harness.service.qos.setBudget({ iops: 600 });
    await harness.start();
    expect(harness.engine.budget).toEqual({ iops: 600 });
    expect(limitsOf('a')).toMatchObject({ minIops: 600 });
  });

  it('say whose they are when their budget is taken, and stay when that is forced', async () => {
    const { qos } = harness.service;
    await qos.setBudget({ iops: 1000 });
    await create('a', { minIops: 600 });
    await create('free');
    const refusal = async (budget: { iops: number }) => qos.setBudget(budget).catch(({ message }) => message);
    expect(await refusal({ iops: 0 })).toMatch(/^600 IOPS .*\(to 'a'\).* no budget .*qos show.* force/);
    await create('b', { minIops: 100 });
    expect(await refusal({ iops: 699 })).toMatch(/^700 IOPS .*\(to 'a' and 1 more\).* budget of 699 /);
    expect(qos.budget()).toEqual({ iops: 1000, guaranteedIops: 700 });
    for (const iops of [650, 0]) {
      const forced = await harness.service.qos.setBudget({ iops }, { force: true });
      expect(forced).toEqual({ iops, guaranteedIops: 700 });
      expect(harness.engine.budget).toEqual({ iops });
      await harness.start(); // what became too small keeps nothing from being served
      expect(limitsOf('a')).toMatchObject({ minIops: 600 });
      await expect(set('b', { minIops: 101 })).rejects.toMatchObject(overcommitted);
    }
    await set('b', { minIops: 99 }); // less is always admitted
  });

  it('of the command line keep their budget also from force: the next start would be refused', async () => {
    await harness.service.qos.setBudget({ iops: 1000 });
    harness.others = [{ name: 'other', minIops: 700 }];
    await harness.start();
    const forced = harness.service.qos.setBudget({ iops: 699 }, { force: true });
    await expect(forced).rejects.toMatchObject(overcommitted);
    expect(harness.service.qos.budget()).toEqual({ iops: 1000, guaranteedIops: 700 });
    await harness.service.qos.setBudget({ iops: 700 }, { force: true });
  });

  it('of two volumes at once are admitted one after the other', async () => {
    await harness.service.qos.setBudget({ iops: 1000 });
    await create('a');
    await create('b');
    const both = await Promise.allSettled([set('a', { minIops: 600 }), set('b', { minIops: 600 })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(harness.service.qos.budget().guaranteedIops).toBe(600);
  });

  it('of volumes of the command line count', async () => {
    await harness.service.qos.setBudget({ iops: 1000 });
    harness.others = [{ name: 'other', minIops: 700 }];
    await harness.start();
    await expect(create('a', { minIops: 301 })).rejects.toMatchObject(overcommitted);
    await create('a', { minIops: 300 });
    harness.others = [{ name: 'other', minIops: 701 }];
    await expect(harness.start()).rejects.toMatchObject(overcommitted);
  });
});

describe('classes', () => {
  it('are best-effort, medium and high, and own ones', async () => {
    await harness.service.qos.putClass('gold', { iops: 5000, weight: 900 });
    await harness.start();
    expect(harness.service.qos.classes().map(({ name, builtIn }) => [name, builtIn])).toEqual([
      ['best-effort', true],
      ['medium', true],
      ['high', true],
      ['gold', false],
    ]);
    await expect(harness.service.qos.putClass('Gold!', {})).rejects.toMatchObject({ argument: 'class' });
  });

  it('are in what holds for a volume, as long as they are known', async () => {
    const { qos } = harness.service;
    await qos.putClass('gold', { iops: 5000, weight: 900 });
    expect(qos.heldBy({ class: 'gold', iops: 7 })).toMatchObject({ iops: 7, weight: 900 });
    expect(qos.heldBy({ class: 'gone', iops: 7 })).toEqual({ class: 'gone', iops: 7 });
    expect(qos.heldBy(undefined)).toBeUndefined();
  });

  it('change live for all their volumes, whose own values go before', async () => {
    await harness.service.qos.putClass('gold', { iops: 5000, weight: 900 });
    await create('a', { class: 'gold' });
    await create('b', { class: 'gold', iops: 7 });
    expect(limitsOf('a')).toMatchObject({ iops: 5000, weight: 900 });
    harness.changes();
    await harness.service.qos.putClass('gold', { iops: 6000 });
    expect([...harness.changes()].sort()).toEqual(['setQos a', 'setQos b']);
    expect(limitsOf('a')).toMatchObject({ iops: 6000, weight: 100 });
    expect(limitsOf('b')).toMatchObject({ iops: 7, weight: 100 });
  });

  it('are not changed beyond the budget, nor against what their volumes say themselves', async () => {
    await harness.service.qos.setBudget({ iops: 1000 });
    await harness.service.qos.putClass('gold', { minIops: 400 });
    await create('a', { class: 'gold' });
    await create('b', { class: 'gold', iops: 450 });
    await expect(harness.service.qos.putClass('gold', { minIops: 501 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await set('b', { class: 'gold' });
    await expect(harness.service.qos.putClass('gold', { minIops: 501 })).rejects.toMatchObject({
      code: 'QOS_OVERCOMMITTED',
    });
    expect(harness.service.qos.classes().find(({ name }) => name === 'gold')?.qos).toEqual({ minIops: 400 });
    await harness.service.qos.putClass('gold', { minIops: 500 });
    expect(limitsOf('a')).toMatchObject({ minIops: 500 });
  });

  it('in use, or built in, are not deleted', async () => {
    await harness.service.qos.putClass('gold', {});
    await create('a', { class: 'gold' });
    const inUse = { code: 'QOS_CLASS_IN_USE' };
    await expect(harness.service.qos.deleteClass('gold')).rejects.toMatchObject(inUse);
    await expect(harness.service.qos.deleteClass('high')).rejects.toMatchObject(inUse);
    await set('a', {});
    await harness.service.qos.deleteClass('gold');
    await expect(harness.service.qos.deleteClass('gold')).rejects.toMatchObject({
      code: 'QOS_CLASS_NOT_FOUND',
    });
    await expect(create('b', { class: 'gold' })).rejects.toMatchObject({ code: 'QOS_CLASS_NOT_FOUND' });
  });
});
