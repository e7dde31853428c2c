// From what was thrown to status, body and headers. The one place where errors become HTTP: a code that is
// missing in the table does not compile. What is not ours is INTERNAL: the log has it, the caller does not.
import type { FastifyError } from 'fastify';
import {
  InternalError,
  RequestTooLargeError,
  TooManyRequestsError,
  UnsupportedMediaTypeError,
} from '../base/control-errors.js';
import { DomainError, type ErrorCode, InvalidArgumentError } from '../base/errors.js';

const statuses = {
  INVALID_ARGUMENT: 400,
  INVALID_SIZE: 400,
  INVALID_URI: 400,
  INVALID_NQN: 400,
  INVALID_VOLUME_SPEC: 400,
  INVALID_CONFIG: 400,
  DUPLICATE_VOLUME: 409,
  STATE_DIRECTORY: 500,
  VOLUME_OPEN_FAILED: 409,
  ADDRESS_IN_USE: 409,
  LISTEN_FAILED: 409,
  UNREACHABLE: 502,
  CONNECT_REFUSED: 502,
  CONNECTION_LOST: 502,
  NVME_STATUS: 502,
  NAMESPACE_NOT_FOUND: 404,
  VERIFY_FAILED: 500,
  HISTORY_VIOLATED: 500,
  ABORTED: 503,
  CLOSED: 503,
  NATIVE: 500,
  VOLUME_NOT_FOUND: 404,
  STORE_GAP: 409,
  STORE_FAILED: 503,
  STORE_UNAVAILABLE: 503,
  STORE_IN_DOUBT: 503,
  STORE_RESTORED: 409,
  LEASE_EXPIRED: 409,
  LIMIT_REACHED: 409,
  TOKEN_NOT_FOUND: 404,
  TOKEN_EXISTS: 409,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TOO_MANY_REQUESTS: 429,
  ROUTE_NOT_FOUND: 404,
  REQUEST_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INTERNAL: 500,
  POOL_NOT_FOUND: 404,
  POOL_EXISTS: 409,
  POOL_DEVICE: 409,
  POOL_UNAVAILABLE: 409,
  POOL_IN_USE: 409,
  NO_SPACE: 507,
  POOL_FAILED: 500,
  VOLUME_IN_USE: 409,
  HOST_CONFLICT: 409,
  SNAPSHOT_NOT_FOUND: 404,
  SNAPSHOT_EXISTS: 409,
  KEY_UNAVAILABLE: 503,
  ATTACH_UNAVAILABLE: 500, // no route attaches
  ATTACH_CONFLICT: 500,
  ATTACH_NOT_FOUND: 500,
  ATTACH_FAILED: 500,
  QOS_OVERCOMMITTED: 409,
  QOS_CLASS_NOT_FOUND: 404,
  QOS_CLASS_IN_USE: 409,
  INVALID_REPLICA_SPEC: 400,
  INVALID_MIRROR_SPEC: 400,
  REPLICA_OPEN_FAILED: 409,
  MIRROR_NOT_FOUND: 404,
  MIRROR_CONFLICT: 409,
  MIRROR_RECORD_DAMAGED: 500,
  CLUSTER_RECORD_DAMAGED: 500,
  NODE_NOT_FOUND: 404,
  NODE_STATE: 409,
  CLUSTER_VOLUME_STATE: 409,
  CLUSTER_UNSUPPORTED: 501,
  JOIN_REFUSED: 403,
  WRONG_AUTHORITY: 502,
  NODE_REFUSED: 403,
  NO_PLACEMENT: 507,
  PROCESS_FAILED: 500,
  DRILL_TIMEOUT: 500,
  DRILL_UNAVAILABLE: 500,
  DRILL_FAILED: 500,
} as const satisfies Record<ErrorCode, number>;

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly code: ErrorCode; readonly message: string; readonly details: object };
}

export function answerTo(error: DomainError): ErrorAnswer {
  const { code, message } = error;
  const headers: Record<string, string> = {};
  if (code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer realm="ballast"';
  if (error instanceof TooManyRequestsError) headers['retry-after'] = String(error.retryAfterSeconds);
  return { status: statuses[code], headers, body: { code, message, details: detailsOf(error) } };
}

/** `bodyBytesMax`: the limit that a body of too many bytes went over. */
export function domainErrorOf(error: unknown, requestId: string, bodyBytesMax: number): DomainError {
  if (error instanceof DomainError) return error;
  const { code, validation, validationContext, statusCode, message } = error as FastifyError;
  const [first] = validation ?? [];
  if (first !== undefined) {
    const { field, expected } = complaint(first);
    return new InvalidFieldError(field, validationContext ?? 'body', expected);
  }
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new RequestTooLargeError('the body', bodyBytesMax);
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new UnsupportedMediaTypeError(/: (.*)$/.exec(message)?.[1] ?? '');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new InvalidFieldError('', 'body', 'JSON');
    default: {
      const theirs = statusCode !== undefined && statusCode >= 400 && statusCode < 500;
      return theirs
        ? new InvalidFieldError('', 'request', message)
        : new InternalError(requestId, { cause: error });
    }
  }
}

class InvalidFieldError extends InvalidArgumentError {
  constructor(
    readonly field: string,
    /** "body", "params", "querystring". */
    readonly where: string,
    expected: string,
  ) {
    super(field === '' ? where : field, expected);
  }
}

interface Complaint {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string | undefined;
}

// What ajv says, with the name of the field also where it is missing or one too many.
function complaint({ keyword, instancePath, params, message }: Complaint): {
  field: string;
  expected: string;
} {
  const path = instancePath.split('/').slice(1);
  const field = (last?: unknown) => [...path, ...(last === undefined ? [] : [String(last)])].join('.');
  switch (keyword) {
    case 'required':
      return { field: field(params.missingProperty), expected: 'a value; it is missing' };
    case 'additionalProperties':
      return { field: field(params.additionalProperty), expected: 'nothing; there is no such field' };
    case 'enum':
      return { field: field(), expected: `one of ${(params.allowedValues as unknown[]).join(', ')}` };
    default:
      return {
        field: field(),
        expected: (message ?? keyword).replace(/^must be /, '').replace(/^must /, 'to '),
      };
  }
}

function detailsOf(error: DomainError): object {
  const {
    name: _name,
    code: _code,
    cause: _cause,
    ...fields
  } = error as DomainError & Record<string, unknown>;
  const plain = (value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)]));
}
