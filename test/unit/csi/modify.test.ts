// ControllerModifyVolume, and volumes that are made with a VolumeAttributesClass: limits, guarantees, weight.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { CsiHarness, statusOf } from './harness.js';

let csi: CsiHarness;
let volumeId: string;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
  volumeId = (await csi.volume('v')).volumeId;
  csi.world.changes();
});
afterEach(() => csi.close());

const modify = (mutableParameters: object) =>
  csi.call('ControllerModifyVolume', { volumeId, mutableParameters });
const qos = async (id = volumeId) => (await csi.storage.volume(id)).qos;
/** What was asked of the engine about limits since the last call. */
const told = () => csi.world.changes().filter((call) => call.startsWith('setQos '));

describe('modifying a volume', () => {
  it('K21: gives the engine its limits before it answers, once however often it is asked', async () => {
    expect(await modify({ iops: '1000', writeThroughput: '50', weight: '300' })).toEqual({});
    expect(await qos()).toEqual({ iops: 1000, writeThroughput: 50, weight: 300 });
    expect(told()).toHaveLength(1);
    await modify({ iops: '1000', writeThroughput: '50', weight: '300' });
    expect(told()).toEqual([]);
  });

  it('says all of it: what the next class does not name is without a limit', async () => {
    await modify({ iops: '1000', readIops: '500' });
    await modify({ qosClass: 'high', burstSeconds: '2.5' });
    expect(await qos()).toEqual({ class: 'high', burstSeconds: 2.5 });
  });

  it.each([
    [{ colour: 'red' }],
    [{ iops: '1000', IOPS: '1' }],
    [{ iops: '-1' }],
    [{ iops: '1e3' }],
    [{ iops: '1.5' }],
    [{ iops: '' }],
    [{ iops: '99999999999999999999' }],
    [{ weight: '10001' }],
    [{ minIops: '200', iops: '100' }],
    [{ qosClass: '../high' }],
    [{ qosClass: 'none-such' }],
    [{ constructor: '1' }],
    [{}],
  ])('K21: %j is INVALID_ARGUMENT and changes nothing', async (parameters) => {
    await modify({ iops: '7' });
    csi.world.changes();
    expect(await statusOf(modify(parameters))).toBe('INVALID_ARGUMENT');
    expect([await qos(), told()]).toEqual([{ iops: 7 }, []]);
  });

  it('to a guarantee that is not admitted is RESOURCE_EXHAUSTED, and changes nothing', async () => {
    await modify({ iops: '7' });
    expect(await statusOf(modify({ minIops: '5000' }))).toBe('RESOURCE_EXHAUSTED');
    expect(await qos()).toEqual({ iops: 7 });
    const made = csi.volume('w', { mutableParameters: { minIops: '5000' } });
    expect(await statusOf(made)).toBe('RESOURCE_EXHAUSTED');
    expect((await csi.call('ListVolumes')).entries).toHaveLength(1);
  });

  it('that the engine refuses is undone', async () => {
    await modify({ iops: '7' });
    csi.world.engine.fail('setQos', new PoolFailedError('engine', 'EIO'));
    expect(await statusOf(modify({ iops: '8' }))).toBe('INTERNAL');
    expect(await qos()).toEqual({ iops: 7 });
  });

  it('that is not there is NOT_FOUND', async () => {
    await csi.call('DeleteVolume', { volumeId });
    expect(await statusOf(modify({ iops: '7' }))).toBe('NOT_FOUND');
  });
});

describe('a volume that is made with a class', () => {
  const mutableParameters = { qosClass: 'medium', iops: '100' };

  it('has it from the beginning, also a copy', async () => {
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    for (const volumeContentSource of [null, { snapshot: { snapshotId } }, { volume: { volumeId } }]) {
      const name = `of-${Object.keys(volumeContentSource ?? {})}`;
      const made = await csi.volume(name, { mutableParameters, volumeContentSource });
      expect(await qos(made.volumeId)).toEqual({ class: 'medium', iops: 100 });
      expect(told()).toEqual([]);
    }
  });

  it('K3: is the same again with the same, and ALREADY_EXISTS with another', async () => {
    const { volumeId: made } = await csi.volume('w', { mutableParameters });
    expect((await csi.volume('w', { mutableParameters })).volumeId).toBe(made);
    expect(await statusOf(csi.volume('w', { mutableParameters: { iops: '1' } }))).toBe('ALREADY_EXISTS');
    expect((await csi.volume('w')).volumeId).toBe(made); // nothing is said about it
  });

  it('is confirmed with what it has, and with nothing else', async () => {
    const { volumeId: made } = await csi.volume('w', { mutableParameters });
    const validate = async (parameters: object) =>
      await csi.call('ValidateVolumeCapabilities', {
        volumeId: made,
        volumeCapabilities: [{ mount: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } }],
        mutableParameters: parameters,
      });
    expect((await validate(mutableParameters)).confirmed.mutableParameters).toEqual(mutableParameters);
    expect(await validate({ iops: '100' })).toMatchObject({
      confirmed: null,
      message: 'mutable_parameters: the volume has others',
    });
  });
});
