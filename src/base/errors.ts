// The errors this program throws: one class per kind, each with a code of the catalogue, typed fields and a
// cause. Everything above maps codes, never messages: src/cli/exit-codes.ts is one such table and does not
// compile when a code is missing. docs/operations/error-codes.md is made from the catalogue. The classes of
// the control plane are in control-errors.ts, of pools in pool-errors.ts, of attachment in attach-errors.ts,
// of limits in qos-errors.ts, of mirrored volumes in mirror-errors.ts, of clusters in cluster-errors.ts,
// of joining one in trust-errors.ts, of drills in drill-errors.ts.

export const errorCatalogue = {
  INVALID_ARGUMENT: 'A value given to an option or a function is of the wrong kind or out of range.',
  INVALID_SIZE: 'A byte size could not be understood, is zero where it must not be, or is not a multiple.',
  INVALID_URI: 'A target address is not of the form tcp://HOST:PORT[/NQN].',
  INVALID_NQN: 'An NVMe Qualified Name is malformed or longer than 223 bytes.',
  INVALID_VOLUME_SPEC: 'A volume is not of the form NAME=mem:SIZE, NAME=null:SIZE or NAME=file:PATH[:SIZE].',
  INVALID_CONFIG: 'The configuration file cannot be read, parsed or does not match its schema.',
  DUPLICATE_VOLUME: 'Two volumes have the same name, or share something that must be unique.',
  STATE_DIRECTORY: 'The state directory cannot be read or written, or its content is damaged.',
  VOLUME_OPEN_FAILED: 'The device behind a volume cannot be opened: missing, locked, a directory, too small.',
  ADDRESS_IN_USE: 'Another process listens on the address.',
  LISTEN_FAILED: 'The address cannot be listened on.',
  UNREACHABLE: 'The target does not answer, or the connection to it cannot be made.',
  CONNECT_REFUSED:
    'The target answered and refused the connection: unknown subsystem, host not allowed, and so on.',
  CONNECTION_LOST: 'The connection to the target ended before the command was completed.',
  NVME_STATUS: 'A command was completed with an NVMe status other than Successful Completion.',
  NAMESPACE_NOT_FOUND: 'The controller has no active namespace with this identifier.',
  VERIFY_FAILED: 'Data read back is not what was written.',
  HISTORY_VIOLATED: 'What clients saw of a block cannot have been: a write was lost, or an old value read.',
  ABORTED: 'The caller gave up by its AbortSignal or its deadline.',
  CLOSED: 'The object has been closed.',
  NATIVE: 'The native engine failed in a way that has no code of its own.',
  VOLUME_NOT_FOUND: 'This daemon serves no volume of this name.',
  STORE_GAP: 'The store no longer keeps the changes after the revision that is watched from: list again.',
  STORE_FAILED:
    'The store could not keep a change, or is not what it was; it answers nothing until it is opened again.',
  STORE_UNAVAILABLE: 'The store cannot be reached now; nothing was changed.',
  STORE_IN_DOUBT: 'The answer of the store was lost: the change was made, will be made, or was not.',
  LEASE_EXPIRED: 'The lease has ended, and what was kept under it is gone.',
  LIMIT_REACHED: 'There are as many of these as there may be.',
  TOKEN_NOT_FOUND: 'There is no token of this name.',
  TOKEN_EXISTS: 'There is a token of this name already.',
  UNAUTHENTICATED: 'The request has no token, or one that is not known.',
  FORBIDDEN: 'The role of the token is too low for the request.',
  TOO_MANY_REQUESTS: 'Too many requests with a wrong token came from this address.',
  ROUTE_NOT_FOUND: 'The API has no such path, or the path has no such method.',
  REQUEST_TOO_LARGE: 'The body of the request is longer than the API takes.',
  UNSUPPORTED_MEDIA_TYPE: 'The body of the request is not JSON.',
  INTERNAL: 'The request failed for a reason that only the log tells.',
  POOL_NOT_FOUND: 'This daemon knows no pool of this name.',
  POOL_EXISTS: 'There is a pool of this name already, or a pool on the devices.',
  POOL_DEVICE: 'A file or disk cannot be a device of a pool: missing, a directory, too small, in use.',
  POOL_UNAVAILABLE: 'The pool is known and cannot be used: a device is missing, or a disk failed.',
  POOL_IN_USE: 'The pool has volumes, or hosts use them.',
  NO_SPACE: 'The pool has no room for what was asked.',
  POOL_FAILED: 'The data plane could not do what was asked of a pool.',
  VOLUME_IN_USE: 'The volume has snapshots, or hosts use it.',
  HOST_CONFLICT: 'Another host has been granted the volume, and both cannot have it as was asked.',
  SNAPSHOT_NOT_FOUND: 'The volume has no snapshot of this name.',
  SNAPSHOT_EXISTS: 'The volume has a snapshot of this name already.',
  KEY_UNAVAILABLE: 'The key of an encrypted volume cannot be wrapped or unwrapped now.',
  ATTACH_UNAVAILABLE: 'No driver of attachment works on this machine, or not the one asked for.',
  ATTACH_CONFLICT: 'The namespace is attached in another way, or its device is in use.',
  ATTACH_NOT_FOUND: 'This namespace or device is not attached.',
  ATTACH_FAILED: 'A step of attaching or detaching failed; the same call again goes on from there.',
  QOS_OVERCOMMITTED: 'Guaranteed IOPS cannot be kept: they are above the budget, or there is none.',
  QOS_CLASS_NOT_FOUND: 'There is no QoS class of this name.',
  QOS_CLASS_IN_USE: 'Volumes are of this QoS class, or it is built in.',
  INVALID_REPLICA_SPEC: 'A replica is not of the form NAME=file:PATH[:SIZE] or NAME=pool:POOL/VOLUME.',
  INVALID_MIRROR_SPEC: 'A mirrored volume is not of the form NAME=MEMBER,MEMBER,...[,options].',
  REPLICA_OPEN_FAILED:
    'The data or the metadata of a replica cannot be opened, or are not what was asked for.',
  MIRROR_NOT_FOUND: 'This daemon has no mirrored volume of this name.',
  MIRROR_CONFLICT: 'What is asked of a mirrored volume is not what its record or its replicas say.',
  MIRROR_RECORD_DAMAGED:
    'What the store keeps of a mirrored volume cannot be read; nothing is guessed from it.',
  CLUSTER_RECORD_DAMAGED: 'A record of the cluster in the store cannot be read; nothing is guessed from it.',
  NODE_NOT_FOUND: 'The cluster has no node of this name or UUID.',
  NODE_STATE: 'The node is in a state in which this cannot be done, or its name or address is taken.',
  CLUSTER_VOLUME_STATE: 'The volume of the cluster is in a state in which this cannot be done.',
  CLUSTER_UNSUPPORTED: 'A cluster cannot do this yet; a daemon with pools of its own can.',
  STORE_RESTORED:
    'The store of the cluster is an old copy, or was lost: nothing is changed until somebody has decided.',
  JOIN_REFUSED: 'The join token is not known, has expired, was revoked or is used up.',
  WRONG_AUTHORITY: 'Who answers has no certificate of the cluster that was meant.',
  NODE_REFUSED: 'The caller has no certificate of a node that may do this.',
  NO_PLACEMENT: 'No node can keep a replica of the volume, or too few can; why is said of each.',
  PROCESS_FAILED: 'A process that a drill started ended, or was not ready in time; what it said is told.',
  DRILL_TIMEOUT: 'What a drill waits for did not come in time; how things stand instead is told.',
  DRILL_UNAVAILABLE: 'This machine, or this user, cannot have the fault of a drill.',
  DRILL_FAILED:
    'A drill found a write lost, an old value read, an I/O that failed, or members that are not equal.',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCatalogue;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCatalogue, text);
}

