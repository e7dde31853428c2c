// A node writes its record into the store: what it says of itself, whenever it starts. What was decided about
// it stays. Two that join at once get neither one name nor one slot: each new one changes a key of all.
import type { Clock } from '../base/clock.js';
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { LineageWatch } from '../cluster/lineage/lineage-watch.js';
import { joinsKey, nodeKey, nodesPrefix } from '../cluster/model/keys.js';
import { type JoiningNode, joinNode, type NodeRecord } from '../cluster/model/node.js';
import { decodeNode, encodeNode } from '../cluster/model/node-record.js';
import type { Store } from '../store/types.js';

export interface JoinOptions {
  readonly store: Pick<Store, 'list' | 'get' | 'commit'>;
  readonly joining: JoiningNode;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts: it is not wanted any more. */
  readonly signal: AbortSignal;
}

export interface RejoinOptions extends JoinOptions {
  /** Of this node alone. */
  readonly local: Pick<Store, 'get' | 'commit'>;
  /** Over the store. */
  readonly lineage: Pick<LineageWatch, 'check' | 'refusal'>;
}

export const retryMs = 1_000;
/** In the LevelDB of the node: its record, as it was in the store. */
const ownRecordKey = 'cluster/own-record';

/**
 * Resolves when the record is in the store, however long the store is away. Fails where the node cannot be
 * one of the cluster (NODE_STATE, CLUSTER_RECORD_DAMAGED, INVALID_ARGUMENT), and when the signal aborts.
 */
export async function joinStore(options: JoinOptions): Promise<NodeRecord> {
  const { clock, log, signal } = options;
  let isTold = false;
  for (;;) {
    try {
      const record = await tryJoin(options);
      if (record !== undefined) return record;
    } catch (err) {
      if (!mayPass(err)) throw err;
      if (!isTold) log.warn({ room: 'agent', err }, 'waiting for the store of the cluster');
      isTold = true;
      await new Promise<void>((resolve) => void clock.after(retryMs, resolve));
    }
    signal.throwIfAborted();
  }
}

/**
 * The record of this node. Where the store is refused it is the one of before: what is on the disks here
 * may be needed to make the store's records anew, and is known to nobody else. The node joins again when it
 * is taken.
 */
export async function joinOrRemembered({ local, lineage, ...join }: RejoinOptions): Promise<NodeRecord> {
  const remember = async () => {
    const record = await joinStore(join);
    await local.commit([], [{ type: 'put', key: ownRecordKey, value: encodeNode(record) }]);
    return record;
  };
  const known = await local.get(ownRecordKey);
  const isRefused = async () => {
    await lineage.check().catch(() => undefined); // it is away: joining waits for it
    return lineage.refusal !== undefined;
  };
  if (known === undefined || !(await isRefused())) return remember();
  void remember().catch((err: unknown) => {
    if (!join.signal.aborted) join.log.error({ room: 'agent', err }, 'the node could not join again');
  });
  return decodeNode(ownRecordKey, known.value);
}

/** Undefined: another one was faster. */
async function tryJoin({ store, joining, clock }: JoinOptions): Promise<NodeRecord | undefined> {
  const joins = await store.get(joinsKey); // before the nodes: who joins in between makes the commit fail
  const { entries } = await store.list(nodesPrefix);
  const nodes = entries.map(({ key, value }) => decodeNode(key, value));
  const record = joinNode(joining, nodes, clock.date());
  if (nodes.includes(record)) return record;
  const key = nodeKey(record.id);
  const known = entries.find((entry) => entry.key === key);
  const { ok } = await store.commit(
    [
      { key, revision: known?.revision ?? 0n },
      { key: joinsKey, revision: joins?.revision ?? 0n },
    ],
    [
      { type: 'put', key, value: encodeNode(record) },
      { type: 'put', key: joinsKey, value: Buffer.from(record.id) },
    ],
  );
  return ok ? record : undefined;
}

function mayPass(error: unknown): boolean {
  return error instanceof DomainError && passing.has(error.code);
}

/** Of a store that is refused somebody decides, some time. */
const passing: ReadonlySet<string> = new Set(['STORE_UNAVAILABLE', 'STORE_IN_DOUBT', 'STORE_RESTORED']);
