// The cases of csi-sanity for the controller service, under their names.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, hostNqn, mountWriter, statusOf } from '../harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

const uuid = '11111111-2222-4333-8444-999999999999';
/** A name that is too long for a line. */
const words = (...parts: string[]) => parts.join(' ');
const longest = 'x'.repeat(128);

describe('Controller Service', () => {
  it('ControllerGetCapabilities: should return appropriate capabilities', async () => {
    const { capabilities } = await csi.call('ControllerGetCapabilities');
    const types = capabilities.map((one: { rpc: { type: string } }) => one.rpc.type);
    expect(types).toContain('CREATE_DELETE_VOLUME');
    expect(types).not.toContain('UNKNOWN');
    expect(new Set(types).size).toBe(types.length);
  });

  it('GetCapacity: should return capacity (no optional values added)', async () => {
    expect(BigInt((await csi.call('GetCapacity')).availableCapacity)).toBeGreaterThan(1n << 30n);
  });
});

describe('ListVolumes', () => {
  it('should return appropriate values (no optional values added)', async () => {
    expect(await csi.call('ListVolumes')).toEqual({ entries: [], nextToken: '' });
  });

  it('should fail when an invalid starting_token is passed', async () => {
    expect(await statusOf(csi.call('ListVolumes', { startingToken: 'invalid-token' }))).toBe('ABORTED');
  });

  it('check the presence of new volumes and absence of deleted ones in the volume list', async () => {
    const count = async () => (await csi.call('ListVolumes')).entries.length;
    const before = await count();
    const { volumeId } = await csi.volume('sanity');
    expect(await count()).toBe(before + 1);
    await csi.call('DeleteVolume', { volumeId });
    expect(await count()).toBe(before);
  });

  it(
    words(
      'pagination should detect volumes added between pages',
      'and accept tokens when the last volume from a page is deleted',
    ),
    async () => {
      for (const name of ['a', 'b', 'c', 'd']) await csi.volume(name);
      const first = await csi.call('ListVolumes', { maxEntries: 2 });
      expect(first.entries).toHaveLength(2);
      await csi.call('DeleteVolume', { volumeId: first.entries[1].volume.volumeId });
      const added = await csi.volume('e');
      const second = await csi.call('ListVolumes', { maxEntries: 3, startingToken: first.nextToken });
      expect(second.entries).toHaveLength(3);
      expect(second.nextToken).toBe('');
      expect(second.entries[2].volume.volumeId).toBe(added.volumeId);
    },
  );
});

describe('CreateVolume', () => {
  const create = (request: object) => csi.call('CreateVolume', request);

  it('should fail when no name is provided', async () => {
    expect(await statusOf(create({ volumeCapabilities: [mountWriter] }))).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume capabilities are provided', async () => {
    expect(await statusOf(create({ name: 'v' }))).toBe('INVALID_ARGUMENT');
  });

  it('should return appropriate values SingleNodeWriter NoCapacity', async () => {
    const { volume } = await create({ name: 'v', volumeCapabilities: [mountWriter] });
    expect(volume).toMatchObject({ volumeId: expect.stringMatching(/./), capacityBytes: '1073741824' });
  });

  it('should return appropriate values SingleNodeWriter WithCapacity 1Gi', async () => {
    expect(BigInt((await csi.volume('v')).capacityBytes)).toBeGreaterThanOrEqual(1n << 30n);
  });

  it(
    words(
      'should not fail when requesting to create a volume',
      'with already existing name and same capacity',
    ),
    async () => {
      expect(await csi.volume('v')).toEqual(await csi.volume('v'));
    },
  );

  it(
    words(
      'should fail when requesting to create a volume',
      'with already existing name and different capacity',
    ),
    async () => {
      const sized = (bytes: string) =>
        csi.volume('v', { capacityRange: { requiredBytes: bytes, limitBytes: bytes } });
      await sized('1073741824');
      expect(await statusOf(sized('2147483648'))).toBe('ALREADY_EXISTS');
    },
  );

  it('should not fail when creating volume with maximum-length name', async () => {
    expect((await csi.volume(longest)).volumeId).not.toBe('');
  });

  it('should create volume from an existing source snapshot', async () => {
    const { volumeId } = await csi.volume('v');
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    const volumeContentSource = { snapshot: { snapshotId } };
    expect((await csi.volume('w', { volumeContentSource })).contentSource).toMatchObject(volumeContentSource);
  });

  it('should fail when the volume source snapshot is not found', async () => {
    const volumeContentSource = { snapshot: { snapshotId: 'non-existing-snapshot-id' } };
    expect(await statusOf(csi.volume('w', { volumeContentSource }))).toBe('NOT_FOUND');
  });

  it('should create volume from an existing source volume', async () => {
    const { volumeId } = await csi.volume('v');
    const volumeContentSource = { volume: { volumeId } };
    expect((await csi.volume('w', { volumeContentSource })).contentSource).toMatchObject(volumeContentSource);
  });

  it('should fail when the volume source volume is not found', async () => {
    const volumeContentSource = { volume: { volumeId: 'non-existing-volume-id' } };
    expect(await statusOf(csi.volume('w', { volumeContentSource }))).toBe('NOT_FOUND');
  });
});

