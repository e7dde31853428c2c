// A volume of a cluster as somebody wants it: where its replicas are, which node is to be its head, who may
// connect. Who is in sync, and who is the head, is not in here: that is in its mirror record (mirrors/NAME),
// which heads change too. Pure: each transition gives the record that is to be stored, the same object when
// nothing changes, or says why it cannot be.
import { ClusterVolumeStateError } from '../../base/cluster-errors.js';
import { InvalidArgumentError } from '../../base/errors.js';
import { membersMax } from '../../base/mirror-spec.js';
import { checkSubsystemNqn } from '../../base/nqn.js';
import { checkQos, type QosWords } from '../../base/qos.js';
import { hostsMax, uuidPattern, volumeNamePattern, zonesMax } from '../../base/volume-spec.js';
import { checkLabels, checkName, type Labels, namePattern } from './words.js';

/** creating: not all replicas are there yet, and nobody may use it. deleting: nobody any more. */
export const volumeStates = ['creating', 'ready', 'deleting'] as const;
export type VolumeState = (typeof volumeStates)[number];

export interface VolumeRecord {
  readonly name: string;
  /** Of the namespace that hosts see. */
  readonly uuid: string;
  readonly nqn: string;
  /** A multiple of 4,096. Hosts see this, or what it has grown to a moment ago. */
  readonly sizeBytes: bigint;
  /** It is to have this, and has less; such a multiple too. */
  readonly wantedSizeBytes?: bigint;
  readonly blockSizeBytes: 512 | 4096;
  /** In the order of the mirror record; on a node each. */
  readonly replicas: readonly PlacedReplica[];
  /** Are to leave, or have left; named until their data is gone. */
  readonly leaving?: readonly PlacedReplica[];
  readonly wishes: PlacementWishes;
  /** UUID of the node that is to be head; absent: whoever is. */
  readonly head?: string;
  /** NQNs of hosts; absent: any. */
  readonly hosts?: readonly string[];
  /** The one host that it is granted to has it alone: no second one is granted it. */
  readonly exclusive?: true;
  readonly qos?: QosWords;
  /** It began as a clone; absent: it began empty. */
  readonly origin?: VolumeOrigin;
  readonly state: VolumeState;
  /** ISO 8601, UTC. */
  readonly created: string;
}

export interface VolumeOrigin {
  /** UUID of the volume. */
  readonly volume: string;
  /** UUID of the snapshot of it. */
  readonly snapshot: string;
  /** The snapshot was only how: it is a clone of the volume as it was at a moment. */
  readonly asVolume?: true;
}

export interface PlacedReplica {
  /** Of the replica. */
  readonly uuid: string;
  /** UUID of the node. */
  readonly node: string;
  /** Of that node, by name. */
  readonly pool: string;
  /**
   * UUID of the replica, of the same node and pool, of whose snapshot it is made; of the first replicas of a
   * clone. Absent: it begins empty, and what it lacks is copied to it.
   */
  readonly origin?: string;
}

/** What is wanted of the places of its replicas, now and when they have to move. */
export interface PlacementWishes {
  /** 1 to 8. */
  readonly replicas: number;
  /** Writes are acknowledged while so many are in sync. */
  readonly minInSync: number;
  /** Full room is kept for it; else it takes what is written. */
  readonly thick: boolean;
  /** Of each node; absent: any. */
  readonly pool?: string;
  /** Only nodes that have all of these. */
  readonly nodeLabels?: Labels;
  /** Only nodes in these, rather in those that come first; absent: in any, or in none. */
  readonly zones?: readonly string[];
  /** zone: two replicas in one zone are refused. prefer-zone: avoided as far as there are zones. */
  readonly spread: 'zone' | 'prefer-zone';
  /** Not on a node with a replica of a volume of the same group: the parts of one database. */
  readonly apartGroup?: string;
}

export interface NewVolume {
  readonly name: string;
  readonly uuid: string;
  readonly nqn: string;
  readonly sizeBytes: bigint;
  readonly blockSizeBytes: 512 | 4096;
  readonly wishes: PlacementWishes;
  readonly hosts?: readonly string[];
  readonly qos?: QosWords;
  readonly origin?: VolumeOrigin;
}

