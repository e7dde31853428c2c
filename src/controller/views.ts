// Nodes and volumes as everybody outside of this room sees them: what their records want, and what is so.
// Pure.

import type { NodeRecord } from '../cluster/model/node.js';
import { leavingOf, type PlacedReplica, type VolumeRecord } from '../cluster/model/volume.js';
import { nobody } from '../mirrors/record.js';
import type { MirrorRecord } from '../native/mirror-types.js';
import { type ClusterSnapshot, saidOf } from './cluster-state.js';
import type { ClusterNodeView, ClusterReplicaView, ClusterVolumeView, VolumeHealth } from './types.js';
import type { VolumeStep } from './volume-step.js';

export function volumeView(
  volume: VolumeRecord,
  snapshot: ClusterSnapshot,
  step: VolumeStep,
): ClusterVolumeView {
  const { name, uuid, nqn, sizeBytes, blockSizeBytes, state, wishes, hosts, exclusive, qos, created } =
    volume;
  const { origin } = volume;
  const record = snapshot.mirrors.get(name)?.record;
  const replicas = [...volume.replicas, ...leavingOf(volume)].map((replica) =>
    replicaView(volume, replica, snapshot, record),
  );
  const head = headOf(record);
  return {
    ...{ name, uuid, nqn, sizeBytes, blockSizeBytes, state, wishes, created, replicas },
    health: volumeHealth(volume, snapshot, record),
    ...(head !== undefined && { head: nameOf(head, snapshot) }),
    ...(volume.head !== undefined && { wantedHead: nameOf(volume.head, snapshot) }),
    epoch: record?.epoch ?? 0n,
    addresses: addressesOf(volume, snapshot),
    ...(volume.wantedSizeBytes !== undefined && { wantedSizeBytes: volume.wantedSizeBytes }),
    ...(hosts !== undefined && { hosts }),
    ...(exclusive !== undefined && { exclusive }),
    ...(qos !== undefined && { qos }),
    ...(origin !== undefined && { originUuid: origin.snapshot }),
    ...(origin?.asVolume === true && { cloneOf: origin.volume }),
    ...(step.kind === 'wait' && { waitingFor: step.for }),
  };
}

export function nodeView(node: NodeRecord, { facts, volumes }: ClusterSnapshot): ClusterNodeView {
  const said = facts.get(node.id);
  const records = [...volumes.values()].map(({ record }) => record);
  const has = (replica: PlacedReplica) => replica.node === node.id;
  return {
    ...node,
    up: said !== undefined,
    ...(said !== undefined && { version: said.version, started: said.started }),
    pools: said?.pools ?? [],
    replicasCount: records.flatMap((volume) => [...volume.replicas, ...leavingOf(volume)].filter(has)).length,
    headsCount: records.filter(({ head }) => head === node.id).length,
  };
}

/** UUID of the node; undefined: nobody is, or says so. */
function headOf(record: MirrorRecord | undefined): string | undefined {
  return record === undefined || record.headStopped || record.head === nobody ? undefined : record.head;
}

export function volumeHealth(
  { name, state, replicas, wishes }: VolumeRecord,
  snapshot: Pick<ClusterSnapshot, 'facts' | 'volumeFacts'>,
  record: MirrorRecord | undefined,
): VolumeHealth {
  if (state !== 'ready') return state;
  const head = headOf(record);
  const said = saidOf(snapshot, head ?? '', name);
  if (record === undefined || said?.state !== 'serving') return 'unavailable';
  const inSync = record.members.filter((member) => member.inSync).length;
  if (inSync < record.minInSync) return 'unavailable';
  return inSync >= Math.max(wishes.replicas, replicas.length) ? 'healthy' : 'degraded';
}

function replicaView(
  volume: VolumeRecord,
  { uuid, node, pool }: PlacedReplica,
  snapshot: ClusterSnapshot,
  record: MirrorRecord | undefined,
): ClusterReplicaView {
  const said = saidOf(snapshot, node, volume.name);
  const mine = said?.replica === uuid ? said : undefined;
  const head = saidOf(snapshot, headOf(record) ?? '', volume.name);
  const resync = head?.resync?.find(({ replica }) => replica === uuid);
  const inSync = record?.members.some((member) => member.uuid === uuid && member.inSync) ?? false;
  const state = () => {
    if (!snapshot.facts.has(node)) return 'away';
    if (mine?.state === 'discarded') return 'discarded';
    if (volume.state === 'deleting' || leavingOf(volume).some((one) => one.uuid === uuid)) return 'leaving';
    if (mine === undefined || mine.state === 'absent') return 'absent';
    return inSync ? 'in-sync' : 'stale';
  };
  return {
    ...{ uuid, node: nameOf(node, snapshot), pool, inSync, state: state() },
    ...(mine?.error !== undefined && { error: mine.error }),
    ...(resync !== undefined && { resync }),
  };
}

/** The wanted head first: hosts of one path try that. */
function addressesOf({ replicas, head }: VolumeRecord, { nodes }: ClusterSnapshot) {
  const first = replicas.filter(({ node }) => node === head);
  return [...first, ...replicas.filter(({ node }) => node !== head)].flatMap(({ node }) => {
    const found = nodes.get(node);
    return found === undefined ? [] : [found.record.addresses.nvme];
  });
}

function nameOf(node: string, { nodes }: ClusterSnapshot): string {
  return nodes.get(node)?.record.name ?? node;
}
