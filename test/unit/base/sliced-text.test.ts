import { describe, expect, it } from 'vitest';
import { inSlices, jsonWithList } from '../../../src/base/sliced-text.js';

async function partsOf(pieces: Iterable<string>): Promise<string[]> {
  const parts: string[] = [];
  for await (const part of inSlices(pieces)) parts.push(part);
  return parts;
}

/** How many turns others have had until `work` is done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let working = true;
  const count = () => {
    turns += 1;
    if (working) setImmediate(count);
  };
  setImmediate(count);
  await work();
  working = false;
  return turns;
}

function* holding(ms: number): Generator<string> {
  const begin = performance.now();
  while (performance.now() - begin < ms);
  yield '';
}

describe('inSlices', () => {
  it('gives every piece once and in order, in few parts', async () => {
    const pieces = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`);
    const parts = await partsOf(pieces);
    expect(parts.join('')).toBe(pieces.join(''));
    expect(parts.length).toBeLessThan(pieces.length / 100);
    for (const part of parts) expect(part.length).toBeLessThan(65 * 1024);
  });

  it('lets others have their turn between two parts', async () => {
    const text = 'x'.repeat(70_000);
    expect(await turnsDuring(() => partsOf([text, text, text, text]))).toBeGreaterThanOrEqual(4);
  });

  it('lets others have their turn in work that makes no text', async () => {
    const work = Array.from({ length: 4 }, () => holding(10));
    const pieces = (function* () {
      for (const one of work) yield* one;
    })();
    let parts: readonly string[] = ['none yet'];
    const turns = await turnsDuring(async () => {
      parts = await partsOf(pieces);
    });
    expect(parts).toEqual([]);
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  it('fails where a piece cannot be made', async () => {
    const broken = (function* () {
      yield 'a';
      throw new Error('broken');
    })();
    await expect(partsOf(broken)).rejects.toThrow('broken');
  });
});

describe('jsonWithList', () => {
  it('is what JSON.stringify makes of the whole', () => {
    for (const head of [{}, { node: 'a"\\b', none: undefined, numbers: [1, 2] }]) {
      for (const items of [[], [{ a: 1 }], [{ a: '\n' }, 'two', null, { b: undefined }]]) {
        const text = [...jsonWithList(head, 'the "list"', items)].join('');
        expect(text).toBe(JSON.stringify({ ...head, 'the "list"': items }));
      }
    }
  });
});
