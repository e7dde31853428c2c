// The errors of attachment. Their codes stand in the catalogue of errors.ts; src/attach throws them.
import { DomainError } from './errors.js';

/** No driver, or not the one that was asked for, works on this machine. */
export class AttachUnavailableError extends DomainError {
  readonly code = 'ATTACH_UNAVAILABLE';
  constructor(
    readonly driver: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`driver '${driver}' cannot be used here: ${reason}`, options);
  }
}

/** What is there contradicts what was asked, and nothing was changed. */
export class AttachConflictError extends DomainError {
  readonly code = 'ATTACH_CONFLICT';
  constructor(
    readonly uuid: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`namespace ${uuid}: ${reason}`, options);
  }
}

export class AttachNotFoundError extends DomainError {
  readonly code = 'ATTACH_NOT_FOUND';
  constructor(readonly what: string) {
    super(`'${what}' is not attached`);
  }
}

/** A step of attaching or detaching failed; the same call again goes on from there. */
export class AttachFailedError extends DomainError {
  readonly code = 'ATTACH_FAILED';
  constructor(
    readonly uuid: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`namespace ${uuid}: ${reason}`, options);
  }
}
