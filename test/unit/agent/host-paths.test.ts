// When a head is to follow its hosts: decided by a standby, of what the head's node says and whom it hears.
import { describe, expect, it } from 'vitest';
import { heardMarginMs, hostToFollow } from '../../../src/agent/host-paths.js';
import type { ConnectedHost } from '../../../src/native/types.js';

const keepAliveMs = 2_000;
const lost = (nqn: string, silentMs = keepAliveMs) => ({ nqn, keepAliveMs, silentMs });
const heard = (nqn: string, silentMs = 0, ending = false): ConnectedHost => {
  return { nqn, keepAliveMs, silentMs, ending };
};
const follow = (
  there: { readonly lost: readonly string[]; readonly connected: readonly string[] },
  here: readonly ConnectedHost[],
  knownMs = 0,
) =>
  hostToFollow({
    there: { epoch: 3n, connected: there.connected, lost: there.lost.map((nqn) => lost(nqn)) },
    knownMs: () => knownMs,
    here,
  })?.nqn;

describe('a head that a host does not reach', () => {
  it('goes where that host is heard', () => {
    expect(follow({ lost: ['x'], connected: [] }, [heard('x')])).toBe('x');
    expect(follow({ lost: ['w', 'x'], connected: [] }, [heard('x')])).toBe('x');
  });

  it('stays where the host is heard nowhere, though its time-out ends later elsewhere', () => {
    expect(follow({ lost: ['x'], connected: [] }, [])).toBeUndefined();
    expect(follow({ lost: ['x'], connected: [] }, [heard('x', 0, true)])).toBeUndefined();
    // Half of the time-out after the last time there, at the latest, it would have been heard there too.
    const atMs = keepAliveMs / 2 - heardMarginMs;
    expect(follow({ lost: ['x'], connected: [] }, [heard('x', atMs + 1)])).toBeUndefined();
    expect(follow({ lost: ['x'], connected: [] }, [heard('x', atMs)])).toBe('x');
    for (const passedMs of [1, 500, 10_000]) {
      // What passes makes no host live.
      expect(follow({ lost: ['x'], connected: [] }, [heard('x', atMs + 1 + passedMs)], passedMs)).toBe(
        undefined,
      );
    }
  });

  it('waits where a connection broke, until the host was heard once more and is not back', () => {
    const there = { epoch: 3n, connected: [], lost: [lost('x', 0)] };
    const at = (knownMs: number, silentMs: number) =>
      hostToFollow({ there, knownMs: () => knownMs, here: [heard('x', silentMs)] })?.nqn;
    expect(at(0, 0)).toBeUndefined();
    expect(at(keepAliveMs / 2, 0)).toBeUndefined();
    expect(at(keepAliveMs / 2 + heardMarginMs, 0)).toBe('x');
  });

  it('stays where another host is that reaches it alone', () => {
    expect(follow({ lost: ['x'], connected: ['y'] }, [heard('x')])).toBeUndefined();
    expect(follow({ lost: ['x'], connected: ['y'] }, [heard('x'), heard('y', 0, true)])).toBeUndefined();
    expect(follow({ lost: ['x'], connected: ['y'] }, [heard('x'), heard('y')])).toBe('x');
    // Its way here broke when that of the other one to the head did.
    expect(follow({ lost: ['x'], connected: ['y'] }, [heard('x'), heard('y', 1_000)])).toBeUndefined();
    const silent = { ...heard('y', 1_000_000), keepAliveMs: 0 }; // it has promised nothing
    expect(follow({ lost: ['x'], connected: ['y'] }, [heard('x'), silent])).toBe('x');
  });
});
