// The errors of replicas and mirrored volumes. Their codes stand in the catalogue of errors.ts. src/mirrors
// throws them for what it finds itself; src/native for what the data plane says.
import { DomainError } from './errors.js';

function shown(spec: string): string {
  return spec.length > 120 ? `${spec.slice(0, 117)}...` : spec;
}

export class InvalidReplicaSpecError extends DomainError {
  readonly code = 'INVALID_REPLICA_SPEC';
  constructor(
    readonly spec: string,
    readonly reason: string,
  ) {
    super(`replica '${shown(spec)}': ${reason}`);
  }
}

export class InvalidMirrorSpecError extends DomainError {
  readonly code = 'INVALID_MIRROR_SPEC';
  constructor(
    readonly spec: string,
    readonly reason: string,
  ) {
    super(`mirror '${shown(spec)}': ${reason}`);
  }
}

/** Its data or its metadata cannot be opened, or are not what was asked for. */
export class ReplicaOpenError extends DomainError {
  readonly code = 'REPLICA_OPEN_FAILED';
  constructor(
    readonly replica: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`replica '${replica}': ${reason}`, options);
  }
}

export class MirrorNotFoundError extends DomainError {
  readonly code = 'MIRROR_NOT_FOUND';
  constructor(readonly mirror: string) {
    super(`there is no mirrored volume '${mirror}'`);
  }
}

/** What is asked of a mirrored volume is not what its record or its replicas say. */
export class MirrorConflictError extends DomainError {
  readonly code = 'MIRROR_CONFLICT';
  constructor(
    readonly mirror: string,
    readonly reason: string,
  ) {
    super(`mirror '${mirror}': ${reason}`);
  }
}

/** What the store keeps of a mirrored volume is damaged: nothing is guessed from it. */
export class MirrorRecordError extends DomainError {
  readonly code = 'MIRROR_RECORD_DAMAGED';
  constructor(
    readonly mirror: string,
    readonly reason: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`mirror '${mirror}': its record ${reason}; it is not served until the record is restored`, options);
  }
}
