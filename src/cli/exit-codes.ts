// The exit code for each error code: 0 is success, 1 failed, 2 wrong usage, 3 not reachable.
// A code missing here does not compile.
import { CommanderError } from 'commander';
import { DomainError, type ErrorCode } from '../base/errors.js';

export const exitFailed = 1;
export const exitUsage = 2;
export const exitUnreachable = 3;

const exitCodes = {
  INVALID_ARGUMENT: exitUsage,
  INVALID_SIZE: exitUsage,
  INVALID_URI: exitUsage,
  INVALID_NQN: exitUsage,
  INVALID_VOLUME_SPEC: exitUsage,
  INVALID_CONFIG: exitUsage,
  DUPLICATE_VOLUME: exitUsage,
  STATE_DIRECTORY: exitFailed,
  VOLUME_OPEN_FAILED: exitFailed,
  ADDRESS_IN_USE: exitFailed,
  LISTEN_FAILED: exitFailed,
  UNREACHABLE: exitUnreachable,
  CONNECT_REFUSED: exitFailed,
  CONNECTION_LOST: exitUnreachable,
  NVME_STATUS: exitFailed,
  NAMESPACE_NOT_FOUND: exitFailed,
  VERIFY_FAILED: exitFailed,
  HISTORY_VIOLATED: exitFailed,
  ABORTED: exitFailed,
  CLOSED: exitFailed,
  NATIVE: exitFailed,
  VOLUME_NOT_FOUND: exitFailed,
  STORE_GAP: exitFailed,
  STORE_FAILED: exitFailed,
  STORE_UNAVAILABLE: exitUnreachable,
  STORE_IN_DOUBT: exitFailed,
  STORE_RESTORED: exitFailed,
  LEASE_EXPIRED: exitFailed,
  LIMIT_REACHED: exitFailed,
  TOKEN_NOT_FOUND: exitFailed,
  TOKEN_EXISTS: exitFailed,
  UNAUTHENTICATED: exitFailed,
  FORBIDDEN: exitFailed,
  TOO_MANY_REQUESTS: exitFailed,
  ROUTE_NOT_FOUND: exitFailed,
  REQUEST_TOO_LARGE: exitFailed,
  UNSUPPORTED_MEDIA_TYPE: exitFailed,
  INTERNAL: exitFailed,
  POOL_NOT_FOUND: exitFailed,
  POOL_EXISTS: exitFailed,
  POOL_DEVICE: exitFailed,
  POOL_UNAVAILABLE: exitFailed,
  POOL_IN_USE: exitFailed,
  NO_SPACE: exitFailed,
  POOL_FAILED: exitFailed,
  VOLUME_IN_USE: exitFailed,
  HOST_CONFLICT: exitFailed,
  SNAPSHOT_NOT_FOUND: exitFailed,
  SNAPSHOT_EXISTS: exitFailed,
  KEY_UNAVAILABLE: exitFailed,
  ATTACH_UNAVAILABLE: exitFailed,
  ATTACH_CONFLICT: exitFailed,
  ATTACH_NOT_FOUND: exitFailed,
  ATTACH_FAILED: exitFailed,
  QOS_OVERCOMMITTED: exitFailed,
  QOS_CLASS_NOT_FOUND: exitFailed,
  QOS_CLASS_IN_USE: exitFailed,
  INVALID_REPLICA_SPEC: exitUsage,
  INVALID_MIRROR_SPEC: exitUsage,
  REPLICA_OPEN_FAILED: exitFailed,
  MIRROR_NOT_FOUND: exitFailed,
  MIRROR_CONFLICT: exitFailed,
  MIRROR_RECORD_DAMAGED: exitFailed,
  CLUSTER_RECORD_DAMAGED: exitFailed,
  NODE_NOT_FOUND: exitFailed,
  NODE_STATE: exitFailed,
  CLUSTER_VOLUME_STATE: exitFailed,
  CLUSTER_UNSUPPORTED: exitFailed,
  JOIN_REFUSED: exitFailed,
  WRONG_AUTHORITY: exitFailed,
  NODE_REFUSED: exitFailed,
  NO_PLACEMENT: exitFailed,
  PROCESS_FAILED: exitFailed,
  DRILL_TIMEOUT: exitFailed,
  DRILL_UNAVAILABLE: exitFailed,
  DRILL_FAILED: exitFailed,
} as const satisfies Record<ErrorCode, number>;

export function exitCodeOf(error: unknown): number {
  if (error instanceof DomainError) return exitCodes[error.code];
  // Commander exits 0 after help and version, 1 on everything a user typed wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
  return exitFailed;
}
