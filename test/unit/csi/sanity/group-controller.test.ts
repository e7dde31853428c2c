// The cases of csi-sanity for groups of snapshots, under their names.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, statusOf } from '../harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

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
