// The next step of a volume, which is a change of its record: decided from what the store says, by nothing
// else. Pure. What must stay true: a volume that is not as it should be has an owner of its next step, which
// is this, one of its nodes (src/agent), or somebody who has to bring a node back, and `waiting` says which.

import { formatSize } from '../base/sizes.js';
import type { NodeVolumeFacts } from '../cluster/model/facts.js';
import type { NodeRecord } from '../cluster/model/node.js';
import {
  addReplica,
  forgetReplica,
  leavingOf,
  type PlacedReplica,
  promisedBytes,
  removeReplica,
  type VolumeRecord,
  volumeGrown,
  volumeReady,
  wantHead,
} from '../cluster/model/volume.js';
import type { Candidate } from '../cluster/placement/candidates.js';
import { chooseHead } from '../cluster/placement/head.js';
import { place } from '../cluster/placement/place.js';
import { nobody } from '../mirrors/record.js';
import { keptFor, type NamedSnapshot } from '../mirrors/snapshot-records.js';
import type { MirrorRecord } from '../native/mirror-types.js';

export type VolumeStep =
  /** The record is to be this. */
  | { readonly kind: 'change'; readonly to: VolumeRecord; readonly reason: string; readonly text: string }
  /** The record goes, and its mirror record. */
  | { readonly kind: 'remove' }
  /** Somebody else does something first. `untilMs`: it is this one's turn then, by the steady clock. */
  | { readonly kind: 'wait'; readonly for: string; readonly untilMs?: number }
  | { readonly kind: 'none' };

export interface StepFacts {
  /** By UUID. */
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  /** UUIDs of nodes that are up. */
  readonly present: ReadonlySet<string>;
  /** See ClusterSnapshot. */
  readonly lostSinceMs: ReadonlyMap<string, number>;
  /** What a node says of its replica of a volume. */
  readonly saidOf: (node: string, volume: string) => NodeVolumeFacts | undefined;
  readonly mirrorOf: (volume: string) => MirrorRecord | undefined;
  readonly snapshotsOf: (volume: string) => readonly NamedSnapshot[];
  readonly candidates: () => readonly Candidate[];
  /** By UUID of a node: of how many volumes it is to be head. */
  readonly headsCount: () => ReadonlyMap<string, number>;
  readonly newUuid: () => string;
  readonly nowMs: number;
  /** A node that is away for longer is replaced. */
  readonly replaceAfterMs: number;
}

const none: VolumeStep = { kind: 'none' };

export function nextVolumeStep(volume: VolumeRecord, facts: StepFacts): VolumeStep {
  if (volume.state === 'deleting') return deletingStep(volume, facts);
  const mirror = facts.mirrorOf(volume.name);
  if (mirror === undefined) return wait('its mirror record, which the store has lost');
  if (volume.state === 'creating') return creatingStep(volume, facts);
  return (
    headStep(volume, mirror, facts) ??
    forgetStep(volume, mirror, facts) ??
    grownStep(volume, mirror) ??
    membersStep(volume, mirror, facts) ??
    growStep(volume, mirror, facts) ??
    none
  );
}

function wait(what: string, untilMs?: number): VolumeStep {
  return { kind: 'wait', for: what, ...(untilMs !== undefined && { untilMs }) };
}

function change(to: VolumeRecord, reason: string, text: string): VolumeStep {
  return { kind: 'change', to, reason, text };
}

function deletingStep(volume: VolumeRecord, facts: StepFacts): VolumeStep {
  const all = [...volume.replicas, ...leavingOf(volume)];
  if (all.length === 0) return { kind: 'remove' };
  const gone = all.filter((replica) => isGone(volume, replica, facts));
  if (gone.length === 0) return wait(`the data of ${all.length} replicas to be deleted`);
  const to = gone.reduce((left, { uuid }) => forgetReplica(left, uuid), volume);
  return change(to, 'ReplicaDeleted', `the data of ${gone.length} replicas is deleted`);
}

function creatingStep(volume: VolumeRecord, facts: StepFacts): VolumeStep {
  const missing = volume.replicas.filter((replica) => !isThere(volume, replica, facts));
  if (missing.length > 0) return wait(`replicas on ${namesOf(missing, facts)}`);
  const ready = volumeReady(volume);
  const head = chooseHead(ready, { inSync: new Set(volume.replicas.map(({ uuid }) => uuid)), ...facts });
  return change(
    head === undefined ? ready : wantHead(ready, head),
    'VolumeReady',
    'all its replicas are there',
  );
}

/**
 * Who is wanted stays wanted while it can be head. Else whoever is head, as when it took over by itself; who
 * cannot stay head makes way for the one with the fewest. Where no head is, and who is wanted cannot become
 * it, the nodes with a replica in sync take over by themselves, at once (src/agent/takeover.ts): another
 * choice that is made here meanwhile would be found out after that, and the head would move twice.
 */
