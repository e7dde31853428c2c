// The cases of csi-sanity for snapshots, under their names.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, statusOf } from '../harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

/** A name that is too long for a line. */
const words = (...parts: string[]) => parts.join(' ');
const longest = 'x'.repeat(128);

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
