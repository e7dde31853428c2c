// What a failed call to etcd means: whether it may be sent again, and whether what was asked for may have
// been done all the same. Statuses are those of gRPC; texts that begin with `etcdserver:` come from etcd
// itself (etcd 3.4, etcdserver/api/v3rpc/rpctypes), all others from what lies between.
import { StoreInDoubtError, StoreUnavailableError } from '../../base/control-errors.js';
import { CallFailure } from '../../rpc/connection.js';
import { isPassing as isPassingAnywhere } from '../../rpc/endpoints.js';
import type { StatusName } from '../../rpc/status.js';

/** Refused before it was proposed to the cluster, or by all members alike. */
const refusing: ReadonlySet<StatusName> = new Set([
  ...(['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'NOT_FOUND', 'OUT_OF_RANGE'] as const),
  ...(['PERMISSION_DENIED', 'UNAUTHENTICATED', 'RESOURCE_EXHAUSTED', 'UNIMPLEMENTED'] as const),
]);

/** Another attempt, perhaps at another member, may succeed. */
export function isPassing(failure: CallFailure): boolean {
  return isPassingAnywhere(failure) || failure.details.startsWith('etcdserver: too many requests');
}

/** The token is too old, or the member does not know it: a new one helps. */
export function needsNewToken({ details }: CallFailure): boolean {
  return /^etcdserver: (?:invalid auth token|revision of auth store is old)/.test(details);
}

export function isCompacted({ status, details }: CallFailure): boolean {
  return status === 'OUT_OF_RANGE' && details.includes('compacted');
}

export function isLeaseUnknown({ status, details }: CallFailure): boolean {
  return status === 'NOT_FOUND' && details.includes('lease not found');
}

/** The outcome of a call that may be done twice, as callers of the store hear it. */
export async function told<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof CallFailure ? unavailable(operation, error) : error;
  }
}

export function unavailable(operation: string, failure: CallFailure): StoreUnavailableError {
  return new StoreUnavailableError(operation, textOf(failure), { cause: failure });
}

/** What a caller hears of a call that was to change something. */
export function changeFailed(
  operation: string,
  failure: CallFailure,
): StoreUnavailableError | StoreInDoubtError {
  const refused = refusing.has(failure.status) && failure.details.startsWith('etcdserver:');
  if (refused || !failure.sent) return unavailable(operation, failure);
  return new StoreInDoubtError(operation, textOf(failure), { cause: failure });
}

function textOf({ status, details }: CallFailure): string {
  return details === '' ? status : details;
}
