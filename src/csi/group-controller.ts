// Snapshots of several volumes at one moment. The members of a group have one name, each in its volume, and
// the id of the group is in it: what is in a group is what is found. A group that is being deleted and was
// cut off is found smaller, and deleted by the same call again.
import { toBytes, type VolumeBody } from '../client/api-client.js';
import type { Call, Handlers } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { invalid, required, requiredName } from './checks.js';
import type {
  CreateVolumeGroupSnapshotRequest,
  DeleteVolumeGroupSnapshotRequest,
  GetVolumeGroupSnapshotRequest,
  GroupControllerService,
  VolumeGroupSnapshot,
} from './messages.js';
import { groupIdFor, groupSnapshotName, isGroupId, parseSnapshotId } from './names.js';
import { checkSnapshotParameters } from './parameters.js';
import { type Parts, withName, withVolumes } from './parts.js';
import { type FoundSnapshot, secondsOf, snapshotId, snapshotMessage } from './snapshot-directory.js';
import { removeSnapshot } from './snapshots.js';

const membersMax = 128; // of the daemon

export function groupController(parts: Parts): Handlers<GroupControllerService> {
  return {
    GroupControllerGetCapabilities: async () => ({
      capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }],
    }),
    CreateVolumeGroupSnapshot: (request, call) => create(parts, request, call),
    DeleteVolumeGroupSnapshot: (request, call) => remove(parts, request, call),
    GetVolumeGroupSnapshot: (request) => get(parts, request),
  };
}

async function create(
  parts: Parts,
  { name, sourceVolumeIds, parameters }: CreateVolumeGroupSnapshotRequest,
  call: Call,
): Promise<{ groupSnapshot: VolumeGroupSnapshot }> {
  const id = groupIdFor(requiredName('name', name));
  const ids = required('sourceVolumeIds', sourceVolumeIds).map((one) => one.toLowerCase());
  checkSnapshotParameters(parameters);
  if (ids.length > membersMax) throw invalid('sourceVolumeIds', `at most ${membersMax}`);
  if (new Set(ids).size !== ids.length) throw invalid('sourceVolumeIds', 'each volume once');
  return withName(parts, `group ${id}`, call, () =>
    withVolumes(parts, ids, call, async () => {
      const existing = await membersOf(parts, id);
      if (existing.length > 0) return { groupSnapshot: sameGroup(id, ids, existing) };
      const volumes = await sources(parts, ids);
      const wanted = volumes.map((volume) => ({ volume: volume.uuid, name: groupSnapshotName(id) }));
      const made = await parts.storage.createSnapshots(wanted);
      const members = made.map((snapshot) => {
        const volume = volumes.find((one) => one.uuid === snapshot.volumeUuid);
        if (volume === undefined) throw new RpcError('INTERNAL', 'the daemon told of another volume');
        return { volume, snapshot };
      });
      return { groupSnapshot: groupMessage(id, members) };
    }),
  );
}

async function sources({ volumes }: Parts, ids: readonly string[]): Promise<readonly VolumeBody[]> {
  const all = new Map((await volumes.list()).map((volume) => [volume.uuid, volume]));
  const found = ids.map((id) => {
    const volume = all.get(id);
    if (volume === undefined) throw new RpcError('NOT_FOUND', 'source_volume_ids: one of them is not there');
    return volume;
  });
  if (new Set(found.map(({ pool }) => pool)).size > 1) {
    throw new RpcError('FAILED_PRECONDITION', 'source_volume_ids: only volumes of one pool have one moment');
  }
  return found;
}

function sameGroup(
  id: string,
  ids: readonly string[],
  members: readonly FoundSnapshot[],
): VolumeGroupSnapshot {
  const same = members.length === ids.length && members.every(({ volume }) => ids.includes(volume.uuid));
  if (same) return groupMessage(id, members);
  throw new RpcError('ALREADY_EXISTS', 'there is a group of this name with other source_volume_ids');
}

async function get(
  parts: Parts,
  { groupSnapshotId, snapshotIds }: GetVolumeGroupSnapshotRequest,
): Promise<{ groupSnapshot: VolumeGroupSnapshot }> {
  const id = required('groupSnapshotId', groupSnapshotId);
  const members = isGroupId(id) ? await membersOf(parts, id) : [];
  if (members.length === 0) throw new RpcError('NOT_FOUND', 'there is no group of this id');
  const known = members.map(snapshotId);
  const same = snapshotIds.length === known.length && snapshotIds.every((one) => known.includes(one));
  if (snapshotIds.length > 0 && !same) throw invalid('snapshotIds', 'those of the group');
  return { groupSnapshot: groupMessage(id, members) };
}

async function remove(
  parts: Parts,
  { groupSnapshotId, snapshotIds }: DeleteVolumeGroupSnapshotRequest,
  call: Call,
): Promise<object> {
  const id = required('groupSnapshotId', groupSnapshotId);
  if (!isGroupId(id)) return {};
  return withName(parts, `group ${id}`, call, async () => {
    const members = await membersOf(parts, id);
    await checkMembers(parts, members, snapshotIds);
    const volumeIds = members.map(({ volume }) => volume.uuid);
    await withVolumes(parts, volumeIds, call, async () => {
      for (const member of members) await removeSnapshot(parts, member);
    });
    return {};
  });
}

/** Some of those that are named may be gone already; none may be of another group, and all are named. */
async function checkMembers(
  { snapshots }: Parts,
  members: readonly FoundSnapshot[],
  snapshotIds: readonly string[],
): Promise<void> {
  if (snapshotIds.length === 0) return;
  const known = members.map(snapshotId);
  const unnamed = known.some((one) => !snapshotIds.includes(one));
  const others = snapshotIds.filter((one) => !known.includes(one) && parseSnapshotId(one) !== undefined);
  const foreign = await Promise.all(others.map((one) => snapshots.find(one)));
  if (unnamed || foreign.some((found) => found !== undefined))
    throw invalid('snapshotIds', 'those of the group');
}

function membersOf({ snapshots }: Parts, id: string): Promise<readonly FoundSnapshot[]> {
  return snapshots.named(groupSnapshotName(id));
}

function groupMessage(id: string, members: readonly FoundSnapshot[]): VolumeGroupSnapshot {
  const dates = members.map(({ snapshot }) => secondsOf(snapshot.created));
  const first = dates.reduce((a, b) => (toBytes(a) < toBytes(b) ? a : b), dates[0] ?? '0');
  return {
    groupSnapshotId: id,
    snapshots: members.map(snapshotMessage),
    creationTime: { seconds: first, nanos: 0 },
    readyToUse: true,
  };
}
