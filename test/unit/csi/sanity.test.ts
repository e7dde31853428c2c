// The cases of csi-sanity for identity, controller and group controller, under their names. Left out are
// those of capabilities that are not advertised: PUBLISH_READONLY, MODIFY_VOLUME; and of the node service.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, hostNqn, mountWriter, statusOf } from './harness.js';

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

describe('Identity Service', () => {
  it('GetPluginCapabilities: should return appropriate capabilities', async () => {
    const { capabilities } = await csi.identity('GetPluginCapabilities');
    expect(capabilities.map((one: { type: string }) => one.type)).toEqual([
      'service',
      'service',
      'service',
      'volumeExpansion',
    ]);
    expect(capabilities.map((one: { service?: { type: string } }) => one.service?.type)).toEqual([
      'CONTROLLER_SERVICE',
      'GROUP_CONTROLLER_SERVICE',
      'SNAPSHOT_METADATA_SERVICE',
      undefined,
    ]);
  });

  it('Probe: should return appropriate information', async () => {
    expect(await csi.identity('Probe')).toEqual({ ready: { value: true } });
    await csi.daemon.stop();
    expect(await csi.identity('Probe')).toEqual({ ready: { value: false } });
  });

  it('GetPluginInfo: should return appropriate information', async () => {
    const { name, vendorVersion } = await csi.identity('GetPluginInfo');
    expect(vendorVersion).toBe('1.2.3');
    expect(name).toMatch(/^(?=.{1,63}$)[a-z0-9]+(?:[.-][a-z0-9]+)*$/);
  });
});

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

