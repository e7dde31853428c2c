// NodeGetVolumeStats: how full it is, and whether it can be used. Nothing here does I/O to the device: one
// that waits for its target would make the call wait too.
import type { Attached } from '../../attach/types.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { required } from '../checks.js';
import type { NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse } from '../messages.js';
import type { Place } from '../mounter/place.js';
import type { Mount, Usage, UsageNumbers } from '../mounter/types.js';
import { isVolumeId } from '../names.js';
import type { NodeParts } from './parts.js';
import type { VolumeRecord } from './records.js';

type Stats = Pick<NodeGetVolumeStatsResponse, 'usage' | 'volumeCondition'>;

export async function volumeStats(
  parts: NodeParts,
  { volumeId, volumePath }: NodeGetVolumeStatsRequest,
  _call: Call,
): Promise<Stats> {
  const record = await recordAt(parts, required('volumeId', volumeId), required('volumePath', volumePath));
  const attached = record.uuid === undefined ? undefined : await parts.attacher.find(record.uuid);
  const stats = await parts.places.at('volumePath', volumePath, (place) =>
    statsAt(parts, record, attached, place, volumePath),
  );
  return stats ?? { usage: [], volumeCondition: abnormal('the path is not there') };
}

/** The volume that is staged or published at the path. At a path that was never checked there is none. */
export async function recordAt(parts: NodeParts, volumeId: string, path: string): Promise<VolumeRecord> {
  const record = await parts.records.find(isVolumeId(volumeId) ? volumeId.toLowerCase() : volumeId);
  const paths = [record?.stagingPath, ...(record?.publications.map(({ targetPath }) => targetPath) ?? [])];
  if (record !== undefined && paths.includes(path)) return record;
  throw new RpcError('NOT_FOUND', 'no volume of this id is at this path');
}

async function statsAt(
  { mounter }: NodeParts,
  record: VolumeRecord,
  attached: Attached | undefined,
  place: Place,
  path: string,
): Promise<Stats> {
  const isBlock = record.use?.access === 'block';
  const deviceTrouble = troubleOf(attached);
  const number = attached === undefined ? undefined : await mounter.deviceNumber(attached.device);
  if (isBlock) {
    const isBound = path === record.stagingPath || (await mounter.deviceNumberAt(place)) === number;
    const trouble = deviceTrouble ?? (isBound ? undefined : 'the device is not bound there, or another one');
    return { usage: blockUsage(attached), volumeCondition: conditionOf(trouble) };
  }
  const [mount] = await mounter.mountsAt(place);
  if (mount === undefined) return { usage: [], volumeCondition: abnormal('nothing is mounted there') };
  const isReader = record.use?.reader ?? false;
  const trouble =
    deviceTrouble ??
    (mount.device === number
      ? undefined
      : 'the mount is of a device that is gone: pods have to start anew') ??
    (await rootTrouble(mounter.trouble(place))) ??
    (isReadOnly(mount) && !isReader
      ? 'the file system has become read-only after an error: pods have to start anew'
      : undefined);
  const usage = await mounter.usage(place).catch(() => undefined);
  return { usage: usage === undefined ? [] : usageOf(usage), volumeCondition: conditionOf(trouble) };
}

/** Since Linux 6.15 an ext4 that met an error stays `rw` and says `emergency_ro`. */
function isReadOnly({ superOptions }: Mount): boolean {
  return superOptions.includes('ro') || superOptions.includes('emergency_ro');
}

async function rootTrouble(asked: Promise<string | undefined>): Promise<string | undefined> {
  const code = await asked;
  return code === undefined ? undefined : `the file system does not answer (${code})`;
}

function troubleOf(attached: Attached | undefined): string | undefined {
  switch (attached?.state) {
    case undefined:
      return 'the device is gone';
    case 'dead':
      return 'the device is dead: its I/O fails';
    case 'reconnecting':
      return 'the target does not answer: I/O waits for it';
    default:
      return undefined;
  }
}

function conditionOf(trouble: string | undefined): { abnormal: boolean; message: string } {
  return trouble === undefined ? { abnormal: false, message: 'it can be used' } : abnormal(trouble);
}

function abnormal(message: string): { abnormal: boolean; message: string } {
  return { abnormal: true, message };
}

function blockUsage(attached: Attached | undefined): Stats['usage'] {
  if (attached === undefined) return [];
  return [{ unit: 'BYTES', total: attached.sizeBytes.toString(), used: '0', available: '0' }];
}

function usageOf({ bytes, inodes }: Usage): Stats['usage'] {
  return [numbers('BYTES', bytes), numbers('INODES', inodes)];
}

function numbers(unit: 'BYTES' | 'INODES', { total, used, available }: UsageNumbers): Stats['usage'][number] {
  return { unit, total: `${total}`, used: `${used}`, available: `${available}` };
}
