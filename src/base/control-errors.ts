// The errors of the control plane: the store, tokens and the REST API. Their codes stand in the catalogue of
// errors.ts; a caller is told what was wrong with its request, never whether a secret was nearly right.
import { DomainError } from './errors.js';

export class StoreGapError extends DomainError {
  readonly code = 'STORE_GAP';
  constructor(
    readonly after: bigint,
    readonly reason: string,
  ) {
    super(`watch after revision ${after}: ${reason}; list again`);
  }
}

export class StoreFailedError extends DomainError {
  readonly code = 'STORE_FAILED';
  constructor(
    readonly operation: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`store: ${operation}: ${reason}`, options);
  }
}

/** Nothing was changed; the same again may succeed later. */
export class StoreUnavailableError extends DomainError {
  readonly code = 'STORE_UNAVAILABLE';
  constructor(
    readonly operation: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`store: ${operation}: ${reason}`, options);
  }
}

/** Nobody knows whether the change was made; it may also be made a little later. Read before deciding. */
export class StoreInDoubtError extends DomainError {
  readonly code = 'STORE_IN_DOUBT';
  constructor(
    readonly operation: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`store: ${operation}: the answer was lost (${reason}), so it may have been done or not`, options);
  }
}

export class LeaseExpiredError extends DomainError {
  readonly code = 'LEASE_EXPIRED';
  constructor(readonly lease: string) {
    super(`lease ${lease} has ended`);
  }
}

export class LimitReachedError extends DomainError {
  readonly code = 'LIMIT_REACHED';
  constructor(
    readonly what: string,
    readonly max: number,
  ) {
    super(`there may be at most ${max} ${what}`);
  }
}

export class VolumeNotFoundError extends DomainError {
  readonly code = 'VOLUME_NOT_FOUND';
  constructor(readonly volume: string) {
    super(`there is no volume '${volume}'`);
  }
}

export class TokenNotFoundError extends DomainError {
  readonly code = 'TOKEN_NOT_FOUND';
  constructor(readonly token: string) {
    super(`there is no token '${token}'`);
  }
}

export class TokenExistsError extends DomainError {
  readonly code = 'TOKEN_EXISTS';
  constructor(readonly token: string) {
    super(`there is a token '${token}' already; revoke it first, or choose another name`);
  }
}

/** Says only which of three things is wrong with the header, whoever asks. */
export class UnauthenticatedError extends DomainError {
  readonly code = 'UNAUTHENTICATED';
  constructor(reason: string) {
    super(reason);
  }
}

export class ForbiddenError extends DomainError {
  readonly code = 'FORBIDDEN';
  constructor(
    readonly role: string,
    readonly needed: string,
  ) {
    super(`this needs the role ${needed}; the token has the role ${role}`);
  }
}

export class TooManyRequestsError extends DomainError {
  readonly code = 'TOO_MANY_REQUESTS';
  constructor(
    readonly what: string,
    readonly retryAfterSeconds: number,
  ) {
    super(`too many ${what}; try again in ${retryAfterSeconds} s`);
  }
}

export class RouteNotFoundError extends DomainError {
  readonly code = 'ROUTE_NOT_FOUND';
  constructor(
    readonly method: string,
    readonly path: string,
  ) {
    super(`there is no ${method} ${path}`);
  }
}

export class RequestTooLargeError extends DomainError {
  readonly code = 'REQUEST_TOO_LARGE';
  constructor(
    readonly what: string,
    readonly maxBytes: number,
  ) {
    super(`${what} may have at most ${maxBytes} bytes`);
  }
}

export class UnsupportedMediaTypeError extends DomainError {
  readonly code = 'UNSUPPORTED_MEDIA_TYPE';
  constructor(readonly mediaType: string) {
    super(`a body has to be application/json, not '${mediaType}'`);
  }
}

export class InternalError extends DomainError {
  readonly code = 'INTERNAL';
  constructor(
    readonly requestId: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`this failed for a reason that is in the log, under request id ${requestId}`, options);
  }
}