describe('CreateVolume with a class', () => {
  const make = (mutableParameters: object) => statusOf(csi.volume('v', { mutableParameters }));

  it('should create volume with a volume attribute class', async () => {
    expect(await make({ iops: '100' })).toBe('OK');
  });

  it('should not create volume with an invalid volume attribute class', async () => {
    expect(await make({ colour: 'red' })).toBe('INVALID_ARGUMENT');
  });
});

describe('DeleteVolume', () => {
  it('should fail when no volume id is provided', async () => {
    expect(await statusOf(csi.call('DeleteVolume'))).toBe('INVALID_ARGUMENT');
  });

  it('should succeed when an invalid volume id is used', async () => {
    expect(await csi.call('DeleteVolume', { volumeId: 'reallyfakevolumeid' })).toEqual({});
  });

  it('should return appropriate values (no optional values added)', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await csi.call('DeleteVolume', { volumeId })).toEqual({});
    expect(await csi.call('DeleteVolume', { volumeId })).toEqual({});
  });
});

describe('ValidateVolumeCapabilities', () => {
  const validate = (request: object) => csi.call('ValidateVolumeCapabilities', request);

  it('should fail when no volume id is provided', async () => {
    expect(await statusOf(validate({}))).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume capabilities are provided', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(validate({ volumeId }))).toBe('INVALID_ARGUMENT');
  });

  it('should return appropriate values (no optional values added)', async () => {
    const { volumeId, volumeContext } = await csi.volume('v');
    const { confirmed } = await validate({ volumeId, volumeContext, volumeCapabilities: [mountWriter] });
    expect(confirmed.volumeCapabilities).toMatchObject([{ accessMode: { mode: 'SINGLE_NODE_WRITER' } }]);
  });

  it('should fail when the requested volume does not exist', async () => {
    expect(await statusOf(validate({ volumeId: uuid, volumeCapabilities: [mountWriter] }))).toBe('NOT_FOUND');
  });
});

describe('ControllerPublishVolume', () => {
  const publish = (volumeId: string, request: object = {}) =>
    csi.call('ControllerPublishVolume', csi.publishRequest(volumeId, request));

  it('should fail when no volume id is provided', async () => {
    expect(await statusOf(publish(''))).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no node id is provided', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(publish(volumeId, { nodeId: '' }))).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume capability is provided', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(publish(volumeId, { volumeCapability: null }))).toBe('INVALID_ARGUMENT');
  });

  it('should fail when the volume does not exist', async () => {
    expect(await statusOf(publish(uuid))).toBe('NOT_FOUND');
  });

  it('should fail when the node does not exist', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(publish(volumeId, { nodeId: 'some-fake-node-id' }))).toBe('NOT_FOUND');
  });

  it.each([1, 10])('volume lifecycle: should work, and be idempotent (%d times)', async (times) => {
    let volume = await csi.volume('v');
    for (let index = 1; index < times; index += 1) volume = await csi.volume('v');
    const { volumeId } = volume;
    const contexts = new Set<string>();
    for (let index = 0; index < times; index += 1) contexts.add(JSON.stringify(await publish(volumeId)));
    expect(contexts.size).toBe(1);
    for (let index = 0; index < times; index += 1) {
      expect(await csi.call('ControllerUnpublishVolume', { volumeId, nodeId: hostNqn })).toEqual({});
    }
    for (let index = 0; index < times; index += 1) await csi.call('DeleteVolume', { volumeId });
    expect((await csi.call('ListVolumes')).entries).toEqual([]);
  });

  it('ControllerUnpublishVolume: should fail when no volume id is provided', async () => {
    expect(await statusOf(csi.call('ControllerUnpublishVolume'))).toBe('INVALID_ARGUMENT');
  });
});
