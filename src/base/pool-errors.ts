// The errors of pools, volumes in them, snapshots and keys. Their codes stand in the catalogue of errors.ts.
// The service of src/pools throws them for what it finds itself; src/native for what the data plane says.
import { DomainError } from './errors.js';

export class PoolNotFoundError extends DomainError {
  readonly code = 'POOL_NOT_FOUND';
  constructor(readonly pool: string) {
    super(`there is no pool '${pool}'`);
  }
}

export class PoolExistsError extends DomainError {
  readonly code = 'POOL_EXISTS';
  constructor(
    readonly pool: string,
    readonly reason: string,
  ) {
    super(`pool '${pool}': ${reason}`);
  }
}

/** A device that is to be part of a pool, or was to be. */
export class PoolDeviceError extends DomainError {
  readonly code = 'POOL_DEVICE';
  constructor(
    readonly path: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${path}: ${reason}`, options);
  }
}

/** The pool is known and cannot be used: a device is missing, or a disk failed. */
export class PoolUnavailableError extends DomainError {
  readonly code = 'POOL_UNAVAILABLE';
  constructor(
    readonly pool: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`pool '${pool}': ${reason}`, options);
  }
}

export class PoolInUseError extends DomainError {
  readonly code = 'POOL_IN_USE';
  constructor(
    readonly pool: string,
    readonly reason: string,
  ) {
    super(`pool '${pool}': ${reason}`);
  }
}

/** The pool has no room for what was asked. */
export class NoSpaceError extends DomainError {
  readonly code = 'NO_SPACE';
  constructor(
    readonly operation: string,
    readonly reason: string,
  ) {
    super(`${operation}: ${reason}`);
  }
}

/** The data plane could not do what was asked of a pool, for a reason that has no code of its own. */
export class PoolFailedError extends DomainError {
  readonly code = 'POOL_FAILED';
  constructor(
    readonly operation: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${operation}: ${reason}`, options);
  }
}

export class VolumeInUseError extends DomainError {
  readonly code = 'VOLUME_IN_USE';
  constructor(
    readonly volume: string,
    readonly reason: string,
  ) {
    super(`volume '${volume}': ${reason}`);
  }
}

/** Another host has the volume, and both cannot have it as was asked. */
export class HostConflictError extends DomainError {
  readonly code = 'HOST_CONFLICT';
  constructor(
    readonly volume: string,
    readonly reason: string,
  ) {
    super(`volume '${volume}': ${reason}`);
  }
}

export class SnapshotNotFoundError extends DomainError {
  readonly code = 'SNAPSHOT_NOT_FOUND';
  constructor(
    readonly volume: string,
    readonly snapshot: string,
  ) {
    super(`volume '${volume}' has no snapshot '${snapshot}'`);
  }
}

export class SnapshotExistsError extends DomainError {
  readonly code = 'SNAPSHOT_EXISTS';
  constructor(
    readonly volume: string,
    readonly snapshot: string,
  ) {
    super(`volume '${volume}' has a snapshot '${snapshot}' already`);
  }
}

/** What wraps data keys cannot do it now, or does not know the key. Never says what a key is. */
export class KeyUnavailableError extends DomainError {
  readonly code = 'KEY_UNAVAILABLE';
  constructor(
    readonly provider: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${provider}: ${reason}`, options);
  }
}
