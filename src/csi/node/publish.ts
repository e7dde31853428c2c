// NodePublishVolume and its end: a pod gets what is staged, by a bind mount at a path of its own. Whether a
// second place may have it is the table of CSI 1.12, "NodePublishVolume".
import type { Attached } from '../../attach/types.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { invalid, required } from '../checks.js';
import type { NodePublishVolumeRequest, NodeUnpublishVolumeRequest } from '../messages.js';
import { ensure, type Place, remove } from '../mounter/place.js';
import { isVolumeId } from '../names.js';
import { dropEphemeral, isEphemeral, publishEphemeral } from './ephemeral.js';
import { giveToGroup } from './ownership.js';
import {
  alone,
  isMountOf,
  isOurs,
  livePublications,
  type NodeParts,
  placed,
  stillWanted,
  unmountAll,
} from './parts.js';
import { podOf } from './pods.js';
import type { Publication, VolumeRecord } from './records.js';
import { checkIdentity } from './target.js';
import { hasSeveralPlaces, isSameUse, recordedUse, type Use, useOf } from './use.js';

const field = 'targetPath';

export async function publishVolume(
  parts: NodeParts,
  request: NodePublishVolumeRequest,
  call: Call,
): Promise<object> {
  const { volumeId, stagingTargetPath, targetPath, volumeCapability, readonly, volumeContext } = request;
  required('volumeId', volumeId);
  parts.places.check(field, required(field, targetPath));
  const use = useOf('volumeCapability', volumeCapability);
  if (isEphemeral(volumeContext)) return publishEphemeral(parts, request, use, call);
  if (stagingTargetPath === '') {
    throw new RpcError('FAILED_PRECONDITION', 'staging_target_path: it is missing, and volumes are staged');
  }
  parts.places.check('stagingTargetPath', stagingTargetPath);
  if (!isVolumeId(volumeId)) throw new RpcError('NOT_FOUND', 'there is no volume of this id');
  if (use.access === 'block' && readonly && !use.reader) {
    // Nodes of devices can be written to through a read-only mount.
    throw invalid('readonly', 'an access mode of readers for a block device that is only read');
  }
  const pod = podOf(volumeContext);
  const wanted: Publication = {
    targetPath,
    mode: use.mode,
    readOnly: readonly || use.reader,
    use: recordedUse(use),
    ...(pod && { pod }),
  };
  const id = volumeId.toLowerCase();
  await alone(parts, id, call, () => publish(parts, id, stagingTargetPath, wanted, use, call));
  parts.pods.announce(id, wanted);
  return {};
}

async function publish(
  parts: NodeParts,
  id: string,
  stagingPath: string,
  wanted: Publication,
  use: Use,
  call: Call,
): Promise<void> {
  const { record, attached } = await stagedAt(parts, id, stagingPath);
  await checkTable(parts, record, wanted);
  await placed(parts, field, wanted.targetPath, async (place) => {
    const known = record.publications.some(({ targetPath }) => targetPath === wanted.targetPath);
    if (!known && (await parts.mounter.mountsAt(place)).length > 0) {
      throw invalid(field, 'a place that nothing is mounted on');
    }
    await parts.records.put({ ...record, publications: withPublication(record, wanted) });
    stillWanted(call);
    await ensure(field, place, use.access === 'block' ? 'file' : 'directory');
    if (use.access === 'block') await bind(parts, attached, attached.device, place, false);
    else {
      await placed(parts, 'stagingTargetPath', stagingPath, async (staged) => {
        if (!(await isMountOf(parts, staged, attached))) throw notStaged();
        await bind(parts, attached, staged, place, wanted.readOnly);
      });
      if (use.group !== undefined && !wanted.readOnly) await giveToGroup(parts, place, use.group);
    }
  });
}

async function stagedAt(
  { records, attacher }: NodeParts,
  id: string,
  stagingPath: string,
): Promise<{ record: VolumeRecord; attached: Attached }> {
  const record = await records.find(id);
  if (record?.stagingPath !== stagingPath) throw notStaged();
  const attached = await attacher.find(id);
  if (attached === undefined) throw notStaged();
  checkIdentity(attached, id);
  return { record, attached };
}

/** T1 = T2 with other parameters; T1 != T2 where one place only may have it. */
async function checkTable(parts: NodeParts, record: VolumeRecord, wanted: Publication): Promise<void> {
  for (const publication of await livePublications(parts, record)) {
    if (publication.targetPath === wanted.targetPath) {
      if (isSamePublication(publication, wanted)) continue;
      throw new RpcError('ALREADY_EXISTS', 'the volume is published there in another way');
    }
    if (!hasSeveralPlaces(wanted.mode) || !hasSeveralPlaces(publication.mode)) {
      throw new RpcError('FAILED_PRECONDITION', 'the volume is published at another path, and may be at one');
    }
  }
  if (record.use === undefined || !isSameUse(record.use, wanted.use)) {
    throw new RpcError('FAILED_PRECONDITION', 'the volume is staged with another capability');
  }
}

function isSamePublication(a: Publication, b: Publication): boolean {
  return a.mode === b.mode && a.readOnly === b.readOnly && isSameUse(a.use, b.use);
}

async function bind(
  parts: NodeParts,
  attached: Attached,
  source: Place | string,
  place: Place,
  readOnly: boolean,
): Promise<void> {
  const { mounter } = parts;
  // Of an attachment that is gone: the pod that had it cannot use it either.
  if (!(await isMountOf(parts, place, attached))) await unmountAll(parts, place);
  const [mounted] = await mounter.mountsAt(place);
  if (mounted === undefined) await mounter.bind(source, place, { readOnly });
  else if (readOnly && !mounted.options.includes('ro')) await mounter.bindReadOnly(place);
}

export async function unpublishVolume(
  parts: NodeParts,
  { volumeId, targetPath }: NodeUnpublishVolumeRequest,
  call: Call,
): Promise<object> {
  required('volumeId', volumeId);
  parts.places.check(field, required(field, targetPath));
  const id = isVolumeId(volumeId) ? volumeId.toLowerCase() : volumeId;
  return alone(parts, id, call, async () => {
    await unpublish(parts, id, targetPath, call);
    return {};
  });
}

async function unpublish(parts: NodeParts, id: string, targetPath: string, call: Call): Promise<void> {
  const { records, places } = parts;
  const record = await records.find(id);
  const publication = record?.publications.find((one) => one.targetPath === targetPath);
  await places.at(field, targetPath, async (place) => {
    if (!(await isOurs(parts, place, id, publication !== undefined))) return;
    await unmountAll(parts, place);
    await remove(place);
  });
  if (record === undefined) return;
  if (record.ephemeralName !== undefined) {
    stillWanted(call);
    await dropEphemeral(parts, record, call);
  } else if (publication !== undefined) {
    const publications = record.publications.filter((one) => one !== publication);
    await records.put({ ...record, publications });
    parts.pods.withdraw(id, publication);
  }
}

function withPublication({ publications }: VolumeRecord, wanted: Publication): Publication[] {
  return [...publications.filter(({ targetPath }) => targetPath !== wanted.targetPath), wanted];
}

function notStaged(): RpcError {
  return new RpcError('FAILED_PRECONDITION', 'the volume is not staged at this path');
}
