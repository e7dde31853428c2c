// Who becomes head of a volume, decided by each node that keeps a replica of it, for itself (decision 0010,
// "Takeover"). Pure: the same facts give the same step, and no step is safe or unsafe by what stands here, as
// epochs decide that (docs/replication.md). What must stay true is only that somebody always has a next step.
import { nobody } from '../mirrors/record.js';
import type { HeadState, MirrorRecord } from '../native/mirror-types.js';

/** A node, and the replica of the volume that it keeps. */
export interface ReplicaPlace {
  /** UUID, by which it is head. */
  readonly node: string;
  /** UUID */
  readonly replica: string;
}

export interface TakeoverFacts {
  /** This one. */
  readonly here: ReplicaPlace;
  /** Of all nodes that are up, this one too; empty: not known yet. */
  readonly places: readonly ReplicaPlace[];
  readonly record: MirrorRecord;
  /** UUID of the node that the controller wants to be head. */
  readonly wanted?: string;
  /** Since when the controller wants that, as far as this node was told, by the steady clock. */
  readonly wantedSinceMs: number;
  /** Of the head in this process. */
  readonly state: HeadState;
  /** Since when no head uses the replica here, by the steady clock; undefined: one does. */
  readonly unusedSinceMs?: number;
  /** Since when the record says what it says. */
  readonly recordSinceMs: number;
  readonly nowMs: number;
}

export type TakeoverStep =
  | { readonly kind: 'none' }
  /** Nothing before; what is known then decides. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'promote' }
  | { readonly kind: 'demote' };

/**
 * A head that lives and lost only its connection to this replica takes the replica out of the set meanwhile,
 * which is a commit of the store: then nothing is to be taken over.
 */
export const unusedMs = 100;
/**
 * What a head that has just claimed the volume has time for to seal its replicas: they are unused until then.
 * Longer than it waits for one that is silent (seal_timeout_ns of the engine's heads): who is cut off from it
 * is out of the set by then, and does not claim the volume in turn.
 */
export const sealMs = 2_000;
/** Between one candidate and the next: the claim of the first is in the store by then. */
export const turnMs = 300;
/** What a node that is wanted as head has time for before others go on without it. */
export const wantedMs = 2_000;

const none: TakeoverStep = { kind: 'none' };

export function nextStep(facts: TakeoverFacts): TakeoverStep {
  const { here, record, state } = facts;
  // Another one is head. What is left of ours makes way, for hosts and for what comes.
  if (state === 'fenced' || state === 'stopped') return { kind: 'demote' };
  if (state !== 'standby') return shouldMove(facts) ? { kind: 'demote' } : none;
  if (!isInSync(record, here.replica)) return none;
  const readyMs = readyAtMs(facts);
  if (readyMs === undefined) return none;
  return facts.nowMs >= readyMs ? { kind: 'promote' } : { kind: 'wait', untilMs: readyMs };
}

/** A head goes only to a node that can be one, and stays until it is in order itself. */
function shouldMove(facts: TakeoverFacts): boolean {
  return facts.state === 'serving' && isElsewhereWanted(facts);
}

/** When it is this node's turn; undefined: not while things are as they are. */
function readyAtMs(facts: TakeoverFacts): number | undefined {
  const { here, record, unusedSinceMs, recordSinceMs, wantedSinceMs } = facts;
  const turn = candidates(facts).indexOf(here.node);
  if (turn < 0) return undefined; // who is up is not known yet
  // It said itself that it has ended, or there was none yet: nobody is to be waited for but who is wanted.
  if (record.headStopped && isElsewhereWanted(facts)) {
    // Of a new volume the record may be known long before anybody is wanted.
    return Math.max(recordSinceMs, wantedSinceMs) + wantedMs + turn * turnMs;
  }
  if (record.headStopped) return recordSinceMs + (facts.wanted === here.node ? 0 : turn * turnMs);
  // As a new process of the node that was head: the old one is gone. Or it was to move and could not end in
  // order: then who is wanted comes first.
  if (record.head === here.node && !isElsewhereWanted(facts)) return recordSinceMs;
  if (unusedSinceMs === undefined) return undefined;
  return Math.max(unusedSinceMs + unusedMs, recordSinceMs + sealMs) + turn * turnMs;
}

/** Another node is to be head, and could be. */
function isElsewhereWanted({ here, places, record, wanted }: TakeoverFacts): boolean {
  if (wanted === undefined || wanted === here.node) return false;
  const there = places.find(({ node }) => node === wanted);
  return there !== undefined && isInSync(record, there.replica);
}

/** Nodes that could be head, in the order in which they try. */
function candidates({ places, record, wanted }: TakeoverFacts): readonly string[] {
  const inSync = record.members.flatMap(({ uuid, inSync: is }) => {
    const place = places.find(({ replica }) => replica === uuid);
    // Who was head and has gone comes last, wanted or not: it counts as up for a while, and if it is up
    // again, it is not the one to wait for.
    return is && place !== undefined ? [place.node] : [];
  });
  const was = record.headStopped || record.head === nobody ? undefined : record.head;
  const rank = (node: string) => (node === was ? 2 : node === wanted ? 0 : 1);
  return inSync.sort((a, b) => rank(a) - rank(b));
}

function isInSync(record: MirrorRecord, replica: string): boolean {
  return record.members.some(({ uuid, inSync }) => uuid === replica && inSync);
}