describe('snapshots', () => {
  const list = (request: object = {}) => csi.call('ListSnapshots', request);

  it('ListSnapshots: should return appropriate values (no optional values added)', async () => {
    expect(await list()).toEqual({ entries: [], nextToken: '' });
  });

  it('ListSnapshots: should return snapshots that match the specified snapshot id', async () => {
    const { volumeId } = await csi.volume('v');
    const snapshot = await csi.snapshot(volumeId, 's');
    await csi.snapshot(volumeId, 't');
    expect(await list({ snapshotId: snapshot.snapshotId })).toEqual({
      entries: [{ snapshot }],
      nextToken: '',
    });
  });

  it('ListSnapshots: should return empty when the specified snapshot id does not exist', async () => {
    expect((await list({ snapshotId: 'none-exist-id' })).entries).toEqual([]);
  });

  it('ListSnapshots: should return snapshots that match the specified source volume id', async () => {
    const { volumeId } = await csi.volume('v');
    const snapshot = await csi.snapshot(volumeId, 's');
    await csi.snapshot((await csi.volume('w')).volumeId, 't');
    expect((await list({ sourceVolumeId: volumeId })).entries).toEqual([{ snapshot }]);
  });

  it('ListSnapshots: should return empty when the specified source volume id does not exist', async () => {
    expect((await list({ sourceVolumeId: 'none-exist-volume-id' })).entries).toEqual([]);
  });

  it('ListSnapshots: check the presence of new snapshots in the snapshot list', async () => {
    const { volumeId } = await csi.volume('v');
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    expect((await list()).entries).toHaveLength(1);
    await csi.call('DeleteSnapshot', { snapshotId });
    expect((await list()).entries).toHaveLength(0);
  });

  it('ListSnapshots: should return next token when a limited number of entries are requested', async () => {
    const { volumeId } = await csi.volume('v');
    const names = ['a', 'b', 'c', 'd', 'e'];
    const made = [];
    for (const name of names) made.push((await csi.snapshot(volumeId, name)).snapshotId);
    const first = await list({ maxEntries: 2 });
    const second = await list({ maxEntries: 2, startingToken: first.nextToken });
    const last = await list({ maxEntries: 2, startingToken: second.nextToken });
    expect([first, second, last].map(({ entries }) => entries.length)).toEqual([2, 2, 1]);
    const ids = [first, second, last].flatMap(({ entries }) => entries);
    expect(ids.map(({ snapshot }) => snapshot.snapshotId)).toEqual(made);
    expect(last.nextToken).toBe('');
  });

  it('GetSnapshot: should return an error', async () => {
    expect(await statusOf(csi.call('GetSnapshot'))).toBe('INVALID_ARGUMENT');
  });

  it('GetSnapshot: should return snapshot that match the specified snapshot id', async () => {
    const snapshot = await csi.snapshot((await csi.volume('v')).volumeId, 's');
    expect(await csi.call('GetSnapshot', { snapshotId: snapshot.snapshotId })).toEqual({ snapshot });
  });

  it('GetSnapshot: should return an error when the specified snapshot id does not exist', async () => {
    expect(await statusOf(csi.call('GetSnapshot', { snapshotId: 'non-existing-id' }))).toBe('NOT_FOUND');
  });

  it('DeleteSnapshot: should fail when no snapshot id is provided', async () => {
    expect(await statusOf(csi.call('DeleteSnapshot'))).toBe('INVALID_ARGUMENT');
  });

  it('DeleteSnapshot: should succeed when an invalid snapshot id is used', async () => {
    expect(await csi.call('DeleteSnapshot', { snapshotId: 'reallyfakesnapshotid' })).toEqual({});
  });

  it('DeleteSnapshot: should return appropriate values (no optional values added)', async () => {
    const { snapshotId } = await csi.snapshot((await csi.volume('v')).volumeId, 's');
    expect(await csi.call('DeleteSnapshot', { snapshotId })).toEqual({});
    expect(await csi.call('DeleteSnapshot', { snapshotId })).toEqual({});
  });

  it('CreateSnapshot: should fail when no name is provided', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await statusOf(csi.snapshot(volumeId, ''))).toBe('INVALID_ARGUMENT');
  });

  it('CreateSnapshot: should fail when no source volume id is provided', async () => {
    expect(await statusOf(csi.snapshot('', 's'))).toBe('INVALID_ARGUMENT');
  });

  it(
    words(
      'CreateSnapshot: should succeed when requesting to create a snapshot',
      'with already existing name and same source volume ID',
    ),
    async () => {
      const { volumeId } = await csi.volume('v');
      expect(await csi.snapshot(volumeId, 's')).toEqual(await csi.snapshot(volumeId, 's'));
      expect((await list()).entries).toHaveLength(1);
    },
  );

  it(
    words(
      'CreateSnapshot: should fail when requesting to create a snapshot',
      'with already existing name and different source volume ID',
    ),
    async () => {
      await csi.snapshot((await csi.volume('v')).volumeId, 's');
      const other = await csi.volume('w');
      expect(await statusOf(csi.snapshot(other.volumeId, 's'))).toBe('ALREADY_EXISTS');
    },
  );

  it('CreateSnapshot: should succeed when creating snapshot with maximum-length name', async () => {
    const { volumeId } = await csi.volume('v');
    const made = await csi.snapshot(volumeId, longest);
    expect(made).toMatchObject({ sourceVolumeId: volumeId, readyToUse: true, sizeBytes: '1073741824' });
    expect(Number(made.creationTime.seconds)).toBeGreaterThan(0);
  });
});

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
});

describe('GroupController Service', () => {
  it('GroupControllerGetCapabilities: should return appropriate capabilities', async () => {
    const { capabilities } = await csi.group('GroupControllerGetCapabilities');
    expect(capabilities).toMatchObject([{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }]);
  });

  it('CreateVolumeGroupSnapshot: should fail when no name is provided', async () => {
    expect(await statusOf(csi.group('CreateVolumeGroupSnapshot'))).toBe('INVALID_ARGUMENT');
  });

  it('GetVolumeGroupSnapshot: should fail when no volume id is provided', async () => {
    expect(await statusOf(csi.group('GetVolumeGroupSnapshot'))).toBe('INVALID_ARGUMENT');
  });

  it('GetVolumeGroupSnapshot: should fail when an invalid volume id is used', async () => {
    const request = { groupSnapshotId: 'reallyfakegroupid' };
    expect(await statusOf(csi.group('GetVolumeGroupSnapshot', request))).toBe('NOT_FOUND');
  });

  it('DeleteVolumeGroupSnapshot: should fail when no volume id is provided', async () => {
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot'))).toBe('INVALID_ARGUMENT');
  });

  it('DeleteVolumeGroupSnapshot: should succeed when an invalid volume id is used', async () => {
    expect(await csi.group('DeleteVolumeGroupSnapshot', { groupSnapshotId: 'reallyfakegroupid' })).toEqual(
      {},
    );
  });
});
