// From the data plane's words to the error catalogue: one function per kind of operation.
import { AttachConflictError, AttachFailedError, AttachUnavailableError } from '../base/attach-errors.js';
import { VolumeNotFoundError } from '../base/control-errors.js';
import {
  AddressInUseError,
  ClosedError,
  ConnectionLostError,
  ConnectRefusedError,
  type DomainError,
  DuplicateVolumeError,
  InvalidArgumentError,
  ListenError,
  NamespaceNotFoundError,
  NativeError,
  type NvmeStatus,
  NvmeStatusError,
  UnreachableError,
  VolumeOpenError,
} from '../base/errors.js';
import { MirrorConflictError, MirrorNotFoundError, ReplicaOpenError } from '../base/mirror-errors.js';
import {
  NoSpaceError,
  PoolDeviceError,
  PoolExistsError,
  PoolFailedError,
  PoolInUseError,
  PoolNotFoundError,
  SnapshotExistsError,
  VolumeInUseError,
} from '../base/pool-errors.js';
import { QosOvercommittedError } from '../base/qos-errors.js';
import { binding } from './binding.js';
import type { NativeFailure } from './operations.js';

type ToError = (failure: NativeFailure) => DomainError;

// Where the native side has no sentence, its code is one: ADDRESS_IN_USE reads "address in use".
function reasonOf({ code, text }: NativeFailure): string {
  return text === '' ? code.toLowerCase().replaceAll('_', ' ') : text;
}

export function engineFailure(operation: string): ToError {
  return (failure) =>
    failure.code === 'SHUTTING_DOWN'
      ? new ClosedError('the engine')
      : new NativeError(operation, reasonOf(failure));
}

export function volumeFailure(name: string): ToError {
  return (failure) => {
    if (failure.code === 'SHUTTING_DOWN') return new ClosedError('the engine');
    if (failure.code === 'ALREADY_EXISTS') return new DuplicateVolumeError(name, reasonOf(failure));
    return new VolumeOpenError(name, reasonOf(failure));
  };
}

export function replicaFailure(name: string): ToError {
  return (failure) =>
    failure.code === 'SHUTTING_DOWN'
      ? new ClosedError('the engine')
      : new ReplicaOpenError(name, reasonOf(failure));
}

export function mirrorFailure(volume: string): ToError {
  return (failure) =>
    failure.code === 'NOT_FOUND'
      ? new MirrorNotFoundError(volume)
      : engineFailure(`look at mirrored volume '${volume}'`)(failure);
}

/** Of making a head: also what it needs may not be there. */
export function headFailure(volume: string): ToError {
  return (failure) => {
    switch (failure.code) {
      case 'NOT_FOUND':
      case 'ALREADY_EXISTS':
      case 'INVALID_ARGUMENT':
        return new MirrorConflictError(volume, reasonOf(failure));
      default:
        return engineFailure(`become head of volume '${volume}'`)(failure);
    }
  };
}

export function verifyFailure(volume: string): ToError {
  return conflictFailure(volume, `compare members of mirrored volume '${volume}'`);
}

export function growFailure(volume: string): ToError {
  return conflictFailure(volume, `make mirrored volume '${volume}' larger`);
}

export function snapshotFailure(volume: string): ToError {
  return conflictFailure(volume, `take or delete a snapshot of mirrored volume '${volume}'`);
}

export function carryFailure(volume: string): ToError {
  return conflictFailure(volume, `carry a snapshot of mirrored volume '${volume}'`);
}

export function resyncRateFailure(volume: string): ToError {
  return conflictFailure(volume, `change the resync rate of mirrored volume '${volume}'`);
}

function conflictFailure(volume: string, operation: string): ToError {
  return (failure) => {
    switch (failure.code) {
      case 'NOT_FOUND':
        return new MirrorNotFoundError(volume);
      case 'IN_USE':
      case 'PERMISSION_DENIED':
      case 'INVALID_ARGUMENT':
        return new MirrorConflictError(volume, reasonOf(failure));
      default:
        return engineFailure(operation)(failure);
    }
  };
}

export function memberFailure(volume: string, replica: string): ToError {
  return (failure) =>
    failure.code === 'SHUTTING_DOWN'
      ? new ClosedError('the engine')
      : new MirrorConflictError(volume, `member ${replica}: ${reasonOf(failure)}`);
}

export function qosFailure(name: string): ToError {
  return (failure) => {
    switch (failure.code) {
      case 'NOT_FOUND':
        return new VolumeNotFoundError(name);
      case 'INVALID_ARGUMENT':
        return new InvalidArgumentError('qos', `limits that agree (${reasonOf(failure)})`);
      case 'TOO_MANY':
        return new QosOvercommittedError(reasonOf(failure));
      default:
        return engineFailure(`set limits of volume '${name}'`)(failure);
    }
  };
}

/** Of an operation on the paths of hosts to a volume. */
export function pathFailure(operation: string, volume: string): ToError {
  return (failure) => {
    if (failure.code === 'NOT_FOUND') return new VolumeNotFoundError(volume);
    if (failure.code === 'INVALID_ARGUMENT') {
      return new InvalidArgumentError('volume', `another state or volume (${reasonOf(failure)})`);
    }
    return engineFailure(`${operation} of volume '${volume}'`)(failure);
  };
}

