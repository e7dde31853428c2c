// The records of volumes, made anew from what replicas know of themselves and from what nodes noted beside
// them. Pure. What must stay true: who is put in sync has everything that was acknowledged; where that does
// not follow from what was found, the volume is left out, and why is said.
//
// Why it follows (docs/replication.md). Before a write is acknowledged without a member, every member that
// is left in the set has noted that one as absent. So who was in the set last notes all that were not, and
// is noted by none of them, unless by a note that is older than its own of them. An acknowledgement needs
// `minInSync` members, so if fewer than that are missing, one of those that had the last one is among those
// found: complete, or no more, as it left later and is being copied to, or is no member any more. Its notes
// stay, so those of all that were found count, whatever they are themselves. A head seals who is in the set,
// and nobody else that is complete: so of those left the highest epoch counts. Who is no member of the newest
// record may have been left out while it was away, and then nobody notes it: it is not put in sync.
import { nodesMax } from '../cluster/model/node.js';
import type { ReplicaReport } from '../cluster/model/report.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { nobody, realMembers, type StoredMirror } from '../mirrors/record.js';

export interface FoundReplica extends ReplicaReport {
  /** UUID of the node that has it. */
  readonly node: string;
  /** The records as its node noted them. */
  readonly known?: { readonly volume: VolumeRecord; readonly mirror: StoredMirror };
}

export type VolumeDecision =
  | {
      readonly kind: 'rebuild';
      readonly volume: VolumeRecord;
      readonly mirror: StoredMirror;
      /** UUIDs of its replicas that are in sync. */
      readonly inSync: readonly string[];
    }
  /** `name`: where it is known. */
  | { readonly kind: 'refuse'; readonly uuid: string; readonly name?: string; readonly reason: string };

/** Of all replicas of one volume that were found; at least one. `uuid`: of the volume. */
export function decideVolume(uuid: string, found: readonly FoundReplica[]): VolumeDecision {
  const newest = newestOf(found);
  if (newest === undefined) {
    return { kind: 'refuse', uuid, reason: 'no node has noted its name, and who else has a replica' };
  }
  const { volume, mirror } = newest;
  const refuse = (reason: string): VolumeDecision => ({ kind: 'refuse', uuid, name: volume.name, reason });
  if (volume.state === 'deleting') return refuse('it was being deleted');
  const twice = found.find((one) => found.some((other) => other !== one && other.uuid === one.uuid));
  if (twice !== undefined) return refuse(`replica ${twice.uuid} was found on two nodes`);
  if (mirror.record.epoch === 0n && found.every(({ maxEpoch }) => maxEpoch === 0n)) {
    return untouched(newest, found, refuse);
  }
  const members = realMembers(mirror.record);
  const isMember = ({ uuid: replica }: FoundReplica) => members.some((member) => member.uuid === replica);
  const able = found.filter((one) => one.content === 'complete' && !one.unusable && isMember(one));
  const missing = missingOf(newest, found);
  const { minInSync } = mirror.record;
  if (missing.length >= minInSync) {
    const where = missing.map((replica) => placeOf(replica, found)).join(', ');
    return refuse(
      `not found: ${where}; writes need ${minInSync} in sync, so all that have the last ones may be missing`,
    );
  }
  const inSync = lastSet(able, found);
  if (typeof inSync === 'string') return refuse(inSync);
  return rebuilt(newest, found, inSync);
}

/**
 * Without replicas of nodes of which nothing is known but their UUID: no head could reach them. Others are
 * made in their place; what they have stays where it is.
 */
export function withoutUnknown(decision: VolumeDecision, isKnown: (node: string) => boolean): VolumeDecision {
  if (decision.kind === 'refuse') return decision;
  const { volume, mirror } = decision;
  const gone = new Set(volume.replicas.flatMap(({ node, uuid }) => (isKnown(node) ? [] : uuid)));
  const free = { uuid: nobody, inSync: false, sealedEpoch: 0n };
  const members = mirror.record.members.map((one) => (gone.has(one.uuid) ? free : one));
  while (members.at(-1)?.uuid === nobody) members.pop(); // places are kept, but for the last ones
  const { minInSync } = mirror.record;
  if (realMembers({ members }).length < minInSync) {
    const reason = `the nodes of fewer than ${minInSync} of its replicas are known`;
    return { kind: 'refuse', uuid: volume.uuid, name: volume.name, reason };
  }
  const { leaving = [], replicas, ...rest } = volume;
  const left = leaving.filter(({ node }) => isKnown(node));
  return {
    ...decision,
    volume: {
      ...{ ...rest, replicas: replicas.filter(({ uuid }) => !gone.has(uuid)) },
      ...(left.length > 0 && { leaving: left }),
    },
    mirror: { ...mirror, record: { ...mirror.record, members } },
  };
}

type Known = NonNullable<FoundReplica['known']>;

function newestOf(found: readonly FoundReplica[]): Known | undefined {
  const isLater = (one: StoredMirror['record'], other: StoredMirror['record']) =>
    one.epoch === other.epoch ? one.revision > other.revision : one.epoch > other.epoch;
  return found.reduce<Known | undefined>((best, { known }) => {
    if (known === undefined || best === undefined) return known ?? best;
    return isLater(known.mirror.record, best.mirror.record) ? known : best;
  }, undefined);
}