function headStep(volume: VolumeRecord, mirror: MirrorRecord, facts: StepFacts): VolumeStep | undefined {
  const inSync = inSyncOf(mirror);
  const choice = { inSync, ...facts };
  const wanted =
    volume.head !== undefined && chooseHead(volume, { ...choice, current: volume.head }) === volume.head;
  if (wanted) return undefined;
  const isHead = !mirror.headStopped && mirror.head !== nobody;
  // If it is gone its replicas notice and take over; or it only has not come back to the store yet.
  if (isHead && !facts.present.has(mirror.head)) return undefined;
  if (!isHead && !isWaitedFor(volume, inSync, facts)) return undefined;
  const head = chooseHead(volume, { ...choice, ...(isHead && { current: mirror.head }) });
  if (head === undefined || head === volume.head) return undefined;
  const name = nameOf(head, facts);
  return isHead && head === mirror.head
    ? change(wantHead(volume, head), 'HeadTookOver', `its head is on '${name}' by now`)
    : change(wantHead(volume, head), 'HeadMoves', `its head goes to '${name}'`);
}

/** By the other nodes with a replica: who is wanted as head is up, and its replica in sync. */
function isWaitedFor(
  { head, replicas }: VolumeRecord,
  inSync: ReadonlySet<string>,
  { present }: StepFacts,
): boolean {
  return replicas.some(({ node, uuid }) => node === head && present.has(node) && inSync.has(uuid));
}

/** As long as one is a member, heads have to know where it is, though its node has been decommissioned. */
function forgetStep(volume: VolumeRecord, mirror: MirrorRecord, facts: StepFacts): VolumeStep | undefined {
  const isMember = (replica: string) => mirror.members.some(({ uuid }) => uuid === replica);
  const gone = leavingOf(volume).filter(
    (replica) => !isMember(replica.uuid) && isGone(volume, replica, facts),
  );
  if (gone.length === 0) return undefined;
  const to = gone.reduce((left, { uuid }) => forgetReplica(left, uuid), volume);
  return change(to, 'ReplicaDeleted', `the data of its replica on ${namesOf(gone, facts)} is deleted`);
}

/** One at a time: first a replica more, which is copied to, and then the one that it is for goes. */
function membersStep(volume: VolumeRecord, mirror: MirrorRecord, facts: StepFacts): VolumeStep | undefined {
  const { wishes, replicas } = volume;
  const inSync = inSyncOf(mirror);
  const leave = replicas.filter((replica) => isToLeave(replica, facts));
  const stay = replicas.filter((replica) => !leave.includes(replica));
  if (stay.length < wishes.replicas) return addStep(volume, stay.length, facts);
  const surplus = leave[0] ?? surplusOf(stay, wishes.replicas, mirror);
  if (surplus === undefined) return lostStep(replicas, facts);
  const others = stay.filter((one) => one !== surplus);
  const missing = others.filter(({ uuid }) => !inSync.has(uuid));
  if (others.length - missing.length < wishes.replicas) return copyStep(missing, facts);
  const whole = others.filter((one) => !missing.includes(one));
  const kept = snapshotsStep(volume, surplus, whole, facts);
  if (kept !== undefined) return kept;
  if (surplus.node === mirror.head && !mirror.headStopped) return wait('its head to move');
  const where = namesOf([surplus], facts);
  return change(removeReplica(volume, surplus.uuid), 'ReplicaLeaves', `its replica on ${where} leaves`);
}

/** More than wished for, as after a node came back; never the head, and rather one that misses writes. */
function surplusOf(stay: readonly PlacedReplica[], count: number, mirror: MirrorRecord) {
  if (stay.length <= count) return undefined;
  const inSync = inSyncOf(mirror);
  const able = stay.filter(({ node }) => node !== mirror.head);
  return able.findLast(({ uuid }) => !inSync.has(uuid)) ?? able.at(-1);
}

/**
 * All that are in sync without it have the snapshots that the one has which is to go. Its head looks again
 * before it leaves: by records that are newer.
 */
function snapshotsStep(
  volume: VolumeRecord,
  going: PlacedReplica,
  staying: readonly PlacedReplica[],
  facts: StepFacts,
): VolumeStep | undefined {
  const uuids = staying.map(({ uuid }) => uuid);
  const kept = keptFor(facts.snapshotsOf(volume.name), going.uuid, uuids);
  if (kept === undefined) return undefined;
  const { name, lacking } = kept;
  if (lacking.length === 0) return wait(`its snapshot '${name}' to be taken, or volumes to be made of it`);
  const to = namesOf(
    staying.filter(({ uuid }) => lacking.includes(uuid)),
    facts,
  );
  return wait(`a copy of its snapshot '${name}' to ${to}, which is on ${namesOf([going], facts)}`);
}

/** By the head; of a node that is away only until it is replaced. */
function copyStep(missing: readonly PlacedReplica[], facts: StepFacts): VolumeStep {
  const lost = lostStep(missing, facts);
  const untilMs = lost?.kind === 'wait' ? lost.untilMs : undefined;
  return wait(`a copy to ${namesOf(missing, facts)}`, untilMs);
}

