// The cases of csi-sanity for growing and modifying volumes, under their names.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, statusOf } from '../harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

const uuid = '11111111-2222-4333-8444-999999999999';

/** A name that is too long for a line. */
const words = (...parts: string[]) => parts.join(' ');

describe('ExpandVolume', () => {
  const expand = (request: object) => csi.call('ControllerExpandVolume', request);

  it('should fail if no volume id is given', async () => {
    expect(await statusOf(expand({ capacityRange: { requiredBytes: '5368709120' } }))).toBe(
      'INVALID_ARGUMENT',
    );
  });

  it('should fail if no capacity range is given', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(expand({ volumeId }))).toBe('INVALID_ARGUMENT');
  });

  it('should work', async () => {
    const { volumeId } = await csi.volume('v');
    const request = { volumeId, capacityRange: { requiredBytes: '5368709120' } };
    const answer = { capacityBytes: '5368709120', nodeExpansionRequired: true };
    expect(await expand(request)).toEqual(answer);
    expect(await expand(request)).toEqual(answer);
    expect((await csi.call('ControllerGetVolume', { volumeId })).volume.capacityBytes).toBe('5368709120');
  });
});

describe('ModifyVolume', () => {
  const modify = (request: object) => csi.call('ControllerModifyVolume', request);

  it('should fail if no volume id is given', async () => {
    expect(await statusOf(modify({}))).toBe('INVALID_ARGUMENT');
  });

  it('should fail if volume does not exist', async () => {
    expect(await statusOf(modify({ volumeId: uuid, mutableParameters: { iops: '100' } }))).toBe('NOT_FOUND');
  });

  it('should fail if specified mutable parameters are not supported by the volume', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(modify({ volumeId, mutableParameters: { colour: 'red' } }))).toBe(
      'INVALID_ARGUMENT',
    );
  });

  const mutableParameters = { iops: '100', weight: '200' };

  it('should modify a volume created without a volume attribute class', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(modify({ volumeId, mutableParameters }))).toBe('OK');
  });

  it('should modify a volume created with a volume attribute class', async () => {
    const { volumeId } = await csi.volume('v', { mutableParameters });
    expect(await statusOf(modify({ volumeId, mutableParameters: { iops: '200' } }))).toBe('OK');
  });

  it(
    words(
      'should fail to modify a volume created with a volume attribute class',
      'if new mutable parameters are not supported by volume',
    ),
    async () => {
      const { volumeId } = await csi.volume('v', { mutableParameters });
      expect(await statusOf(modify({ volumeId, mutableParameters: { colour: 'red' } }))).toBe(
        'INVALID_ARGUMENT',
      );
    },
  );
});
