import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { KeyedLock } from '../../../src/base/keyed-lock.js';

let lock: KeyedLock;
let steps: string[];
beforeEach(() => {
  lock = new KeyedLock();
  steps = [];
});

/** Work that ends when it is told to. */
class Held {
  end: () => void = () => undefined;
  readonly done: Promise<void>;
  constructor(kind: 'exclusive' | 'shared', key: string, name: string) {
    this.done = lock[kind](key, async () => {
      steps.push(`${name} in`);
      await new Promise<void>((resolve) => {
        this.end = resolve;
      });
      steps.push(`${name} out`);
    });
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a keyed lock', () => {
  it('lets those who share in together, and one who does not alone, in the order they came', async () => {
    const held = [
      new Held('shared', 'k', 'a'),
      new Held('shared', 'k', 'b'),
      new Held('exclusive', 'k', 'c'),
      new Held('shared', 'k', 'd'),
      new Held('shared', 'k', 'e'),
    ];
    await turn();
    expect(steps).toEqual(['a in', 'b in']);
    held[1]!.end();
    await turn();
    expect(steps.slice(2)).toEqual(['b out']);
    held[0]!.end();
    await turn();
    expect(steps.slice(3)).toEqual(['a out', 'c in']);
    held[2]!.end();
    await turn();
    expect(steps.slice(5)).toEqual(['c out', 'd in', 'e in']);
    for (const one of held) one.end();
    await Promise.all(held.map(({ done }) => done));
    expect(lock.keysCount).toBe(0);
  });

  it('lets other keys be', async () => {
    const one = new Held('exclusive', 'k', 'a');
    const other = new Held('exclusive', 'l', 'b');
    await turn();
    expect(steps).toEqual(['a in', 'b in']);
    one.end();
    other.end();
    await Promise.all([one.done, other.done]);
  });

  it('is free again when the work failed', async () => {
    await expect(lock.exclusive('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(lock.exclusiveAll(['b', 'a', 'b'], async () => lock.keysCount)).resolves.toBe(2);
    expect(lock.keysCount).toBe(0);
  });

  it('never has two at work on one key, whatever is asked', async () => {
    const request = fc.record({
      keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }),
      turns: fc.nat({ max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 20 }), async (requests) => {
        const busy = new Set<string>();
        await Promise.all(
          requests.map(({ keys, turns }) =>
            lock.exclusiveAll(keys, async () => {
              for (const key of keys) {
                expect(busy.has(key)).toBe(false);
                busy.add(key);
              }
              for (let left = turns; left > 0; left -= 1) await turn();
              for (const key of keys) busy.delete(key);
            }),
          ),
        );
        expect(lock.keysCount).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});
