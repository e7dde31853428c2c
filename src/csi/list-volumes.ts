// ListVolumes and ControllerGetVolume: volumes of pools, whoever made them, and how they are.
import { required } from './checks.js';
import type { ControllerGetVolumeRequest, ListVolumesRequest, VolumeCondition } from './messages.js';
import { pageOf } from './paging.js';
import type { Parts } from './parts.js';
import type { StorageVolume } from './storage.js';
import { conditionOf, publishedNodes, volumeMessage } from './volume-directory.js';

interface Entry {
  readonly volume: ReturnType<typeof volumeMessage>;
  readonly status: { readonly publishedNodeIds: string[]; readonly volumeCondition: VolumeCondition };
}

export async function listVolumes(
  parts: Parts,
  request: ListVolumesRequest,
): Promise<{ entries: readonly Entry[]; nextToken: string }> {
  const { entries, nextToken } = pageOf(await parts.volumes.list(), (volume) => volume, request);
  return { entries: entries.map((volume) => entryOf(parts, volume)), nextToken };
}

export async function getVolume(parts: Parts, { volumeId }: ControllerGetVolumeRequest): Promise<Entry> {
  return entryOf(parts, await parts.volumes.get(required('volumeId', volumeId)));
}

function entryOf(parts: Parts, volume: StorageVolume): Entry {
  const status = { publishedNodeIds: publishedNodes(volume), volumeCondition: conditionOf(volume) };
  return { volume: volumeMessage(volume, parts), status };
}