/** Of an operation on a pool as a whole; `paths` are of the devices that it names. */
export function poolFailure(operation: string, pool: string, paths: readonly string[] = []): ToError {
  return (failure) => {
    const reason = reasonOf(failure);
    const named = (one: string) => reason.startsWith(`${one}: `) || reason.startsWith(`${one} is `);
    const path = paths.find(named);
    if (failure.code === 'SHUTTING_DOWN') return new ClosedError('the engine');
    if (path !== undefined) {
      return new PoolDeviceError(path, reason.slice(path.length).replace(/^:? /, ''));
    }
    switch (failure.code) {
      case 'ALREADY_EXISTS':
        return new PoolExistsError(pool, reason);
      case 'IN_USE':
        return new PoolInUseError(pool, reason);
      case 'NO_SPACE':
        return new NoSpaceError(`${operation} pool '${pool}'`, reason);
      case 'NOT_FOUND':
        if (paths.length === 0) return new PoolNotFoundError(pool);
        return new PoolFailedError(operation, reason);
      default:
        return new PoolFailedError(`${operation} pool '${pool}'`, reason);
    }
  };
}

/** Of an operation on a volume of a pool, or on its snapshot. */
export function poolVolumeFailure(operation: string, volume: string, snapshot?: string): ToError {
  return (failure) => {
    const reason = reasonOf(failure);
    switch (failure.code) {
      case 'SHUTTING_DOWN':
        return new ClosedError('the engine');
      case 'IN_USE':
        return new VolumeInUseError(volume, reason);
      case 'NO_SPACE':
        return new NoSpaceError(`${operation} volume '${volume}'`, reason);
      case 'ALREADY_EXISTS':
        if (snapshot !== undefined) return new SnapshotExistsError(volume, snapshot);
        return new PoolFailedError(`${operation} volume '${volume}'`, reason);
      case 'INVALID_ARGUMENT':
        if (operation === 'resize')
          return new InvalidArgumentError('sizeBytes', `large enough for its data (${reason})`);
        return new PoolFailedError(`${operation} volume '${volume}'`, reason);
      default:
        return new PoolFailedError(`${operation} volume '${volume}'`, reason);
    }
  };
}

export function listenFailure(address: string): ToError {
  return (failure) => {
    if (failure.code === 'SHUTTING_DOWN') return new ClosedError('the engine');
    if (failure.code === 'ADDRESS_IN_USE') return new AddressInUseError(address);
    return new ListenError(address, reasonOf(failure));
  };
}

export function connectFailure(target: string): ToError {
  return (failure) => {
    switch (failure.code) {
      case 'SHUTTING_DOWN':
        return new ClosedError('the engine');
      case 'REFUSED_BY_PEER':
        return new ConnectRefusedError(target, reasonOf(failure));
      case 'CONNECTION_REFUSED':
      case 'CONNECTION_LOST':
      case 'ADDRESS_UNAVAILABLE':
      case 'TIMED_OUT':
      case 'PROTOCOL_ERROR':
        return new UnreachableError(target, reasonOf(failure));
      default:
        return new NativeError(`connect to ${target}`, reasonOf(failure));
    }
  };
}

/** Of a namespace that is, or was to be, a device of this machine. */
export function attachFailure(uuid: string, driver: string, nqn: string, nsid: number): ToError {
  return (failure) => {
    if (failure.code === 'SHUTTING_DOWN') return new ClosedError('the engine');
    if (failure.code === 'NOT_FOUND') {
      return /^(?:there is no|namespace)/.test(failure.text)
        ? new NamespaceNotFoundError(nqn, nsid)
        : new AttachUnavailableError(driver, reasonOf(failure));
    }
    if (failure.code === 'PERMISSION_DENIED' || failure.code === 'UNSUPPORTED')
      return new AttachUnavailableError(driver, reasonOf(failure));
    if (failure.code === 'IN_USE') return new AttachConflictError(uuid, reasonOf(failure));
    return new AttachFailedError(uuid, reasonOf(failure));
  };
}

export function controllerFailure(operation: string): ToError {
  return (failure) =>
    failure.code === 'SHUTTING_DOWN'
      ? new ClosedError('the controller')
      : new NativeError(operation, reasonOf(failure));
}

// NVMe Base Specification 2.1, "Status Field Definition", without the phase tag.
export function decodeStatus(status: number): NvmeStatus {
  return {
    statusCodeType: (status >> 8) & 7,
    statusCode: status & 0xff,
    name: binding.statusName(status),
    doNotRetry: (status & 0x4000) !== 0,
  };
}

const hostPathingError = 0x370;
// Above the 15 bits of a status: the addon did not take the command.
const notTaken = 0x1_0000;

/** The error of an I/O that did not end with status 0. */
export function statusError(operation: string, status: number, closed: boolean): DomainError {
  if (status >= notTaken) {
    return new NativeError(operation, 'too many I/Os are in flight, or the controller has no I/O queue');
  }
  const error = new NvmeStatusError(operation, decodeStatus(status));
  if ((status & 0x7ff) !== hostPathingError) return error;
  // Ours, not the target's: the command was given up because its connection is gone for good.
  return closed ? new ClosedError('the controller') : new ConnectionLostError(operation, { cause: error });
}
