// Who the members of a mirrored volume are, by what was asked for, and whether that agrees with its record
// and with what the replicas say of themselves. Checks alone: nothing is changed here.
import { formatTcp, type HostPort, resolveHost } from '../base/address.js';
import { MirrorConflictError } from '../base/mirror-errors.js';
import type { MirrorMemberSpec, MirrorSpec } from '../base/mirror-spec.js';
import { formatSize } from '../base/sizes.js';
import type { MirrorMemberOptions, MirrorRecord, ReplicaInfo } from '../native/mirror-types.js';
import { nobody, type StoredMirror } from './record.js';

/** A member as it was asked for. */
export interface Member {
  readonly uuid: string;
  /** Of this daemon; else it is at the address. */
  readonly replica?: ReplicaInfo;
  readonly address?: HostPort;
}

export function placeOf({ replica, address }: Member): string {
  if (replica !== undefined) return `replica ${replica.name}`;
  return address === undefined ? '' : formatTcp(address);
}

/** Names of the replicas of this daemon among the members, in their order. */
export function localNames({ name, members }: MirrorSpec): readonly string[] {
  return members.flatMap((member) => localName(name, member) ?? []);
}

function localName(mirror: string, member: MirrorMemberSpec): string | undefined {
  if (member.kind === 'remote') return undefined;
  return member.kind === 'replica' ? member.name : mirror;
}

/** `find`: replicas that are open; all that are asked for must be. */
export function membersOf(
  { name, members }: Pick<MirrorSpec, 'name' | 'members'>,
  find: (replica: string) => ReplicaInfo | undefined,
): readonly Member[] {
  const found = members.map((member): Member => {
    if (member.kind === 'remote') return { uuid: member.uuid, address: member.address };
    const local = localName(name, member) ?? '';
    const replica = find(local);
    if (replica === undefined) throw new MirrorConflictError(name, `there is no replica '${local}'`);
    return { uuid: replica.uuid, replica };
  });
  const twice = found.find(({ uuid }, index) => found.findIndex((other) => other.uuid === uuid) !== index);
  if (twice !== undefined) throw new MirrorConflictError(name, `replica ${twice.uuid} is a member twice`);
  return found;
}

/** The record of a new mirror: its data is that of the first member, the others join by a copy. */
export function newMirror(
  { name, minInSync = 1 }: MirrorSpec,
  volumeUuid: string,
  members: readonly Member[],
): StoredMirror {
  const first = members[0]?.replica;
  if (first === undefined) {
    throw new MirrorConflictError(
      name,
      'it is new, and its first member is not of this daemon: that is the one whose data the volume has',
    );
  }
  checkBeginning(name, volumeUuid, first);
  const record: MirrorRecord = {
    revision: 0n,
    epoch: 0n,
    head: nobody,
    headStopped: true, // there was none
    members: members.map(({ uuid }, index) => ({ uuid, inSync: index === 0, sealedEpoch: 0n })),
    minInSync,
    blockSizeBytes: first.blockSizeBytes,
    blocksCount: first.sizeBytes / BigInt(first.blockSizeBytes),
  };
  return { volumeUuid, record };
}

// A replica that is there already keeps what it has: is that what a new volume can begin with?
function checkBeginning(name: string, volumeUuid: string, first: ReplicaInfo): void {
  const refuse = (reason: string) =>
    new MirrorConflictError(name, `it is new, and its first member, replica '${first.name}', ${reason}`);
  if (first.maxEpoch > 0n) {
    throw refuse(
      `was used by a head already (epoch ${first.maxEpoch}). If this daemon's store was lost, restore it; ` +
        "to begin anew with the data as it is, move the replica's metadata away (a file's: PATH.replica)",
    );
  }
  if (first.unusable) throw refuse('has damaged metadata');
  if (first.content !== 'complete') {
    throw refuse(
      'was made for another head and holds no data yet; move its metadata away (a file: PATH.replica) ' +
        'if its data is what the volume is to begin with',
    );
  }
  if (first.volumeUuid !== undefined && first.volumeUuid !== volumeUuid) {
    throw refuse(`belongs to volume ${first.volumeUuid}`);
  }
}

/**
 * By the places of the record, undefined where one is free; fails when they are not the members that the
 * record has. `members`: as asked for; beside them what is known of those that were added and removed since.
 */
export function checkKnown(
  { name, uuid }: MirrorSpec,
  { volumeUuid, record }: StoredMirror,
  members: readonly Member[],
  { added, removed }: { readonly added: readonly Member[]; readonly removed: readonly string[] },
): readonly (Member | undefined)[] {
  if (uuid !== undefined && uuid !== volumeUuid) {
    throw new MirrorConflictError(name, `its uuid is ${volumeUuid}, not ${uuid}`);
  }
  const foreign = members.find(
    (member) => !removed.includes(member.uuid) && !record.members.some((known) => known.uuid === member.uuid),
  );
  if (foreign !== undefined) {
    throw new MirrorConflictError(
      name,
      `${placeOf(foreign)} (${foreign.uuid}) is not one of its members. Start without it, and add it: ` +
        `ballast mirror add-member ${name} MEMBER`,
    );
  }
  return record.members.map(({ uuid: known }) => {
    if (known === nobody) return undefined;
    const member = [...members, ...added].find((one) => one.uuid === known);
    if (member === undefined) {
      throw new MirrorConflictError(
        name,
        `its member ${known} is missing. A member that is down may be named all the same; one that is to ` +
          `go for good is removed by: ballast mirror remove-member ${name} MEMBER`,
      );
    }
    return member;
  });
}

/** How the engine reaches it. */
export async function reachOf({ uuid, replica, address }: Member): Promise<MirrorMemberOptions> {
  if (replica !== undefined) return { uuid, replica: replica.name };
  const { host, port } = address ?? { host: '', port: 0 };
  return { uuid, address: { host: await resolveHost(host), port } };
}

/** Of the replicas of this daemon; those of others are judged when they are connected to. */
export function checkReplicasFit(
  name: string,
  { volumeUuid, record }: StoredMirror,
  members: readonly Member[],
): void {
  const sizeBytes = record.blocksCount * BigInt(record.blockSizeBytes);
  for (const { replica } of members) {
    if (replica === undefined) continue;
    const refuse = (reason: string) => new MirrorConflictError(name, `replica '${replica.name}' ${reason}`);
    // Its head makes one that is smaller larger; one that is larger is on its way there, or was.
    if (replica.sizeMaxBytes < sizeBytes) {
      const most = formatSize(replica.sizeMaxBytes);
      throw refuse(`can have ${most} at most, the volume has ${formatSize(sizeBytes)}`);
    }
    if (replica.blockSizeBytes !== record.blockSizeBytes) {
      throw refuse(`has ${replica.blockSizeBytes}-byte blocks, the volume ${record.blockSizeBytes}`);
    }
    if (replica.volumeUuid !== undefined && replica.volumeUuid !== volumeUuid) {
      throw refuse(`belongs to volume ${replica.volumeUuid}, and this is ${volumeUuid}`);
    }
  }
}
