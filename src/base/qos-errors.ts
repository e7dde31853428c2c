// The errors of limits, guarantees and classes. Their codes stand in the catalogue of errors.ts.
import { DomainError } from './errors.js';

export class QosOvercommittedError extends DomainError {
  readonly code = 'QOS_OVERCOMMITTED';
  /** `reason` has the numbers. */
  constructor(readonly reason: string) {
    super(reason);
  }
}

export class QosClassNotFoundError extends DomainError {
  readonly code = 'QOS_CLASS_NOT_FOUND';
  constructor(readonly className: string) {
    super(`there is no QoS class '${className}'`);
  }
}

export class QosClassInUseError extends DomainError {
  readonly code = 'QOS_CLASS_IN_USE';
  constructor(
    readonly className: string,
    readonly reason: string,
  ) {
    super(`QoS class '${className}': ${reason}`);
  }
}
