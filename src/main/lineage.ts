// The store of a cluster with what watches over it, for nodes and controllers: see src/cluster/lineage.

import { systemClock } from '../base/clock.js';
import { StoreRestoredError } from '../base/cluster-errors.js';
import type { Log } from '../base/log.js';
import { LineageWatch } from '../cluster/lineage/lineage-watch.js';
import type { Marks } from '../cluster/lineage/marks.js';
import type { Refusal } from '../cluster/model/refusal.js';
import type { ClusterStore } from '../store/cluster-store.js';
import type { DaemonStore } from '../store/daemon-store.js';
import { DistantStore } from '../store/distant-store.js';

export interface WatchedStoreOptions {
  readonly opened: Pick<DaemonStore, 'store'> | Pick<ClusterStore, 'store' | 'wentBack' | 'accept'>;
  readonly marks: Marks;
  readonly who: Pick<Refusal, 'id' | 'name' | 'kind'>;
  readonly log: Log;
}

/** Started; what it finds at once is in its `refusal`. To be closed before the store is. */
export async function watchLineage({ opened, marks, who, log }: WatchedStoreOptions): Promise<LineageWatch> {
  const { store } = opened;
  const forgetLineage = store instanceof DistantStore ? () => store.forgetLineage() : undefined;
  const watch = new LineageWatch({
    ...{ marks, who, log, clock: systemClock },
    ...('accept' in opened && { accept: opened.accept }),
    store: {
      list: (prefix) => store.list(prefix),
      commit: (compare, write) => store.commit(compare, write),
      ...(forgetLineage !== undefined && { forgetLineage }),
    },
  });
  await watch.start();
  if ('wentBack' in opened && opened.wentBack !== undefined) {
    // By what is remembered beside the lineage; until somebody has decided for another one.
    watch.refuse(opened.wentBack, async () => true);
  }
  return watch;
}

/** Looks at it for the first time; where it is refused that is no error. */
export async function firstLook(watch: LineageWatch): Promise<void> {
  try {
    await watch.check();
  } catch (error) {
    if (!(error instanceof StoreRestoredError)) throw error;
  }
}
