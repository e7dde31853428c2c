// The file system of a volume: found, or made where there is nothing at all. A device is formatted only if
// blkid finds no signature and its edges are zeroes; or if this node has begun to format it, has never
// mounted it, and finds nothing on it but what that attempt may have left. What that attempt finished may
// since have been mounted by another node: then it says so itself, and is kept.
import { randomUUID } from 'node:crypto';
import type { Attached } from '../../attach/types.js';
import type { Call } from '../../rpc/handlers.js';
import { printable } from '../../rpc/printable.js';
import { RpcError } from '../../rpc/status.js';
import type { Place } from '../mounter/place.js';
import type { DeviceContent, FileSystemType, Mount } from '../mounter/types.js';
import { type NodeParts, stillWanted } from './parts.js';
import type { VolumeRecord } from './records.js';
import { checkIdentity } from './target.js';
import type { Use } from './use.js';

/** Finds or makes it, checks it, mounts it. `record` is stored as it is. */
export async function mountFileSystem(
  parts: NodeParts,
  record: VolumeRecord,
  attached: Attached,
  place: Place,
  use: Use,
  call: Call,
): Promise<void> {
  const { mounter } = parts;
  const { device } = attached;
  const type = await ensureFileSystem(parts, record, attached, use, call);
  stillWanted(call);
  if (!use.reader) await mounter.check(device, type);
  stillWanted(call);
  await mount(parts, device, place, type, use);
}

/** The file system takes what its device has: of a larger clone, or after growing while it was not in use. */
export async function growToDevice(
  { mounter }: NodeParts,
  device: string,
  place: Place,
  { fsType }: Mount,
): Promise<void> {
  await mounter.grow(device, place, fsType);
}

async function ensureFileSystem(
  parts: NodeParts,
  record: VolumeRecord,
  attached: Attached,
  use: Use,
  call: Call,
): Promise<FileSystemType> {
  const content = await parts.mounter.probe(attached.device);
  const begun = record.formatting?.namespaceUuid === attached.uuid ? record.formatting : undefined;
  const isBegun = content.kind === 'file-system' && content.unused && content.uuid === begun?.fileSystemUuid;
  if (content.kind === 'file-system' && !isBegun) {
    const type = knownType(content.type, use);
    // Another node has made or used it in the meantime.
    if (begun !== undefined) await parts.records.put(withoutMarker(record));
    return type;
  }
  // What is half made has the zeroed signatures of mkfs and data behind them, or our UUID already.
  const formattable =
    content.kind === 'empty' || (begun !== undefined && (isBegun || content.kind === 'data'));
  if (!formattable) throw new RpcError('FAILED_PRECONDITION', refusal(content));
  if (use.reader)
    throw new RpcError('FAILED_PRECONDITION', 'the volume has no file system, and is only read');
  stillWanted(call);
  return format(parts, record, attached, use, begun !== undefined);
}

async function format(
  { mounter, attacher, records }: NodeParts,
  record: VolumeRecord,
  { uuid, device }: Attached,
  use: Use,
  again: boolean,
): Promise<FileSystemType> {
  const type = use.fsType || 'ext4';
  const fileSystemUuid = randomUUID();
  await records.put({ ...record, formatting: { namespaceUuid: uuid, fileSystemUuid, type } });
  // Names of devices are given to others: is it still this namespace that was probed under this one?
  const now = await attacher.find(uuid);
  if (now?.device !== device) throw new RpcError('UNAVAILABLE', 'the device has changed meanwhile');
  checkIdentity(now, uuid);
  await mounter.format(device, { type, uuid: fileSystemUuid, again });
  const made = await mounter.probe(device);
  if (made.kind !== 'file-system' || made.uuid !== fileSystemUuid || made.type !== type) {
    throw new RpcError('INTERNAL', 'the file system that was made is not found on the device');
  }
  await records.put(withoutMarker(record));
  return type;
}

async function mount(
  { mounter, log }: NodeParts,
  device: string,
  place: Place,
  type: FileSystemType,
  { flags, reader }: Use,
): Promise<void> {
  // A clone has the UUID of the file system that it is of, which may be mounted here too.
  const own = [...(type === 'xfs' ? ['nouuid'] : []), ...(reader ? ['ro'] : [])];
  const all = [...own, ...flags];
  try {
    await mounter.mount(device, place, { type, flags: all });
  } catch (error) {
    if (!reader) throw error;
    // Its log cannot be replayed on a device that is only read: as it is, then.
    log.warn({ room: 'csi', device, err: error }, 'mounted to read without its log');
    const withoutLog = type === 'ext4' ? 'noload' : 'norecovery';
    await mounter.mount(device, place, { type, flags: [...all, withoutLog] });
  }
}

function knownType(found: string, { fsType }: Use): FileSystemType {
  if (found !== 'ext4' && found !== 'xfs') {
    const text = printable(found, 32);
    throw new RpcError('FAILED_PRECONDITION', `the volume has a file system that is not mounted: ${text}`);
  }
  if (fsType === '' || fsType === found) return found;
  throw new RpcError('FAILED_PRECONDITION', `the volume has ${found}, and ${fsType} is asked for`);
}

function refusal(content: DeviceContent): string {
  const never = 'it is not formatted';
  switch (content.kind) {
    case 'other':
      return `the volume has ${printable(content.what, 64)}: ${never}`;
    case 'unclear':
      return `what is on the volume is not clear, ${content.why}: ${never}`;
    default:
      return `the volume has data without a file system: ${never}`;
  }
}

function withoutMarker({ formatting: _, ...record }: VolumeRecord): VolumeRecord {
  return record;
}
