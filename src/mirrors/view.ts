// A mirrored volume as everybody outside of this room sees it: what the engine says of it now, and where its
// members are.
import type { MirrorInfo } from '../native/mirror-types.js';
import type { VolumeInfo } from '../native/types.js';
import { type Member, placeOf } from './membership.js';
import { nobody, realMembers } from './record.js';
import type { MirrorView } from './types.js';

export function mirrorView(volume: VolumeInfo, members: readonly Member[], info: MirrorInfo): MirrorView {
  const { name, uuid, nqn, sizeBytes, blockSizeBytes } = volume;
  const { record, state, activity, unreconciledRegions, markedRegions } = info;
  return {
    ...{ name, uuid, nqn, sizeBytes, blockSizeBytes },
    ...{ state, activity, unreconciledRegions, markedRegions },
    epoch: record.epoch,
    ...(record.head !== nobody && { head: record.head }),
    minInSync: record.minInSync,
    ...(info.resyncBytesPerSecond > 0n && { resyncBytesPerSecond: info.resyncBytesPerSecond }),
    ...(info.verify !== undefined && { verify: info.verify }),
    members: realMembers(record).map(({ uuid: member, inSync }) => {
      const place = members.find((one) => one.uuid === member);
      const said = info.members.find((one) => one.uuid === member);
      return {
        uuid: member,
        place: place === undefined ? '' : placeOf(place),
        local: place?.replica !== undefined,
        inSync,
        state: said?.state ?? 'down',
        ...(said?.text !== undefined && { reason: said.text }),
        resyncDoneBytes: said?.resyncDoneBytes ?? 0n,
        resyncTotalBytes: said?.resyncTotalBytes ?? 0n,
      };
    }),
  };
}
