// Whether a volume's head belongs here because hosts reach this node and not the one where it is. Pure; asked
// by the standbys, which know who they hear, of what the head's node says that it does not hear any more.
//
// What must stay true, so that heads do not wander: a head only goes where all hosts that are connected to
// it are heard too, and one more. While it stays the same who reaches whom, each move is to a node that more
// hosts reach, so it ends; a host that is gone everywhere, and two hosts that reach different nodes, move
// nothing.
import type { HostsOfHead, LostHostFacts } from '../cluster/model/lost-hosts.js';
import type { ConnectedHost } from '../native/types.js';

/** Keep Alives of one host to two nodes come so far apart at most, beyond half of its time-out. */
export const heardMarginMs = 250;
/** Between one move of a head and the next, for hosts' sake: where paths come and go it stays for a while. */
export const holdMs = 5_000;

export interface HostPathFacts {
  /** Of the head's node. */
  readonly there: HostsOfHead;
  /** How long this node has known that it says so of a host. */
  readonly knownMs: (lost: LostHostFacts) => number;
  /** Who is connected to this node. */
  readonly here: readonly ConnectedHost[];
}

/** The host for which it does; undefined: it stays. */
export function hostToFollow({ there, knownMs, here }: HostPathFacts): LostHostFacts | undefined {
  const connected = new Map(here.filter(({ ending }) => !ending).map((host) => [host.nqn, host]));
  return there.lost.find((lost) => {
    const isHeard = (nqn: string) => {
      const host = connected.get(nqn);
      return host !== undefined && isHeardSince(host, lost, knownMs(lost));
    };
    // One that has promised nothing is not heard, only connected.
    const isHere = (nqn: string) => connected.get(nqn)?.keepAliveMs === 0 || isHeard(nqn);
    return isHeard(lost.nqn) && there.connected.every(isHere);
  });
}

/**
 * It was heard here when the other node would have heard the lost one again: hosts send a Keep Alive at half
 * of their time-out at the latest, to all nodes. One that is gone everywhere is not heard then, though its
 * time-out ends here later than there; nor is one whose way here broke when that of the lost one did.
 */
function isHeardSince({ silentMs }: ConnectedHost, lost: LostHostFacts, knownMs: number): boolean {
  return silentMs + lost.keepAliveMs / 2 + heardMarginMs <= lost.silentMs + knownMs;
}
