// NodeStageVolume and its end: attached, with a file system, mounted once for all pods of this node. A raw
// block device is attached, and nothing else.
import type { Attached } from '../../attach/types.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { invalid, required } from '../checks.js';
import type { NodeStageVolumeRequest, NodeUnstageVolumeRequest } from '../messages.js';
import { ensure, type Place } from '../mounter/place.js';
import { isVolumeId } from '../names.js';
import { growToDevice, mountFileSystem } from './file-system.js';
import {
  alone,
  attachMsMax,
  isMountOf,
  isOurs,
  livePublications,
  type NodeParts,
  placed,
  stillWanted,
  unmountAll,
} from './parts.js';
import type { VolumeRecord } from './records.js';
import { attach, type TargetPlace, targetOf } from './target.js';
import { isSameUse, recordedUse, type Use, useOf } from './use.js';

const field = 'stagingTargetPath';

export async function stageVolume(
  parts: NodeParts,
  { volumeId, stagingTargetPath, volumeCapability, publishContext }: NodeStageVolumeRequest,
  call: Call,
): Promise<object> {
  required('volumeId', volumeId);
  parts.places.check(field, required(field, stagingTargetPath));
  const use = useOf('volumeCapability', volumeCapability);
  const target = targetOf(volumeId, publishContext);
  return alone(parts, target.uuid, call, () =>
    placed(parts, field, stagingTargetPath, async (place) => {
      await stage(parts, target, stagingTargetPath, place, use, call);
      return {};
    }),
  );
}

async function stage(
  parts: NodeParts,
  target: TargetPlace,
  stagingPath: string,
  place: Place,
  use: Use,
  call: Call,
): Promise<void> {
  const known = await parts.records.find(target.uuid);
  const isPublished = (await livePublications(parts, known)).length > 0;
  await checkKnown(parts, known, stagingPath, isPublished, use);
  const { uuid } = target;
  const { formatting, publications = [] } = known ?? {};
  const record: VolumeRecord = {
    volumeId: uuid,
    uuid,
    stagingPath,
    use: recordedUse(use),
    ...(formatting && { formatting }),
    publications, // those that are not there any more too: they are still to be unpublished
  };
  await parts.records.put(record);
  const attached = await attach(parts, target, use.reader, call);
  stillWanted(call);
  if (use.access === 'block') return;
  await ensure(field, place, 'directory');
  const before = { isKnownPlace: known?.stagingPath === stagingPath, isPublished };
  await mountAt(parts, record, attached, place, use, call, before);
}

/** What is staged already, or in another way, or elsewhere. */
async function checkKnown(
  parts: NodeParts,
  known: VolumeRecord | undefined,
  stagingPath: string,
  isPublished: boolean,
  use: Use,
): Promise<void> {
  if (known?.stagingPath === undefined || known.use === undefined) return;
  const mounts = await parts.places.at(field, known.stagingPath, (place) => parts.mounter.mountsAt(place));
  const inUse = isPublished || (mounts !== undefined && mounts.length > 0);
  if (!inUse) return; // of a call that was cut off, or before the machine was started anew
  if (known.stagingPath !== stagingPath) {
    throw new RpcError('FAILED_PRECONDITION', 'the volume is staged at another path of this node');
  }
  if (!isSameUse(known.use, recordedUse(use))) {
    throw new RpcError('ALREADY_EXISTS', 'the volume is staged with another capability');
  }
}

async function mountAt(
  parts: NodeParts,
  record: VolumeRecord,
  attached: Attached,
  place: Place,
  use: Use,
  call: Call,
  { isKnownPlace, isPublished }: { readonly isKnownPlace: boolean; readonly isPublished: boolean },
): Promise<void> {
  const { mounter } = parts;
  if ((await mounter.deviceNumber(attached.device)) === undefined) {
    throw new RpcError('UNAVAILABLE', 'the device is attached, and its node is not there yet');
  }
  const [mounted] = await mounter.mountsAt(place);
  if (mounted !== undefined && !(await isMountOf(parts, place, attached))) {
    if (!isKnownPlace) throw invalid(field, 'a directory that nothing is mounted on');
    // Of an earlier attachment, whose device is dead.
    if (isPublished) {
      const why = 'pods still use the volume by a device that is gone: they have to end first';
      throw new RpcError('FAILED_PRECONDITION', why);
    }
    await unmountAll(parts, place);
  }
  if ((await mounter.mountsAt(place)).length === 0) {
    await mountFileSystem(parts, record, attached, place, use, call);
  }
  const [mount] = await mounter.mountsAt(place);
  if (mount === undefined) throw new RpcError('INTERNAL', 'what was mounted is not there');
  if (!use.reader) await growToDevice(parts, attached.device, place, mount);
}

export async function unstageVolume(
  parts: NodeParts,
  { volumeId, stagingTargetPath }: NodeUnstageVolumeRequest,
  call: Call,
): Promise<object> {
  required('volumeId', volumeId);
  parts.places.check(field, required(field, stagingTargetPath));
  if (!isVolumeId(volumeId)) return {}; // of nothing that was ever staged
  const id = volumeId.toLowerCase();
  return alone(parts, id, call, async () => {
    await unstage(parts, id, stagingTargetPath, call);
    return {};
  });
}

async function unstage(parts: NodeParts, id: string, stagingPath: string, call: Call): Promise<void> {
  const { attacher, records, places } = parts;
  const record = await records.find(id);
  if ((await livePublications(parts, record)).length > 0) {
    throw new RpcError('FAILED_PRECONDITION', 'the volume is published on this node');
  }
  if (record?.stagingPath !== undefined && record.stagingPath !== stagingPath) {
    throw new RpcError('FAILED_PRECONDITION', 'the volume is staged at another path of this node');
  }
  await places.at(field, stagingPath, async (place) => {
    if (await isOurs(parts, place, id, record?.stagingPath !== undefined)) await unmountAll(parts, place);
  });
  stillWanted(call);
  await attacher.detach(id, { signal: call.signal, deadlineMs: attachMsMax });
  if (record?.formatting === undefined) await records.remove(id);
  else await records.put({ volumeId: id, uuid: id, formatting: record.formatting, publications: [] });
}