/** Nobody has ever written: it is as it was made, if all of it is there. */
function untouched(
  newest: Known,
  found: readonly FoundReplica[],
  refuse: (reason: string) => VolumeDecision,
): VolumeDecision {
  const missing = missingOf(newest, found);
  const where = missing.map((replica) => placeOf(replica, found)).join(', ');
  if (missing.length > 0) return refuse(`it was never used, as far as is known, and not found are: ${where}`);
  const unfinished = found.find((one) => one.content !== 'complete' || one.unusable);
  if (unfinished !== undefined)
    return refuse(`it was never used, and replica ${unfinished.uuid} is not complete`);
  const inSync = realMembers(newest.mirror.record).filter((one) => one.inSync);
  const record = { ...newest.mirror.record, revision: 0n };
  const volume = placed(newest.volume, found);
  return {
    ...{ kind: 'rebuild', volume, mirror: { ...newest.mirror, record } },
    inSync: inSync.map((one) => one.uuid),
  };
}

/**
 * Members that are known of and were not found, or whose metadata is lost, so that nobody knows what they
 * had.
 */
function missingOf({ volume, mirror }: Known, found: readonly FoundReplica[]): readonly string[] {
  const members = new Set([
    ...realMembers(mirror.record).map(({ uuid }) => uuid),
    ...volume.replicas.map(({ uuid }) => uuid),
    ...found.flatMap(({ maxEpoch, absent }) =>
      maxEpoch >= mirror.record.epoch ? absent.map(({ uuid }) => uuid) : [],
    ),
  ]);
  return [...members].filter((uuid) => !found.some((one) => one.uuid === uuid && !one.unusable));
}

/** Who was in the set last, of those that are able; or why nobody can tell. `found`: whose notes count. */
function lastSet(
  able: readonly FoundReplica[],
  found: readonly FoundReplica[],
): readonly FoundReplica[] | string {
  const noteOf = (one: FoundReplica, other: FoundReplica) =>
    one.absent.find(({ uuid }) => uuid === other.uuid)?.sinceEpoch;
  /** `by` was in the set when `one` was not, and that may have been later than the other way round. */
  const isLeftBehind = (one: FoundReplica, by: FoundReplica) => {
    const since = noteOf(by, one);
    if (since === undefined) return false;
    const back = noteOf(one, by);
    return back === undefined || back <= since;
  };
  const unclear = able.find((one) =>
    able.some((other) => noteOf(one, other) !== undefined && noteOf(one, other) === noteOf(other, one)),
  );
  if (unclear !== undefined)
    return `replica ${unclear.uuid} and another one each say that the other misses writes`;
  const left = able.filter((one) => !found.some((other) => isLeftBehind(one, other)));
  const behind = able.filter((one) => !left.includes(one));
  const orphan = behind.find((one) => !left.some((other) => noteOf(other, one) !== undefined));
  if (left.length === 0 || orphan !== undefined)
    return 'no replica is complete and missed by none of the others';
  const epochMax = able.reduce((most, { maxEpoch }) => (maxEpoch > most ? maxEpoch : most), 0n);
  const last = left.filter(({ maxEpoch }) => maxEpoch === epochMax);
  return last.length > 0 ? last : `the replica of the last epoch, ${epochMax}, misses writes`;
}

function rebuilt(
  { volume, mirror }: Known,
  found: readonly FoundReplica[],
  inSync: readonly FoundReplica[],
): VolumeDecision {
  const before = mirror.record;
  const epoch = 1n + found.reduce((most, { maxEpoch }) => (maxEpoch > most ? maxEpoch : most), before.epoch);
  const members = before.members.map((member) => {
    const is = inSync.find(({ uuid }) => uuid === member.uuid);
    // A seal asks for the epoch in which it was last known in sync: what it says itself.
    return is === undefined
      ? { ...member, inSync: false }
      : { ...member, inSync: true, sealedEpoch: is.maxEpoch };
  });
  // Who was head may still be, and answer reads: the next one waits for its lease.
  const head = before.head === nobody ? (inSync[0]?.node ?? nobody) : before.head;
  const record = { ...before, revision: 0n, epoch, head, headStopped: false, members };
  return {
    ...{ kind: 'rebuild', volume: placed(volume, found), mirror: { ...mirror, record } },
    inSync: inSync.map(({ uuid }) => uuid),
  };
}

/** Where its replicas are now: disks may have moved. Who is to be head is decided anew. */
function placed({ head: _head, ...volume }: VolumeRecord, found: readonly FoundReplica[]): VolumeRecord {
  const there = (replica: VolumeRecord['replicas'][number]) => {
    const is = found.find(({ uuid }) => uuid === replica.uuid);
    return is === undefined ? replica : { ...replica, node: is.node, pool: is.pool };
  };
  const { leaving, replicas, ...rest } = volume;
  return {
    ...{ ...rest, replicas: replicas.map(there) },
    ...(leaving !== undefined && { leaving: leaving.map(there) }),
  };
}

function placeOf(replica: string, found: readonly FoundReplica[]): string {
  const notes = found.flatMap(({ known }) => known ?? []);
  for (const { volume } of notes.slice(0, nodesMax)) {
    const place = volume.replicas.find(({ uuid }) => uuid === replica);
    if (place !== undefined) return `replica ${replica} of node ${place.node}`;
  }
  return `replica ${replica}`;
}
