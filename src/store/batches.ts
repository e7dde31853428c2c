// More writes than one commit takes, in as few commits as they need.
import { commitBytesMax, commitOperationsMax } from './checks.js';
import type { Write } from './types.js';

/** In their order; each is a commit's, by its operations and its bytes. What is too large alone is alone. */
export function* batchesOf(writes: Iterable<Write>): Generator<readonly Write[]> {
  let batch: Write[] = [];
  let batchBytes = 0;
  for (const write of writes) {
    const bytes = write.key.length + (write.type === 'put' ? write.value.byteLength : 0);
    const isFull = batch.length === commitOperationsMax || batchBytes + bytes > commitBytesMax;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      batchBytes = 0;
    }
    batch.push(write);
    batchBytes += bytes;
  }
  if (batch.length > 0) yield batch;
}
