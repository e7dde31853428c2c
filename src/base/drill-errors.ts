// The errors of drills. Their codes stand in the catalogue of errors.ts.
import { DomainError } from './errors.js';

/** A process that a drill started does not do what is expected of it. */
export class ProcessFailedError extends DomainError {
  readonly code = 'PROCESS_FAILED';
  constructor(
    readonly process: string,
    readonly reason: string,
    /** The end of what it printed. */
    said: string,
  ) {
    super(`process '${process}' ${reason}${said === '' ? '' : `; it said:\n${said}`}`);
  }
}

/** What a drill waits for did not come. */
export class DrillTimeoutError extends DomainError {
  readonly code = 'DRILL_TIMEOUT';
  constructor(
    readonly awaited: string,
    readonly seconds: number,
    /** How things stand instead. */
    readonly instead: string,
  ) {
    super(`${awaited}: not within ${seconds} s; ${instead}`);
  }
}

/** This machine, or this user, cannot have the fault. */
export class DrillUnavailableError extends DomainError {
  readonly code = 'DRILL_UNAVAILABLE';
  constructor(
    readonly drill: string,
    readonly reason: string,
  ) {
    super(`drill '${drill}' cannot be done here: ${reason}`);
  }
}

/** A write was lost, an old value was read, an I/O failed, or the members are not equal. */
export class DrillFailedError extends DomainError {
  readonly code = 'DRILL_FAILED';
  constructor(
    /** What failed, all of it. */
    readonly failures: string,
    readonly report: string,
  ) {
    super(`${failures}; the report is ${report}`);
  }
}
