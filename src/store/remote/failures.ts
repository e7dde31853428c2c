// From the status of a call to the error of the store that it means: that of the process that has the store
// open, where it said one; else what is known of a call that did not come back.
import {
  LeaseExpiredError,
  StoreFailedError,
  StoreGapError,
  StoreInDoubtError,
  StoreUnavailableError,
} from '../../base/control-errors.js';
import { type DomainError, InvalidArgumentError } from '../../base/errors.js';
import type { CallFailure } from '../../rpc/connection.js';
import { isPassing } from '../../rpc/endpoints.js';

/** Of a call that changes nothing, or nothing that counts twice. */
export function unavailable(operation: string, failure: CallFailure): DomainError {
  return told(operation, failure) ?? notDone(operation, failure);
}

/** Of a commit, which was sent once. */
export function changeFailed(operation: string, failure: CallFailure, lease?: string): DomainError {
  const error = told(operation, failure, lease);
  if (error !== undefined) return error;
  // What the catalogue has a code for was refused; so was what nobody received.
  if (failure.errorCode !== undefined || !failure.sent) return notDone(operation, failure);
  return new StoreInDoubtError(operation, textOf(failure), { cause: failure });
}

export function gap(after: bigint, { details }: CallFailure): StoreGapError {
  const reason = /^watch after revision \d+: (.*); list again$/.exec(details)?.[1];
  return new StoreGapError(after, reason ?? details);
}

/** Whether another attempt may succeed. What the store said itself stands, but that it cannot now. */
export function mayPass(failure: CallFailure): boolean {
  const { errorCode } = failure;
  if (errorCode === undefined) return isPassing(failure);
  return errorCode === 'CLOSED' || errorCode === 'STORE_UNAVAILABLE' || errorCode === 'LIMIT_REACHED';
}

function told(operation: string, failure: CallFailure, lease = ''): DomainError | undefined {
  const { errorCode, details } = failure;
  const reason = details.replace(/^store: [^:]*: /, '');
  switch (errorCode) {
    case 'STORE_FAILED':
      return new StoreFailedError(operation, reason, { cause: failure });
    case 'STORE_IN_DOUBT':
      return new StoreInDoubtError(operation, reason, { cause: failure });
    case 'LEASE_EXPIRED':
      return new LeaseExpiredError(lease);
    case 'INVALID_ARGUMENT':
      return new InvalidArgumentError(operation, details);
    default:
      return undefined;
  }
}

function notDone(operation: string, failure: CallFailure): StoreUnavailableError {
  return new StoreUnavailableError(operation, textOf(failure), { cause: failure });
}

function textOf({ status, details }: CallFailure): string {
  return details === '' ? status : details;
}
