// The next step of a snapshot of a volume, decided from what the store says, by nothing else. Pure. What must
// stay true: one that is not as it should be has an owner of its next step, which is the agent of the head of
// its volume (src/agent/node-snapshots.ts), whoever the volume itself waits for, or this; `for` says what it
// is.
import { leavingOf, type VolumeRecord } from '../cluster/model/volume.js';
import { realMembers } from '../mirrors/record.js';
import { baseSnapshotName, type NamedSnapshot, type StoredSnapshot } from '../mirrors/snapshot-records.js';
import type { MirrorRecord } from '../native/mirror-types.js';

export type SnapshotStep =
  /** Its record is to be this. */
  | { readonly kind: 'change'; readonly to: StoredSnapshot; readonly reason: string; readonly text: string }
  | { readonly kind: 'wait'; readonly for: string }
  | { readonly kind: 'none' };

export interface SnapshotFacts {
  readonly mirror: MirrorRecord | undefined;
  /** Of a node, by its UUID. */
  readonly nameOf: (node: string) => string;
  /** For how long it has been wanted, as far as is known, in milliseconds. */
  readonly wantedForMs: number;
}

/**
 * One that was not taken by then is not any more: whoever asked was told so, or is gone. Longer than a head
 * tries, and than a request waits.
 */
export const giveUpMs = 60_000;

export function nextSnapshotStep(
  volume: VolumeRecord,
  { name, snapshot }: NamedSnapshot,
  facts: SnapshotFacts,
): SnapshotStep {
  if (volume.state === 'deleting') return wait('its volume to be deleted');
  const { state, members } = snapshot;
  if (state === 'wanted' || state === 'taking') {
    if (facts.wantedForMs < giveUpMs) return wait('a head that takes it');
    const text = `snapshot '${name}' was not taken in time`;
    return { kind: 'change', to: giveUp(snapshot, text), reason: 'SnapshotNotTaken', text };
  }
  if (state === 'deleting') {
    const { cloning = [] } = snapshot;
    if (cloning.length > 0) return wait(`volumes that are being made of it: ${cloning.join(', ')}`);
    const who = members.length === 0 ? 'its head' : nodesOf(volume, members, facts);
    return wait(`it to be deleted by ${who}`);
  }
  if (facts.mirror === undefined) return wait('the mirror record of its volume');
  const there = realMembers(facts.mirror).map(({ uuid }) => uuid);
  if (there.every((uuid) => !members.includes(uuid))) {
    const text = `snapshot '${name}' is lost: no replica has it any more`;
    return { kind: 'change', to: giveUp(snapshot, text), reason: 'SnapshotLost', text };
  }
  const lacking = name === baseSnapshotName ? [] : lackingOf(volume, snapshot);
  return lacking.length === 0 ? { kind: 'none' } : wait(`a copy of it to ${nodesOf(volume, lacking, facts)}`);
}

/** It goes, from all members that may have something of it. */
export function giveUp(snapshot: StoredSnapshot, trouble?: string): StoredSnapshot {
  const { trouble: _before, ...rest } = snapshot;
  return { ...rest, state: 'deleting', ...(trouble !== undefined && { trouble }) };
}

/** UUIDs of replicas that are to have it, and do not; none: it is complete. */
export function lackingOf(volume: VolumeRecord, { members }: StoredSnapshot): readonly string[] {
  return volume.replicas.flatMap(({ uuid }) => (members.includes(uuid) ? [] : uuid));
}

/** The nodes of replicas, in words. */
function nodesOf(volume: VolumeRecord, replicas: readonly string[], { nameOf }: SnapshotFacts): string {
  const all = [...volume.replicas, ...leavingOf(volume)];
  const nodes = all.flatMap(({ uuid, node }) => (replicas.includes(uuid) ? `'${nameOf(node)}'` : []));
  return nodes.length === 0 ? 'its head' : nodes.join(', ');
}

function wait(what: string): SnapshotStep {
  return { kind: 'wait', for: what };
}