export abstract class DomainError extends Error {
  abstract readonly code: ErrorCode;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class InvalidArgumentError extends DomainError {
  readonly code = 'INVALID_ARGUMENT';
  constructor(
    readonly argument: string,
    readonly expected: string,
  ) {
    super(`${argument}: expected ${expected}`);
  }
}

export class InvalidSizeError extends DomainError {
  readonly code = 'INVALID_SIZE';
  constructor(
    readonly text: string,
    readonly reason: string,
  ) {
    super(`size '${text}': ${reason}`);
  }
}

export class InvalidUriError extends DomainError {
  readonly code = 'INVALID_URI';
  constructor(
    readonly uri: string,
    readonly reason: string,
  ) {
    super(`address '${uri}': ${reason}`);
  }
}

export class InvalidNqnError extends DomainError {
  readonly code = 'INVALID_NQN';
  constructor(
    readonly nqn: string,
    readonly reason: string,
  ) {
    super(`NQN '${nqn.length > 80 ? `${nqn.slice(0, 77)}...` : nqn}': ${reason}`);
  }
}

export class InvalidVolumeSpecError extends DomainError {
  readonly code = 'INVALID_VOLUME_SPEC';
  constructor(
    readonly spec: string,
    readonly reason: string,
  ) {
    super(`volume '${spec.length > 120 ? `${spec.slice(0, 117)}...` : spec}': ${reason}`);
  }
}

export class ConfigError extends DomainError {
  readonly code = 'INVALID_CONFIG';
  constructor(
    readonly file: string,
    readonly line: number | undefined,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(line === undefined ? `${file}: ${reason}` : `${file}:${line}: ${reason}`, options);
  }
}

export class DuplicateVolumeError extends DomainError {
  readonly code = 'DUPLICATE_VOLUME';
  constructor(
    readonly volume: string,
    readonly reason: string,
  ) {
    super(`volume '${volume}': ${reason}`);
  }
}

export class StateDirectoryError extends DomainError {
  readonly code = 'STATE_DIRECTORY';
  constructor(
    readonly path: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`state directory: ${path}: ${reason}`, options);
  }
}