/**
 * As it begins: on these places, and nobody's yet. A clone begins where its snapshot is, with fewer replicas
 * than are wished for if need be, but with as many as have to be in sync.
 */
export function createVolume(volume: NewVolume, replicas: readonly PlacedReplica[], now: Date): VolumeRecord {
  checkNew(volume);
  const { wishes, origin } = volume;
  const countMin = origin === undefined ? wishes.replicas : wishes.minInSync;
  if (replicas.length < countMin || replicas.length > wishes.replicas) {
    throw new InvalidArgumentError('replicas', `${wishes.replicas} places, not ${replicas.length}`);
  }
  if (replicas.some((one) => (one.origin === undefined) !== (origin === undefined))) {
    throw new InvalidArgumentError('replicas', 'of a clone, each made of a replica of its origin');
  }
  checkPlaces(volume.name, replicas);
  return { ...volume, replicas, state: 'creating', created: now.toISOString() };
}

/** All its replicas are there, and its mirror record. */
export function volumeReady(volume: VolumeRecord): VolumeRecord {
  refuseDeleting(volume);
  return volume.state === 'ready' ? volume : { ...volume, state: 'ready' };
}

/** From here on it goes away, whatever is done to it. */
export function deleteVolume(volume: VolumeRecord): VolumeRecord {
  if (volume.state === 'deleting') return volume;
  const { head: _head, wantedSizeBytes: _wanted, ...rest } = volume;
  return { ...rest, state: 'deleting' };
}

/**
 * What it is to have. That may become less again, but never less than it has, which takes the wish back. A
 * head that is at it already may be faster: see volumeGrown().
 */
export function wantSize(volume: VolumeRecord, sizeBytes: bigint): VolumeRecord {
  refuseDeleting(volume);
  checkSize(sizeBytes);
  const { wantedSizeBytes, ...rest } = volume;
  if (sizeBytes === (wantedSizeBytes ?? volume.sizeBytes)) return volume;
  if (sizeBytes < volume.sizeBytes) {
    const reason = `is never made smaller: it has ${volume.sizeBytes} bytes, and ${sizeBytes} are asked for`;
    throw new ClusterVolumeStateError(volume.name, reason);
  }
  return sizeBytes === volume.sizeBytes ? rest : { ...rest, wantedSizeBytes: sizeBytes };
}

/** Its head has made it so large, wanted still or not; what is smaller is of an older record. */
export function volumeGrown(volume: VolumeRecord, sizeBytes: bigint): VolumeRecord {
  if (sizeBytes <= volume.sizeBytes) return volume;
  const { wantedSizeBytes = 0n, ...rest } = volume;
  return { ...rest, sizeBytes, ...(wantedSizeBytes > sizeBytes && { wantedSizeBytes }) };
}

/** Of each of its replicas, now or soon: what room is kept for. */
export function promisedBytes({ sizeBytes, wantedSizeBytes = sizeBytes }: VolumeRecord): bigint {
  return wantedSizeBytes;
}

/** Which node is to be the head; the old one then ends in order. */
export function wantHead(volume: VolumeRecord, node: string): VolumeRecord {
  refuseDeleting(volume);
  if (volume.replicas.every((replica) => replica.node !== node)) {
    throw new ClusterVolumeStateError(
      volume.name,
      `has no replica on node ${node}, which cannot be its head`,
    );
  }
  return volume.head === node ? volume : { ...volume, head: node };
}

export function addReplica(volume: VolumeRecord, replica: PlacedReplica): VolumeRecord {
  refuseDeleting(volume);
  if (volume.replicas.some(({ uuid }) => uuid === replica.uuid)) return volume;
  if (volume.replicas.length >= membersMax) {
    throw new ClusterVolumeStateError(volume.name, `has ${membersMax} replicas, as many as there may be`);
  }
  const replicas = [...volume.replicas, replica];
  checkPlaces(volume.name, [...replicas, ...leavingOf(volume)]);
  return { ...volume, replicas };
}

