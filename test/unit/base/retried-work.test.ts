import { describe, expect, it } from 'vitest';
import { RetriedWork } from '../../../src/base/retried-work.js';
import { FakeClock } from '../../support/fake-clock.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('work that is tried again', () => {
  function make(answers: boolean[]) {
    const clock = new FakeClock();
    const seen = { passes: 0, rests: 0, isHeld: false };
    const during = { pass: () => {} };
    const work = new RetriedWork({
      pass: async () => {
        seen.passes += 1;
        during.pass();
        return answers.shift() ?? true;
      },
      isHeld: () => seen.isHeld,
      onRest: () => {
        seen.rests += 1;
      },
      clock,
    });
    return { clock, seen, during, work };
  }

  it('rests when nothing is left, until it is woken', async () => {
    const { seen, work } = make([]);
    work.wake();
    await work.running;
    expect([seen.passes, seen.rests, work.running]).toEqual([1, 1, undefined]);
    work.wake();
    await work.running;
    expect(seen.passes).toBe(2);
  });

  it('looks again at once for what changed while it looked', async () => {
    const { seen, during, work } = make([true, false, true]);
    during.pass = () => {
      if (seen.passes < 3) work.wake();
    };
    work.wake();
    await work.running;
    expect([seen.passes, seen.rests]).toEqual([3, 1]);
  });

  it('tries again after a failure, ever later, and at once when woken', async () => {
    const { clock, seen, work } = make(Array(9).fill(false));
    work.wake();
    await settled();
    for (const [ms, passes] of [
      [999, 1],
      [1, 2],
      [1_999, 2],
      [1, 3],
      [4_000, 4],
    ] as const) {
      clock.advance(ms);
      await settled();
      expect(seen.passes).toBe(passes);
    }
    work.wake();
    await settled();
    expect(seen.passes).toBe(5);
    clock.advance(1_000);
    await settled();
    expect(seen.passes).toBe(6);
  });

  it('begins nothing while it is held, and ends its wait when it is interrupted', async () => {
    const { clock, seen, work } = make([false]);
    work.wake();
    await settled();
    expect(clock.timersCount).toBe(1);
    seen.isHeld = true;
    work.interrupt();
    await work.running;
    work.wake();
    expect([seen.passes, work.running]).toEqual([1, undefined]);
    seen.isHeld = false;
    work.wake();
    await work.running;
    expect(seen.passes).toBe(2);
  });
});
