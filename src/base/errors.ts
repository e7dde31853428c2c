// The error catalogue: everything this program throws is a DomainError with one of these codes.
// Rooms throw the subclasses; servers and the command line map codes by tables that are checked for gaps.

export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'ALREADY_EXISTS'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_UNAVAILABLE'
  | 'UNREACHABLE'
  | 'CONNECTION_LOST'
  | 'TIMED_OUT'
  | 'IS_A_DIRECTORY'
  | 'IN_USE'
  | 'NO_SPACE'
  | 'NO_MEMORY'
  | 'LIMIT_REACHED'
  | 'UNSUPPORTED'
  | 'IO_ERROR'
  | 'SHUTTING_DOWN'
  | 'ABORTED'
  | 'PROTOCOL_ERROR'
  | 'REFUSED_BY_PEER'
  | 'NVME_STATUS';

export class DomainError extends Error {
  readonly code: ErrorCode;
  /** What the error is about, as plain values: for logs and JSON output. */
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.fields = fields;
  }
}
