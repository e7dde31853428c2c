// While somebody does not take the store for the cluster's, nothing is decided by it and nothing that is
// asked for is written to it: what it says may be of another time.
import { StoreRestoredError } from '../base/cluster-errors.js';
import { refusalText } from '../cluster/model/refusal.js';
import type { ClusterSnapshot } from './cluster-state.js';

type Refusals = Pick<ClusterSnapshot, 'refusals'>;

export function isRefused({ refusals }: Refusals): boolean {
  return refusals.size > 0;
}

/** Fails with STORE_RESTORED. */
export function failIfRefused({ refusals }: Refusals): void {
  if (refusals.size > 0) throw new StoreRestoredError(refusalText(refusals.values()));
}
