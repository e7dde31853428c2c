// CreateSnapshot, DeleteSnapshot, ListSnapshots, GetSnapshot. A name is that of one snapshot of one volume;
// the daemon would take it once for each volume, so all are looked at before one is made.
import { RemoteError } from '../client/remote-error.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { invalid, required, requiredName } from './checks.js';
import type {
  CreateSnapshotRequest,
  DeleteSnapshotRequest,
  GetSnapshotRequest,
  ListSnapshotsRequest,
  Snapshot,
} from './messages.js';
import { groupIdOf, parseSnapshotId, storageName } from './names.js';
import { pageOf } from './paging.js';
import { checkSnapshotParameters } from './parameters.js';
import { type Parts, withName, withVolumeKept, withVolumes } from './parts.js';
import { type FoundSnapshot, snapshotMessage } from './snapshot-directory.js';

export async function createSnapshot(
  parts: Parts,
  { name, sourceVolumeId, parameters }: CreateSnapshotRequest,
  call: Call,
): Promise<{ snapshot: Snapshot }> {
  const wanted = storageName(requiredName('name', name));
  required('sourceVolumeId', sourceVolumeId);
  checkSnapshotParameters(parameters);
  return withName(parts, `snapshot ${wanted}`, call, () =>
    withVolumeKept(parts, sourceVolumeId.toLowerCase(), call, async () => {
      const volume = await parts.volumes.get(sourceVolumeId);
      const existing = await parts.snapshots.named(wanted);
      const mine = existing.find((found) => found.volume.uuid === volume.uuid);
      if (mine !== undefined) return { snapshot: snapshotMessage(mine) };
      if (existing.length > 0) {
        throw new RpcError('ALREADY_EXISTS', 'there is a snapshot of this name of another volume');
      }
      const [snapshot] = await parts.storage.createSnapshots([{ volume: volume.uuid, name: wanted }]);
      if (snapshot === undefined) throw new RpcError('INTERNAL', 'the daemon told of no snapshot');
      return { snapshot: snapshotMessage({ volume, snapshot }) };
    }),
  );
}

export async function deleteSnapshot(
  parts: Parts,
  { snapshotId }: DeleteSnapshotRequest,
  call: Call,
): Promise<object> {
  const id = parseSnapshotId(required('snapshotId', snapshotId));
  if (id === undefined) return {};
  return withVolumes(parts, [id.volumeUuid.toLowerCase()], call, async () => {
    const found = await parts.snapshots.find(snapshotId);
    if (found === undefined) return {};
    if (groupIdOf(found.snapshot.name) !== undefined) {
      throw invalid('snapshotId', 'a snapshot that is of no group: those are deleted together');
    }
    await removeSnapshot(parts, found);
    return {};
  });
}

export async function listSnapshots(
  parts: Parts,
  request: ListSnapshotsRequest,
): Promise<{ entries: readonly { snapshot: Snapshot }[]; nextToken: string }> {
  const { entries, nextToken } = pageOf(await wantedOf(parts, request), ({ snapshot }) => snapshot, request);
  return { entries: entries.map((found) => ({ snapshot: snapshotMessage(found) })), nextToken };
}

export async function getSnapshot(
  { snapshots }: Parts,
  { snapshotId }: GetSnapshotRequest,
): Promise<{ snapshot: Snapshot }> {
  return { snapshot: snapshotMessage(await snapshots.get(required('snapshotId', snapshotId))) };
}

export async function removeSnapshot({ storage }: Parts, { snapshot }: FoundSnapshot): Promise<void> {
  try {
    await storage.deleteSnapshot({ volume: snapshot.volumeUuid, name: snapshot.name });
  } catch (error) {
    const gone = error instanceof RemoteError && /^(?:SNAPSHOT|VOLUME)_NOT_FOUND$/.test(error.code);
    if (!gone) throw error;
  }
}

async function wantedOf(
  { snapshots, volumes }: Parts,
  { snapshotId, sourceVolumeId }: ListSnapshotsRequest,
): Promise<readonly FoundSnapshot[]> {
  if (snapshotId !== '') {
    const found = await snapshots.find(snapshotId);
    const other = sourceVolumeId !== '' && found?.volume.uuid !== sourceVolumeId.toLowerCase();
    return found === undefined || other ? [] : [found];
  }
  if (sourceVolumeId === '') return snapshots.list();
  const volume = await volumes.find(sourceVolumeId);
  return volume === undefined ? [] : snapshots.ofVolume(volume);
}