/** It is to leave the mirror record, and then its data is to go. */
export function removeReplica(volume: VolumeRecord, uuid: string): VolumeRecord {
  refuseDeleting(volume);
  const removed = volume.replicas.find((replica) => replica.uuid === uuid);
  if (removed === undefined) return volume;
  const replicas = volume.replicas.filter((replica) => replica !== removed);
  if (replicas.length === 0) {
    throw new ClusterVolumeStateError(volume.name, 'has no other replica: delete it instead');
  }
  const { head, ...rest } = volume;
  const leaving = [...leavingOf(volume), removed];
  return { ...rest, replicas, leaving, ...(head !== undefined && head !== removed.node && { head }) };
}

/** Its data is gone, or its node is: of one that was to leave, or of a volume that is being deleted. */
export function forgetReplica(volume: VolumeRecord, uuid: string): VolumeRecord {
  const isOther = (replica: PlacedReplica) => replica.uuid !== uuid;
  const { leaving: _leaving, ...rest } = volume;
  const leaving = leavingOf(volume).filter(isOther);
  const replicas = volume.state === 'deleting' ? volume.replicas.filter(isOther) : volume.replicas;
  if (leaving.length === leavingOf(volume).length && replicas.length === volume.replicas.length)
    return volume;
  return { ...rest, replicas, ...(leaving.length > 0 && { leaving }) };
}

export function leavingOf({ leaving = [] }: VolumeRecord): readonly PlacedReplica[] {
  return leaving;
}

/** What must be true of the places of a volume, whoever chose them. */
export function checkPlaces(name: string, replicas: readonly PlacedReplica[]): void {
  const twice = (key: 'uuid' | 'node') =>
    new Set(replicas.map((replica) => replica[key].toLowerCase())).size < replicas.length;
  if (twice('uuid')) throw new ClusterVolumeStateError(name, 'has a replica twice');
  if (twice('node')) throw new ClusterVolumeStateError(name, 'has two replicas on one node');
}

export function checkWishes(wishes: PlacementWishes): PlacementWishes {
  const { replicas, minInSync, pool, nodeLabels, zones, apartGroup } = wishes;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > membersMax) {
    throw new InvalidArgumentError('replicas', `1 to ${membersMax}; got ${replicas}`);
  }
  if (!Number.isInteger(minInSync) || minInSync < 1 || minInSync > replicas) {
    throw new InvalidArgumentError('minInSync', `1 to its ${replicas} replicas; got ${minInSync}`);
  }
  if (pool !== undefined) checkName('pool', pool);
  if (nodeLabels !== undefined) checkLabels(nodeLabels);
  if (zones !== undefined) checkZones(zones);
  if (apartGroup !== undefined && !namePattern.test(apartGroup)) checkName('apartGroup', apartGroup);
  return wishes;
}

function checkZones(zones: readonly string[]): void {
  if (zones.length === 0 || zones.length > zonesMax || new Set(zones).size < zones.length) {
    throw new InvalidArgumentError('zones', `1 to ${zonesMax}, each once`);
  }
  for (const zone of zones) checkName('zones', zone);
}

function checkNew({ name, uuid, nqn, sizeBytes, blockSizeBytes, wishes, hosts, qos }: NewVolume): void {
  if (!volumeNamePattern.test(name)) {
    throw new InvalidArgumentError('name', '1 to 63 letters, digits, dots, dashes or underscores');
  }
  if (!uuidPattern.test(uuid)) throw new InvalidArgumentError('uuid', 'a UUID');
  checkSubsystemNqn(nqn);
  checkSize(sizeBytes);
  if (blockSizeBytes !== 512 && blockSizeBytes !== 4096) {
    throw new InvalidArgumentError('blockSize', '512 or 4096');
  }
  checkWishes(wishes);
  if (hosts !== undefined && hosts.length > hostsMax)
    throw new InvalidArgumentError('hosts', `at most ${hostsMax}`);
  if (qos !== undefined) checkQos(qos);
}

export const sizeBytesUnit = 4096n;
export const sizeBytesMax = 1n << 62n;

function checkSize(sizeBytes: bigint): void {
  if (sizeBytes > 0n && sizeBytes % sizeBytesUnit === 0n && sizeBytes <= sizeBytesMax) return;
  throw new InvalidArgumentError('size', `a multiple of ${sizeBytesUnit} bytes, up to 2^62`);
}

function refuseDeleting({ name, state }: VolumeRecord): void {
  if (state === 'deleting') throw new ClusterVolumeStateError(name, 'is being deleted');
}