function addStep(volume: VolumeRecord, staying: number, facts: StepFacts): VolumeStep {
  const { name, wishes, qos, replicas } = volume;
  const taken = new Map(
    leavingOf(volume).map(({ node }) => [node, 'its replica there is about to go'] as const),
  );
  // Those that are to leave are there still: their nodes are taken, and they count for nobody.
  const request = {
    ...{ name, sizeBytes: promisedBytes(volume), minIops: qos?.minIops ?? 0 },
    wishes: { ...wishes, replicas: replicas.length + wishes.replicas - staying },
    keep: replicas.map(({ node }) => node),
    exclude: taken,
  };
  const { chosen, refusals } = place(request, facts.candidates());
  const [to] = chosen;
  if (to === undefined) {
    const why = refusals.map(({ node, reason }) => `${node}: ${reason}`).join('; ');
    return wait(`a node for a replica (${why === '' ? 'there is no other' : why})`);
  }
  const added = addReplica(volume, { uuid: facts.newUuid(), ...to });
  return change(added, 'ReplicaAdded', `a replica more on '${nameOf(to.node, facts)}'`);
}

/** What its head has done, also where the wish was taken back meanwhile. */
function grownStep(volume: VolumeRecord, mirror: MirrorRecord): VolumeStep | undefined {
  const grown = volumeGrown(volume, mirror.blocksCount * BigInt(mirror.blockSizeBytes));
  if (grown === volume) return undefined;
  const sizes = `it has ${formatSize(grown.sizeBytes)}, and had ${formatSize(volume.sizeBytes)}`;
  return change(grown, 'VolumeGrown', sizes);
}

/** By its head, when all replicas are in sync: one that is away may not have the room. */
function growStep(volume: VolumeRecord, mirror: MirrorRecord, facts: StepFacts): VolumeStep | undefined {
  if (volume.wantedSizeBytes === undefined) return undefined;
  const inSync = inSyncOf(mirror);
  const missing = volume.replicas.filter(({ uuid }) => !inSync.has(uuid));
  const becomes = `before it becomes ${formatSize(volume.wantedSizeBytes)} large`;
  if (missing.length > 0) return wait(`a copy to ${namesOf(missing, facts)} ${becomes}`);
  const head =
    mirror.headStopped || mirror.head === nobody ? undefined : facts.saidOf(mirror.head, volume.name);
  if (head?.state !== 'serving') return wait(`a head that serves ${becomes}`);
  if (head.error === undefined)
    return wait(`its replicas to become ${formatSize(volume.wantedSizeBytes)} large`);
  // The head knows replicas, people know nodes.
  const why = volume.replicas.reduce(
    (text, { uuid, node }) => text.replaceAll(uuid, `on '${nameOf(node, facts)}'`),
    head.error,
  );
  return wait(`its replicas to become larger: ${why}`);
}

/** Of nodes that are away, and not for long enough yet. */
function lostStep(replicas: readonly PlacedReplica[], facts: StepFacts): VolumeStep | undefined {
  const away = replicas.filter(({ node }) => !facts.present.has(node));
  if (away.length === 0) return undefined;
  const since = away.map(({ node }) => facts.lostSinceMs.get(node) ?? facts.nowMs);
  return wait(`${namesOf(away, facts)} to come back`, Math.min(...since) + facts.replaceAfterMs);
}

function isToLeave(
  { node }: PlacedReplica,
  { nodes, present, lostSinceMs, nowMs, replaceAfterMs }: StepFacts,
): boolean {
  const record = nodes.get(node);
  if (record === undefined || record.state === 'evacuating' || record.state === 'decommissioned') return true;
  if (present.has(node)) return false;
  const since = lostSinceMs.get(node);
  return since !== undefined && nowMs >= since + replaceAfterMs;
}

/** Its data is deleted, or nobody can ever say so. */
function isGone(
  { name }: VolumeRecord,
  { uuid, node }: PlacedReplica,
  { nodes, saidOf }: StepFacts,
): boolean {
  const record = nodes.get(node);
  if (record === undefined || record.state === 'decommissioned') return true;
  const said = saidOf(node, name);
  return said?.replica === uuid && said.state === 'discarded';
}

function isThere({ name }: VolumeRecord, { uuid, node }: PlacedReplica, { saidOf }: StepFacts): boolean {
  const said = saidOf(node, name);
  return said?.replica === uuid && said.state !== 'absent' && said.state !== 'discarded';
}

function inSyncOf({ members }: MirrorRecord): ReadonlySet<string> {
  return new Set(members.flatMap(({ uuid, inSync }) => (inSync ? [uuid] : [])));
}

function nameOf(node: string, { nodes }: StepFacts): string {
  return nodes.get(node)?.name ?? node;
}

function namesOf(replicas: readonly PlacedReplica[], facts: StepFacts): string {
  return replicas.map(({ node }) => `'${nameOf(node, facts)}'`).join(', ');
}
