// The errors of joining a cluster. Their codes stand in the catalogue of errors.ts.
import { DomainError } from './errors.js';

/** One text for every reason: who guesses learns nothing from it. */
export class JoinRefusedError extends DomainError {
  readonly code = 'JOIN_REFUSED';
  constructor() {
    super('the join token is not valid: unknown, expired, revoked or used up; make a new one');
  }
}

/** Who answers is not of the cluster that was meant; it got no secret. */
export class WrongAuthorityError extends DomainError {
  readonly code = 'WRONG_AUTHORITY';
  constructor(
    readonly address: string,
    readonly reason: string,
  ) {
    super(`${address} ${reason}; nothing was sent to it`);
  }
}

/** The certificate that a caller has is not, or not any more, one of a node that may call. */
export class NodeRefusedError extends DomainError {
  readonly code = 'NODE_REFUSED';
  constructor(reason: string) {
    super(reason);
  }
}
