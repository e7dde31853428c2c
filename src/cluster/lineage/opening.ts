// A controller says that it has opened the store, before it uses it or lets others do so: from then on a
// copy of before is told from it.
import { randomUUID } from 'node:crypto';
import { StoreUnavailableError } from '../../base/control-errors.js';
import type { Store } from '../../store/types.js';
import { lineageKey } from '../model/keys.js';
import { decodeLineage, encodeLineage, withOpening } from './lineage-record.js';

const attemptsMax = 8;

export async function noteOpening(store: Pick<Store, 'get' | 'commit'>): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const found = await store.get(lineageKey);
    const before =
      found === undefined ? undefined : { record: decodeLineage(found.value), keyRevision: found.revision };
    const record = withOpening(before, randomUUID(), randomUUID);
    const { ok } = await store.commit(
      [{ key: lineageKey, revision: found?.revision ?? 0n }],
      [{ type: 'put', key: lineageKey, value: encodeLineage(record) }],
    );
    if (ok) return;
  }
  throw new StoreUnavailableError('open', 'other controllers open it all the time');
}
