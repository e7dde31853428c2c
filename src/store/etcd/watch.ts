// One watch over as many streams as it takes: when one breaks the next begins after the last commit that was
// given out, at another member if need be, for as long as its reader wants. Silence of etcd is silence here.
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreGapError } from '../../base/control-errors.js';
import { ClosedError } from '../../base/errors.js';
import { CallFailure } from '../../rpc/connection.js';
import type { ChangeSet } from '../types.js';
import { ChangeSets } from './change-sets.js';
import type { EtcdEndpoints } from './endpoints.js';
import { isPassing, needsNewToken, unavailable } from './failures.js';
import type { EtcdKeys } from './keys.js';
import type { Lineage } from './lineage.js';
import type { WatchResponse } from './messages.js';
import { etcdServices } from './services.js';

const backoffMsMin = 25;
const backoffMsMax = 1_000;

export interface WatchContext {
  readonly endpoints: EtcdEndpoints;
  readonly keys: EtcdKeys;
  readonly lineage: Lineage;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
  /** Of the whole store, as a quorum knows it. */
  readonly revision: () => Promise<bigint>;
}

export async function* watchEtcd(
  context: WatchContext,
  prefix: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<ChangeSet> {
  const ended = AbortSignal.any([signal, context.closing]);
  let cursor = after;
  let failures = 0;
  let denied = false;
  while (!ended.aborted) {
    try {
      for await (const step of stream(context, prefix, cursor, ended)) {
        failures = 0;
        denied = false;
        cursor = step.revision;
        if (step.set !== undefined) yield step.set;
      }
    } catch (error) {
      if (ended.aborted) break;
      if (!(error instanceof CallFailure)) throw error;
      // A member that was restarted has forgotten its tokens, and says of a watch no more than this.
      const again: boolean = error.status === 'PERMISSION_DENIED' && !denied;
      if (again) context.endpoints.forgetToken();
      denied ||= again;
      if (!again && !isPassing(error) && !needsNewToken(error)) throw unavailable('watch', error);
    }
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** failures) * (0.5 + Math.random() / 2);
    failures = Math.min(failures + 1, 8);
    await sleep(backoffMs, undefined, { signal: ended }).catch(() => undefined);
  }
  if (!signal.aborted) throw new ClosedError('the store');
}

/** The reader knows everything up to `revision` when it has had `set`. */
interface Step {
  readonly revision: bigint;
  readonly set?: ChangeSet;
}

async function* stream(
  { endpoints, keys, lineage, revision }: WatchContext,
  prefix: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const createRequest = {
    ...keys.range(prefix),
    startRevision: String(after + 1n),
    progressNotify: true,
    fragment: true,
  };
  const sets = new ChangeSets(keys);
  for await (const answer of endpoints.stream(etcdServices().watch.Watch, { createRequest }, signal)) {
    const known = lineage.note(answer.header);
    if (answer.canceled) throw whyCanceled(answer, after);
    if (answer.created) {
      // etcd would wait for a revision that is yet to come. A member may be behind: then all are asked.
      if (known < after && (await revision()) < after) {
        throw new StoreGapError(after, `the store is at ${known} and never was there`);
      }
      yield { revision: after };
      continue;
    }
    for (const set of sets.add(answer)) yield { revision: set.revision, set };
    // An answer without events: all before its revision have been sent.
    if (answer.events.length === 0 && !sets.isWaiting && known > after) yield { revision: known };
  }
}

function whyCanceled({ compactRevision, cancelReason }: WatchResponse, after: bigint): Error {
  if (compactRevision !== '0') {
    return new StoreGapError(after, `etcd keeps changes from ${compactRevision} on only`);
  }
  const reason = cancelReason === '' ? 'etcd ended the watch' : cancelReason;
  return new CallFailure(/PermissionDenied/.test(reason) ? 'PERMISSION_DENIED' : 'UNAVAILABLE', reason);
}
