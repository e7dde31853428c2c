// Volumes that live as long as a pod (CSI ephemeral inline volumes): made when they are published, deleted
// when that ends, under a name that follows from the id. Nothing is staged: the file system is mounted where
// the pod wants it. The record of the id is what knows of the volume while it lives.
import { DomainError } from '../../base/errors.js';
import { parseSize } from '../../base/sizes.js';
import { RemoteError } from '../../client/remote-error.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { parseRange, sizeFor } from '../capacity.js';
import { invalid } from '../checks.js';
import { isClusterPool } from '../cluster.js';
import { roomiest } from '../create-volume.js';
import type { NodePublishVolumeRequest } from '../messages.js';
import { ensure } from '../mounter/place.js';
import { parseMutableParameters } from '../mutable-parameters.js';
import { ephemeralName, isVolumeId } from '../names.js';
import { clusterWords, isParameter, parseParameters } from '../parameters.js';
import { addressesOf } from '../publish.js';
import type { NewStorageVolume, StorageVolume } from '../storage.js';
import { mountFileSystem } from './file-system.js';
import { giveToGroup } from './ownership.js';
import { alone, attachMsMax, isMountOf, type NodeParts, placed, stillWanted, unmountAll } from './parts.js';
import { podOf } from './pods.js';
import type { Publication, VolumeRecord } from './records.js';
import { attach, placeOf } from './target.js';
import { isSameUse, recordedUse, type Use } from './use.js';

type Texts = Readonly<Record<string, string>>;
type Wanted = Omit<NewStorageVolume, 'name'>;

const field = 'targetPath';
const flagKey = 'csi.storage.k8s.io/ephemeral';

export function isEphemeral(volumeContext: Texts): boolean {
  return volumeContext[flagKey] === 'true';
}

export async function publishEphemeral(
  parts: NodeParts,
  { volumeId, targetPath, readonly, volumeContext }: NodePublishVolumeRequest,
  use: Use,
  call: Call,
): Promise<object> {
  if (use.access === 'block') throw invalid('volumeCapability', 'a file system for an ephemeral volume');
  if (readonly || use.reader) throw invalid('readonly', 'false: an ephemeral volume is empty at first');
  const id = isVolumeId(volumeId) ? volumeId.toLowerCase() : volumeId;
  const { fsType, body } = wantedOf(volumeContext);
  await checkPlacement(parts, body);
  const all = { ...use, fsType: use.fsType || fsType };
  const pod = podOf(volumeContext);
  const publication: Publication = {
    targetPath,
    mode: use.mode,
    readOnly: false,
    use: recordedUse(all),
    ...(pod && { pod }),
  };
  const uuid = await alone(parts, id, call, () => publish(parts, id, publication, all, body, call));
  parts.pods.announce(uuid, publication);
  return {};
}

async function publish(
  parts: NodeParts,
  id: string,
  publication: Publication,
  use: Use,
  body: Wanted,
  call: Call,
): Promise<string> {
  const known = await parts.records.find(id);
  checkKnown(known, publication);
  const name = ephemeralName(id);
  const { formatting } = known ?? {};
  const begun: VolumeRecord = {
    volumeId: id,
    ...(known?.uuid !== undefined && { uuid: known.uuid }),
    ephemeralName: name,
    use: publication.use,
    ...(formatting && { formatting }),
    publications: [publication],
  };
  return placed(parts, field, publication.targetPath, async (place) => {
    if (known === undefined && (await parts.mounter.mountsAt(place)).length > 0) {
      throw invalid(field, 'a place that nothing is mounted on');
    }
    await parts.records.put(begun); // before there is a volume: it is deleted whatever happens
    const volume = await ensureVolume(parts, name, body);
    const { uuid, nqn, nsid } = volume;
    const record = { ...begun, uuid };
    await parts.records.put(record);
    stillWanted(call);
    const target = placeOf(uuid, nqn, String(nsid), await addressesOf(parts, volume));
    const attached = await attach(parts, target, false, call);
    stillWanted(call);
    await ensure(field, place, 'directory');
    if (!(await isMountOf(parts, place, attached))) {
      await unmountAll(parts, place);
      await mountFileSystem(parts, record, attached, place, use, call);
    }
    if (use.group !== undefined) await giveToGroup(parts, place, use.group);
    return uuid;
  });
}

/** Of a record with an ephemeralName, whose mounts are gone. */
export async function dropEphemeral(
  { attacher, storage, records, hostNqn }: NodeParts,
  { volumeId, uuid, ephemeralName: name = '' }: VolumeRecord,
  call: Call,
): Promise<void> {
  if (uuid !== undefined) await attacher.detach(uuid, { signal: call.signal, deadlineMs: attachMsMax });
  try {
    await storage.revokeHost(name, hostNqn);
    await storage.deleteVolume(name);
  } catch (error) {
    if (!(error instanceof RemoteError) || error.code !== 'VOLUME_NOT_FOUND') throw error;
  }
  await records.remove(volumeId);
}

function checkKnown(known: VolumeRecord | undefined, wanted: Publication): void {
  if (known === undefined) return;
  const [publication] = known.publications;
  if (known.ephemeralName === undefined || publication?.targetPath !== wanted.targetPath) {
    throw new RpcError('FAILED_PRECONDITION', 'a volume of this id is on this node at another path');
  }
  if (publication.mode !== wanted.mode || !isSameUse(publication.use, wanted.use)) {
    throw new RpcError('ALREADY_EXISTS', 'the volume is published there in another way');
  }
}

async function ensureVolume(
  { storage, hostNqn }: NodeParts,
  name: string,
  body: Wanted,
): Promise<StorageVolume> {
  try {
    return await storage.volume(name);
  } catch (error) {
    if (!(error instanceof RemoteError) || error.code !== 'VOLUME_NOT_FOUND') throw error;
  }
  const pool = body.pool ?? roomiest(await storage.pools());
  return storage.createVolume({ ...body, name, ...(pool !== undefined && { pool }), hosts: [hostNqn] });
}

function wantedOf(volumeContext: Texts): { readonly fsType: Use['fsType']; readonly body: Wanted } {
  const own = Object.entries(volumeContext).filter(([key]) => !key.startsWith('csi.storage.k8s.io/'));
  const { size = '', fsType = '', ...words } = Object.fromEntries(own);
  if (fsType !== '' && fsType !== 'ext4' && fsType !== 'xfs') {
    throw invalid('volumeContext', 'ext4 or xfs for fsType');
  }
  const isOfClass = ([key]: [string, string]) => isParameter(key);
  const parameters = parseParameters(Object.fromEntries(Object.entries(words).filter(isOfClass)));
  const qosWords = Object.fromEntries(Object.entries(words).filter((pair) => !isOfClass(pair)));
  const qos = parseMutableParameters(qosWords);
  return { fsType, body: { sizeBytes: sizeOf(size), ...parameters, ...(qos !== undefined && { qos }) } };
}

/** Before anything is noted: a daemon has no nodes to choose from. */
async function checkPlacement({ storage }: NodeParts, body: Wanted): Promise<void> {
  const given = clusterWords.filter((word) => body[word] !== undefined);
  if (given.length === 0 || (await storage.pools()).some(isClusterPool)) return;
  throw invalid('volumeContext', `no ${given.join(', ')}, which volumes of a cluster have`);
}

function sizeOf(text: string): string {
  try {
    const requiredBytes = parseSize(text).toString();
    return sizeFor(parseRange({ requiredBytes, limitBytes: '0' })).toString();
  } catch (error) {
    if (error instanceof DomainError) throw invalid('volumeContext', 'a size such as 10GiB for size');
    throw error;
  }
}
