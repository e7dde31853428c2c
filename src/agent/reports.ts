// Says what is on the disks of this node, while somebody may need it to make records anew: the store is
// refused, or somebody asks. Written to the store as it is, refused or not, and taken back when nobody
// needs it.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { lineageKey, nodeReportKey, replicaReportKey, reportsPrefixOf } from '../cluster/model/keys.js';
import type { NodeRecord } from '../cluster/model/node.js';
import { encodeNodeReport, encodeReplicaReport, type ReplicaReport } from '../cluster/model/report.js';
import { batchesOf } from '../store/batches.js';
import type { Store, Versioned, Write } from '../store/types.js';

export interface ReportsOptions {
  /** Not guarded: it may be refused. */
  readonly store: Pick<Store, 'list' | 'commit'>;
  readonly node: NodeRecord;
  readonly inventory: () => Promise<readonly ReplicaReport[]>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is found may change while heads go on. */
export const reportMs = 2_000;

export class Reports {
  readonly #options: ReportsOptions;
  #isOn = false;
  #mayBeThere = true;
  #forget = () => {};
  #working: Promise<void> | undefined;
  #closed = false;
  #warned = '';

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Whether somebody needs it. */
  set(isOn: boolean): void {
    this.#isOn = isOn;
    this.#turn();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    await this.#working;
  }

  #turn(): void {
    if (this.#closed || this.#working !== undefined || (!this.#isOn && !this.#mayBeThere)) return;
    this.#forget();
    this.#working = this.#write().finally(() => {
      this.#working = undefined;
      if (!this.#closed) this.#forget = this.#options.clock.after(reportMs, () => this.#turn());
    });
  }

  /** Never fails. */
  async #write(): Promise<void> {
    const { store, node, inventory, log } = this.#options;
    try {
      const wanted = new Map<string, Uint8Array>();
      if (this.#isOn) {
        const all = await inventory();
        for (const one of all) wanted.set(replicaReportKey(node.id, one.uuid), encodeReplicaReport(one));
        wanted.set(nodeReportKey(node.id), encodeNodeReport({ node, replicasCount: all.length }));
      }
      const { entries: lineage } = await store.list(lineageKey);
      const known = lineage.find(({ key }) => key === lineageKey)?.revision ?? 0n;
      const { entries } = await store.list(reportsPrefixOf(node.id));
      const writes = changes(entries, wanted);
      // In order: that of the node comes last.
      for (const some of batchesOf(writes)) {
        const { ok } = await store.commit([{ key: lineageKey, revision: known }], some);
        if (!ok) return; // another store by now: looked at again
      }
      this.#mayBeThere = wanted.size > 0;
      this.#warned = '';
    } catch (err) {
      const text = err instanceof Error ? err.message : String(err);
      if (text !== this.#warned)
        log.warn({ room: 'agent', err }, 'what is on the disks here cannot be told now');
      this.#warned = text;
    }
  }
}

function changes(there: readonly Versioned[], wanted: ReadonlyMap<string, Uint8Array>): readonly Write[] {
  const known = new Map(there.map(({ key, value }) => [key, value]));
  const gone = there.filter(({ key }) => !wanted.has(key));
  const differ = [...wanted].filter(([key, value]) => {
    const before = known.get(key);
    return before === undefined || Buffer.compare(before, value) !== 0;
  });
  return [
    ...gone.map(({ key }): Write => ({ type: 'delete', key })),
    ...differ.map(([key, value]): Write => ({ type: 'put', key, value })),
  ];
}
