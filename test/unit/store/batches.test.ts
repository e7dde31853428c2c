// Writes in as few commits as the store takes them in.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batchesOf } from '../../../src/store/batches.js';
import { checkCommit, commitBytesMax, commitOperationsMax } from '../../../src/store/checks.js';
import type { Write } from '../../../src/store/types.js';

const put = (key: string, bytes: number): Write => ({ type: 'put', key, value: new Uint8Array(bytes) });

it('keeps their order, loses none, and makes each batch one that the store takes', () => {
  const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(commitBytesMax - 10)), { maxLength: 300, size: 'max' });
  fc.assert(
    fc.property(sizes, (all) => {
      const writes = all.map((bytes, index) => put(`k${index}`, bytes));
      const batches = [...batchesOf(writes)];
      expect(batches.flat()).toEqual(writes);
      for (const batch of batches) checkCommit([], batch);
    }),
    { numRuns: 30 },
  );
});

it('fills a batch before the next one begins', () => {
  const many = Array.from({ length: commitOperationsMax + 1 }, (_, index) => put(`k${index}`, 1));
  expect([...batchesOf(many)].map((batch) => batch.length)).toEqual([commitOperationsMax, 1]);
  const half = commitBytesMax / 2 - 1;
  const large = ['a', 'b', 'c'].map((key) => put(key, half));
  expect([...batchesOf(large)].map((batch) => batch.length)).toEqual([2, 1]);
  expect([...batchesOf([])]).toEqual([]);
});
