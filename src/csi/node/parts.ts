// What the functions of the node service share, and how they take their turn.
import type { Attached, Attacher } from '../../attach/types.js';
import type { KeyedLock } from '../../base/keyed-lock.js';
import type { Log } from '../../base/log.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import type { Place, Places } from '../mounter/place.js';
import type { Mounter } from '../mounter/types.js';
import { isVolumeId } from '../names.js';
import { withVolumes } from '../parts.js';
import type { Storage } from '../storage.js';
import type { PodReports } from './pods.js';
import type { Publication, VolumeRecord, VolumeRecords } from './records.js';

export interface NodeParts {
  readonly attacher: Attacher;
  readonly mounter: Mounter;
  readonly places: Places;
  readonly records: VolumeRecords;
  readonly locks: KeyedLock;
  readonly pods: PodReports;
  readonly log: Log;
  /** Who this node is to targets; the NQN is its id. */
  readonly hostNqn: string;
  readonly hostId: string;
  /** For volumes that live as long as a pod. */
  readonly storage: Storage;
  readonly targetAddresses: readonly string[];
}

export const attachMsMax = 60_000;
export const mountsMax = 16; // at one place, one over the other

/** Alone with the volume. What has been begun is finished by the same call, whenever it comes. */
export function alone<T>(parts: NodeParts, id: string, call: Call, work: () => Promise<T>): Promise<T> {
  return withVolumes(parts, [id], call, work);
}

/** Between two steps: nobody waits for the answer any more. */
export function stillWanted({ signal }: Call): void {
  if (signal.aborted) throw new RpcError('ABORTED', 'the caller has gone; the same call goes on from here');
}

/** As Places.at(), where the directories on the way have to be there. */
export async function placed<T>(
  { places }: NodeParts,
  field: string,
  path: string,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  let done = false;
  const result = await places.at(field, path, async (place) => {
    const answer = await work(place);
    done = true;
    return answer;
  });
  if (done) return result as T;
  throw new RpcError('FAILED_PRECONDITION', `${field}: a directory on the way to it is missing`);
}

/** Those that are really there: after the machine was started anew, none is. */
export async function livePublications(
  parts: NodeParts,
  record: VolumeRecord | undefined,
): Promise<readonly Publication[]> {
  const live: Publication[] = [];
  for (const publication of record?.publications ?? []) {
    const mounts = await parts.places.at('targetPath', publication.targetPath, (place) =>
      parts.mounter.mountsAt(place),
    );
    if (mounts !== undefined && mounts.length > 0) live.push(publication);
  }
  return live;
}

/** Takes away all that is mounted at the place. */
export async function unmountAll({ mounter }: NodeParts, place: Place): Promise<void> {
  for (let count = 0; count < mountsMax; count += 1) {
    if ((await mounter.mountsAt(place)).length === 0) return;
    await mounter.unmount(place);
  }
  throw new RpcError('INTERNAL', `more than ${mountsMax} mounts are at one place`);
}

/**
 * Whether what is at the place is of this driver: it remembers that it is, or the device that is mounted
 * there tells. What another driver has mounted is not taken away.
 */
export async function isOurs(
  parts: NodeParts,
  place: Place,
  id: string,
  isRemembered: boolean,
): Promise<boolean> {
  if (isRemembered) return true;
  if (!isVolumeId(id) || (await parts.mounter.mountsAt(place)).length === 0) return false;
  return isMountOf(parts, place, await parts.attacher.find(id));
}

/** Whether what is mounted there is of the device that the volume is attached as. */
export async function isMountOf(
  parts: NodeParts,
  place: Place,
  attached: Attached | undefined,
): Promise<boolean> {
  if (attached === undefined) return false;
  const number = await parts.mounter.deviceNumber(attached.device);
  if (number === undefined) return false;
  const [mount] = await parts.mounter.mountsAt(place);
  return mount?.device === number || (await parts.mounter.deviceNumberAt(place)) === number;
}
