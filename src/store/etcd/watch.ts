// The streams of a watch of etcd, and why they end.
import { StoreGapError } from '../../base/control-errors.js';
import { CallFailure } from '../../rpc/connection.js';
import type { WatchStep, WatchStreams } from '../distant-watch.js';
import type { Lineage } from '../lineage.js';
import { ChangeSets } from './change-sets.js';
import type { EtcdEndpoints } from './endpoints.js';
import { isPassing, needsNewToken, unavailable } from './failures.js';
import type { EtcdKeys } from './keys.js';
import { markOf } from './mark.js';
import type { WatchResponse } from './messages.js';
import { etcdServices } from './services.js';

export interface EtcdWatchContext {
  readonly endpoints: EtcdEndpoints;
  readonly keys: EtcdKeys;
  readonly lineage: Lineage;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
  /** Of the whole store, as a quorum knows it. */
  readonly revision: () => Promise<bigint>;
}

export function etcdWatch(context: EtcdWatchContext, prefix: string): WatchStreams {
  return {
    open: (after, signal) => stream(context, prefix, after, signal),
    closing: context.closing,
    failed: (error, again) => {
      if (!(error instanceof CallFailure)) return error;
      // A member that was restarted has forgotten its tokens, and says of a watch no more than this.
      const denied = error.status === 'PERMISSION_DENIED' && !again;
      if (denied) context.endpoints.forgetToken();
      return denied || isPassing(error) || needsNewToken(error) || unavailable('watch', error);
    },
  };
}

async function* stream(
  { endpoints, keys, lineage, revision }: EtcdWatchContext,
  prefix: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<WatchStep> {
  const createRequest = {
    ...keys.range(prefix),
    startRevision: String(after + 1n),
    progressNotify: true,
    fragment: true,
  };
  const sets = new ChangeSets(keys);
  for await (const answer of endpoints.stream(etcdServices().watch.Watch, { createRequest }, signal)) {
    const known = lineage.note(markOf(answer.header));
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
