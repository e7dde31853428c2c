// NodeExpandVolume: the device follows its namespace, the file system its device, while pods use it.
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { parseRange } from '../capacity.js';
import { required } from '../checks.js';
import type { NodeExpandVolumeRequest } from '../messages.js';
import { growToDevice } from './file-system.js';
import { alone, attachMsMax, isMountOf, type NodeParts, placed } from './parts.js';
import { recordAt } from './stats.js';
import { checkIdentity } from './target.js';

export async function expandVolume(
  parts: NodeParts,
  { volumeId, volumePath, capacityRange }: NodeExpandVolumeRequest,
  call: Call,
): Promise<{ capacityBytes: string }> {
  required('volumeId', volumeId);
  required('volumePath', volumePath);
  const { leastBytes, mostBytes } = parseRange(capacityRange);
  return alone(parts, volumeId.toLowerCase(), call, async () => {
    const { uuid, use } = await recordAt(parts, volumeId, volumePath);
    if (uuid === undefined) throw new RpcError('NOT_FOUND', 'the volume is not attached to this node');
    const attached = await parts.attacher.refresh(uuid, { signal: call.signal, deadlineMs: attachMsMax });
    checkIdentity(attached, uuid);
    const { sizeBytes, device } = attached;
    if (sizeBytes > mostBytes) throw new RpcError('OUT_OF_RANGE', `it has ${sizeBytes} bytes already`);
    if (sizeBytes < leastBytes) {
      throw new RpcError('UNAVAILABLE', `the device still has ${sizeBytes} bytes; the volume grows first`);
    }
    if (use?.access === 'mount' && !use.reader) {
      await placed(parts, 'volumePath', volumePath, async (place) => {
        const [mount] = await parts.mounter.mountsAt(place);
        if (mount === undefined || !(await isMountOf(parts, place, attached))) {
          throw new RpcError('FAILED_PRECONDITION', 'the volume is not mounted there');
        }
        await growToDevice(parts, device, place, mount);
      });
    }
    return { capacityBytes: sizeBytes.toString() };
  });
}
