// The simulation of the control plane, in short; `npm run sim:control` runs more seeds.
import { describe, expect, it } from 'vitest';
import { simulate } from '../../sim/control-plane/simulation.js';

const seedsAtOnce = 10;

describe('a cluster under requests, crashes and partitions', () => {
  it.each([1, 11, 21])(
    'breaks no promise and heals, seeds from %i',
    async (from) => {
      for (let seed = from; seed < from + seedsAtOnce; seed += 1) {
        const { ok, failures, trace } = await simulate({ seed });
        expect(ok, `seed ${seed}: ${failures.join('\n')}\n${trace?.join('\n')}`).toBe(true);
      }
    },
    120_000,
  );

  it('does the same for the same seed', async () => {
    const [one, other, another] = [
      await simulate({ seed: 7 }),
      await simulate({ seed: 7 }),
      await simulate({ seed: 8 }),
    ];
    expect(one).toEqual(other);
    expect(one.lines).toBeGreaterThan(50);
    expect(another.sum).not.toBe(one.sum);
  }, 60_000);
});
