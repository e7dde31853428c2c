// The Controller service: what it can do, and which function does it.
import type { Handlers } from '../rpc/handlers.js';
import { createVolume } from './create-volume.js';
import { getVolume, listVolumes } from './list-volumes.js';
import type { ControllerService, ControllerServiceCapabilityRPCType } from './messages.js';
import type { Parts } from './parts.js';
import { getCapacity } from './pools.js';
import { publishVolume, unpublishVolume } from './publish.js';
import { createSnapshot, deleteSnapshot, getSnapshot, listSnapshots } from './snapshots.js';
import { validateCapabilities } from './validate.js';
import { deleteVolume, expandVolume, modifyVolume } from './volume-changes.js';

/** Without PUBLISH_READONLY: a volume is read-only for all hosts or for none, so nodes mount read-only. */
export const controllerCapabilities: readonly ControllerServiceCapabilityRPCType[] = [
  'CREATE_DELETE_VOLUME',
  'PUBLISH_UNPUBLISH_VOLUME',
  'LIST_VOLUMES',
  'LIST_VOLUMES_PUBLISHED_NODES',
  'GET_CAPACITY',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'CLONE_VOLUME',
  'EXPAND_VOLUME',
  'VOLUME_CONDITION',
  'GET_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'GET_SNAPSHOT',
  'MODIFY_VOLUME',
];

export function controller(parts: Parts): Handlers<ControllerService> {
  return {
    CreateVolume: (request, call) => createVolume(parts, request, call),
    DeleteVolume: (request, call) => deleteVolume(parts, request, call),
    ControllerPublishVolume: (request, call) => publishVolume(parts, request, call),
    ControllerUnpublishVolume: (request, call) => unpublishVolume(parts, request, call),
    ValidateVolumeCapabilities: (request) => validateCapabilities(parts, request),
    ListVolumes: (request) => listVolumes(parts, request),
    GetCapacity: (request) => getCapacity(parts, request),
    ControllerGetCapabilities: async () => ({
      capabilities: controllerCapabilities.map((type) => ({ rpc: { type } })),
    }),
    CreateSnapshot: (request, call) => createSnapshot(parts, request, call),
    DeleteSnapshot: (request, call) => deleteSnapshot(parts, request, call),
    ListSnapshots: (request) => listSnapshots(parts, request),
    GetSnapshot: (request) => getSnapshot(parts, request),
    ControllerExpandVolume: (request, call) => expandVolume(parts, request, call),
    ControllerGetVolume: (request) => getVolume(parts, request),
    ControllerModifyVolume: (request, call) => modifyVolume(parts, request, call),
  };
}