export class VolumeOpenError extends DomainError {
  readonly code = 'VOLUME_OPEN_FAILED';
  constructor(
    readonly volume: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`volume '${volume}': ${reason}`, options);
  }
}

export class AddressInUseError extends DomainError {
  readonly code = 'ADDRESS_IN_USE';
  constructor(
    readonly address: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${address}: another process listens there`, options);
  }
}

export class ListenError extends DomainError {
  readonly code = 'LISTEN_FAILED';
  constructor(
    readonly address: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`cannot listen on ${address}: ${reason}`, options);
  }
}

export class UnreachableError extends DomainError {
  readonly code = 'UNREACHABLE';
  constructor(
    readonly target: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${target}: ${reason}`, options);
  }
}

export class ConnectRefusedError extends DomainError {
  readonly code = 'CONNECT_REFUSED';
  constructor(
    readonly target: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${target} refused the connection: ${reason}`, options);
  }
}

export class ConnectionLostError extends DomainError {
  readonly code = 'CONNECTION_LOST';
  constructor(
    readonly operation: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`the connection was lost during ${operation}`, options);
  }
}

// The decoded status of a completion queue entry (NVM Express Base Specification 2.x, "Status Field
// Definition").
export interface NvmeStatus {
  readonly statusCodeType: number;
  readonly statusCode: number;
  readonly name: string;
  readonly doNotRetry: boolean;
}

export class NvmeStatusError extends DomainError {
  readonly code = 'NVME_STATUS';
  constructor(
    readonly operation: string,
    readonly status: NvmeStatus,
  ) {
    const hex = (value: number) => `${value.toString(16).toUpperCase().padStart(2, '0')}h`;
    super(`${operation}: ${status.name} (status ${status.statusCodeType}/${hex(status.statusCode)})`);
  }
}

export class NamespaceNotFoundError extends DomainError {
  readonly code = 'NAMESPACE_NOT_FOUND';
  constructor(
    readonly nqn: string,
    readonly nsid: number,
  ) {
    super(`${nqn} has no active namespace ${nsid}`);
  }
}

/** What clients saw of a block cannot have been: data was lost, or an old value read. */
export class HistoryViolatedError extends DomainError {
  readonly code = 'HISTORY_VIOLATED';
  constructor(
    readonly block: bigint,
    readonly text: string,
  ) {
    super(`block ${block} of the history: ${text}`);
  }
}

export class VerifyFailedError extends DomainError {
  readonly code = 'VERIFY_FAILED';
  constructor(
    readonly mismatches: number,
    readonly first: string,
  ) {
    const blocks = mismatches === 1 ? 'block' : 'blocks';
    super(`${mismatches} ${blocks} read back with other data than was written; the first: ${first}`);
  }
}

export class AbortedError extends DomainError {
  readonly code = 'ABORTED';
  constructor(
    readonly operation: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`aborted during ${operation}`, options);
  }
}

export class ClosedError extends DomainError {
  readonly code = 'CLOSED';
  constructor(readonly what: string) {
    super(`${what} is closed`);
  }
}

export class NativeError extends DomainError {
  readonly code = 'NATIVE';
  constructor(
    readonly operation: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${operation}: ${reason}`, options);
  }
}
