// From what was thrown to a gRPC status: the one place where errors of the catalogue become those of gRPC. A
// code that is missing in the table does not compile. What is not ours is INTERNAL: the log has it, the
// caller does not.
import { Metadata, status } from '@grpc/grpc-js';
import { DomainError, type ErrorCode } from '../base/errors.js';
import { printable } from './printable.js';

export type StatusName = Exclude<keyof typeof status, 'OK'>;

/**
 * A refusal in the words of gRPC, for services whose interface says which status a condition has. Its text is
 * for a person, and is sent: no secrets in it.
 */
export class RpcError extends Error {
  constructor(
    readonly status: StatusName,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
    this.name = 'RpcError';
  }
}

const statuses = {
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  INVALID_SIZE: 'INVALID_ARGUMENT',
  INVALID_URI: 'INVALID_ARGUMENT',
  INVALID_NQN: 'INVALID_ARGUMENT',
  INVALID_VOLUME_SPEC: 'INVALID_ARGUMENT',
  INVALID_CONFIG: 'INTERNAL',
  DUPLICATE_VOLUME: 'ALREADY_EXISTS',
  STATE_DIRECTORY: 'INTERNAL',
  VOLUME_OPEN_FAILED: 'FAILED_PRECONDITION',
  ADDRESS_IN_USE: 'FAILED_PRECONDITION',
  LISTEN_FAILED: 'FAILED_PRECONDITION',
  UNREACHABLE: 'UNAVAILABLE',
  CONNECT_REFUSED: 'UNAVAILABLE',
  CONNECTION_LOST: 'UNAVAILABLE',
  NVME_STATUS: 'INTERNAL',
  NAMESPACE_NOT_FOUND: 'NOT_FOUND',
  VERIFY_FAILED: 'DATA_LOSS',
  HISTORY_VIOLATED: 'DATA_LOSS',
  ABORTED: 'ABORTED',
  CLOSED: 'UNAVAILABLE',
  NATIVE: 'INTERNAL',
  VOLUME_NOT_FOUND: 'NOT_FOUND',
  STORE_GAP: 'UNAVAILABLE',
  STORE_FAILED: 'UNAVAILABLE',
  STORE_UNAVAILABLE: 'UNAVAILABLE',
  STORE_IN_DOUBT: 'UNKNOWN',
  STORE_RESTORED: 'FAILED_PRECONDITION',
  LEASE_EXPIRED: 'UNAVAILABLE',
  LIMIT_REACHED: 'RESOURCE_EXHAUSTED',
  TOKEN_NOT_FOUND: 'NOT_FOUND',
  TOKEN_EXISTS: 'ALREADY_EXISTS',
  // It is the token of this process that a daemon refused, nothing that the caller of the RPC could change.
  UNAUTHENTICATED: 'INTERNAL',
  FORBIDDEN: 'INTERNAL',
  TOO_MANY_REQUESTS: 'UNAVAILABLE',
  ROUTE_NOT_FOUND: 'INTERNAL',
  REQUEST_TOO_LARGE: 'INVALID_ARGUMENT',
  UNSUPPORTED_MEDIA_TYPE: 'INTERNAL',
  INTERNAL: 'INTERNAL',
  POOL_NOT_FOUND: 'INVALID_ARGUMENT', // pools are named in parameters, and made by nobody who calls by RPC
  POOL_EXISTS: 'ALREADY_EXISTS',
  POOL_DEVICE: 'FAILED_PRECONDITION',
  POOL_UNAVAILABLE: 'UNAVAILABLE',
  POOL_IN_USE: 'FAILED_PRECONDITION',
  NO_SPACE: 'RESOURCE_EXHAUSTED',
  POOL_FAILED: 'INTERNAL',
  VOLUME_IN_USE: 'FAILED_PRECONDITION',
  HOST_CONFLICT: 'FAILED_PRECONDITION',
  SNAPSHOT_NOT_FOUND: 'NOT_FOUND',
  SNAPSHOT_EXISTS: 'ALREADY_EXISTS',
  KEY_UNAVAILABLE: 'UNAVAILABLE',
  ATTACH_UNAVAILABLE: 'FAILED_PRECONDITION',
  ATTACH_CONFLICT: 'FAILED_PRECONDITION',
  ATTACH_NOT_FOUND: 'FAILED_PRECONDITION',
  ATTACH_FAILED: 'INTERNAL',
  QOS_OVERCOMMITTED: 'RESOURCE_EXHAUSTED',
  QOS_CLASS_NOT_FOUND: 'INVALID_ARGUMENT',
  QOS_CLASS_IN_USE: 'FAILED_PRECONDITION',
  INVALID_REPLICA_SPEC: 'INVALID_ARGUMENT',
  INVALID_MIRROR_SPEC: 'INVALID_ARGUMENT',
  REPLICA_OPEN_FAILED: 'FAILED_PRECONDITION',
  MIRROR_NOT_FOUND: 'NOT_FOUND',
  MIRROR_CONFLICT: 'FAILED_PRECONDITION',
  MIRROR_RECORD_DAMAGED: 'DATA_LOSS',
  CLUSTER_RECORD_DAMAGED: 'DATA_LOSS',
  NODE_NOT_FOUND: 'NOT_FOUND',
  NODE_STATE: 'FAILED_PRECONDITION',
  CLUSTER_VOLUME_STATE: 'FAILED_PRECONDITION',
  CLUSTER_UNSUPPORTED: 'UNIMPLEMENTED',
  JOIN_REFUSED: 'PERMISSION_DENIED',
  WRONG_AUTHORITY: 'UNAVAILABLE',
  NODE_REFUSED: 'PERMISSION_DENIED',
  NO_PLACEMENT: 'RESOURCE_EXHAUSTED',
  PROCESS_FAILED: 'INTERNAL',
  DRILL_TIMEOUT: 'INTERNAL',
  DRILL_UNAVAILABLE: 'INTERNAL',
  DRILL_FAILED: 'INTERNAL',
} as const satisfies Record<ErrorCode, StatusName>;

export interface RpcStatus {
  readonly name: StatusName;
  readonly code: number;
  readonly details: string;
  /** Of an error of the catalogue: its code, under `errorCodeKey`. */
  readonly metadata?: Metadata;
}

/** Under which clients of ours find the code of the catalogue: several have one status. */
export const errorCodeKey = 'ballast-error-code';

const detailsCharactersMax = 1024;

export function statusOf(error: unknown): RpcStatus {
  const name = nameOf(error);
  const text = name === undefined ? 'this failed for a reason that is in the log' : (error as Error).message;
  return {
    name: name ?? 'INTERNAL',
    code: status[name ?? 'INTERNAL'],
    details: printable(text, detailsCharactersMax),
    ...(error instanceof DomainError && { metadata: codeOf(error) }),
  };
}

function codeOf({ code }: DomainError): Metadata {
  const metadata = new Metadata();
  metadata.set(errorCodeKey, code);
  return metadata;
}

/** What is not the caller's fault, and worth a line in the log of its own. */
export function isFault({ name }: RpcStatus): boolean {
  return name === 'INTERNAL' || name === 'UNKNOWN' || name === 'DATA_LOSS';
}

function nameOf(error: unknown): StatusName | undefined {
  if (error instanceof RpcError) return error.status;
  return error instanceof DomainError ? statuses[error.code] : undefined;
}
