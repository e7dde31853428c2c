// An error that the daemon answered: with its code, so that it ends a command as the same error here would.
import { DomainError, type ErrorCode, errorCatalogue } from '../base/errors.js';

export class RemoteError extends DomainError {
  readonly code: ErrorCode;

  constructor(
    code: string,
    message: string,
    readonly status: number,
    readonly details: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    // A later daemon may have codes that are not known here.
    this.code = Object.hasOwn(errorCatalogue, code) ? (code as ErrorCode) : 'INTERNAL';
  }
}
