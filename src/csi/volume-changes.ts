// DeleteVolume, ControllerExpandVolume, ControllerModifyVolume: what changes a volume that is there.
import { toBytes } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { checkCapabilities } from './capabilities.js';
import { expandedSize, parseRange } from './capacity.js';
import { invalid, required } from './checks.js';
import { dropCloneSnapshots } from './clone-source.js';
import type {
  ControllerExpandVolumeRequest,
  ControllerExpandVolumeResponse,
  ControllerModifyVolumeRequest,
  DeleteVolumeRequest,
} from './messages.js';
import { parseMutableParameters, sameQos } from './mutable-parameters.js';
import { isVolumeId } from './names.js';
import { type Parts, withVolumes } from './parts.js';

/** What is not there is deleted already; an id that cannot be ours is of nothing. */
export async function deleteVolume(
  parts: Parts,
  { volumeId }: DeleteVolumeRequest,
  call: Call,
): Promise<object> {
  if (!isVolumeId(required('volumeId', volumeId))) return {};
  return withVolumes(parts, [volumeId.toLowerCase()], call, async () => {
    const { volumes, storage } = parts;
    const volume = await volumes.find(volumeId);
    if (volume === undefined) return {};
    try {
      await dropCloneSnapshots(parts, volume);
      await storage.deleteVolume(volume.uuid);
    } catch (error) {
      if (!(error instanceof RemoteError) || error.code !== 'VOLUME_NOT_FOUND') throw error;
    }
    return {};
  });
}

/**
 * Never makes a volume smaller. Hosts see the new size at once; what is on the volume grows on the node. One
 * of a cluster grows when all its replicas are in sync: what is wanted stays, and a later call finds it so.
 */
export async function expandVolume(
  parts: Parts,
  { volumeId, capacityRange, volumeCapability }: ControllerExpandVolumeRequest,
  call: Call,
): Promise<ControllerExpandVolumeResponse> {
  required('volumeId', volumeId);
  const range = parseRange(required('capacityRange', capacityRange));
  if (volumeCapability !== null) checkCapabilities('volumeCapability', [volumeCapability]);
  return withVolumes(parts, [volumeId.toLowerCase()], call, async () => {
    const volume = await parts.volumes.get(volumeId);
    const sizeBytes = expandedSize(range, toBytes(volume.sizeBytes));
    if (sizeBytes > toBytes(volume.sizeBytes)) {
      const changed = await parts.storage.changeVolume(volume.uuid, { sizeBytes: sizeBytes.toString() });
      if (toBytes(changed.sizeBytes) < sizeBytes) {
        const { sizeBytes: hasBytes, waitingFor = 'its head' } = changed;
        throw new RpcError('UNAVAILABLE', `it still has ${hasBytes} bytes, and waits for ${waitingFor}`);
      }
    }
    return { capacityBytes: sizeBytes.toString(), nodeExpansionRequired: true };
  });
}

/** Live, and again is nothing. What is not admitted leaves the volume as it was. */
export async function modifyVolume(
  parts: Parts,
  { volumeId, mutableParameters }: ControllerModifyVolumeRequest,
  call: Call,
): Promise<object> {
  required('volumeId', volumeId);
  const qos = parseMutableParameters(mutableParameters);
  if (qos === undefined) throw invalid('mutableParameters', 'a value; it is missing');
  return withVolumes(parts, [volumeId.toLowerCase()], call, async () => {
    const { uuid, qos: before } = await parts.volumes.get(volumeId);
    if (!sameQos(qos, before)) await parts.storage.changeVolume(uuid, { qos });
    return {};
  });
}
