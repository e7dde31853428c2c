// The client's side of a gRPC connection to one address. A call is sent once: whoever may send it again says
// so itself. Called by clients of services: their methods are typed by what proto/types.mjs makes of the
// interface (methodsOf).
import {
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  logVerbosity,
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { formatHost, type HostPort } from '../base/address.js';
import { type ErrorCode, isErrorCode } from '../base/errors.js';
import type { Sent } from './handlers.js';
import { errorCodeKey, type StatusName } from './status.js';

/** PEM. A client's own certificate is what a server with mutual TLS asks for. */
export interface ClientTls {
  /** Those that may have signed the server's certificate; absent: those that Node.js trusts. */
  readonly certificateAuthority?: Buffer;
  readonly own?: { readonly certificate: Buffer; readonly key: Buffer };
}

export interface ConnectionOptions {
  /** Absent: not encrypted. */
  readonly tls?: ClientTls;
  /** Of one message that comes. Default 4 MiB. */
  readonly messageBytesMax?: number;
  /** A peer with calls under way is asked so often whether it is there. Default 6,000. */
  readonly keepAliveMs?: number;
}

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StreamOptions extends Omit<CallOptions, 'timeoutMs'> {
  /** Until the first message; after that a stream may be silent as long as its peer is alive. */
  readonly firstMessageMs: number;
}

/** How a call ended, other than well. */
export class CallFailure extends Error {
  /** That of the catalogue, where a server of ours said one. */
  readonly errorCode: ErrorCode | undefined;
  /** False: nobody can have received it. */
  readonly sent: boolean;

  constructor(
    readonly status: StatusName,
    readonly details: string,
    options: { readonly errorCode?: ErrorCode; readonly sent?: boolean; readonly cause?: unknown } = {},
  ) {
    super(`${status}: ${details}`, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'CallFailure';
    this.errorCode = options.errorCode;
    this.sent = options.sent ?? true;
  }
}

export type Methods<Service> = {
  readonly [Method in keyof Service]: Service[Method] extends
    | { request: infer Q; response: infer R }
    | { request: infer Q; stream: infer R }
    | { requests: infer Q; stream: infer R }
    ? MethodDefinition<Sent<Q>, R>
    : never;
};

/** `Service` is one of the interfaces `...Service` that proto/types.mjs makes. */
export function methodsOf<Service>(definition: ServiceDefinition): Methods<Service> {
  return definition as unknown as Methods<Service>;
}

const pongMsMax = 2_000;
const probeMsMax = 50;
const reconnectMsMin = 100;
const reconnectMsMax = 1_000;

export class RpcConnection {
  /** HOST:PORT */
  readonly name: string;
  readonly #client: Client;

  constructor({ host, port }: HostPort, options: ConnectionOptions = {}) {
    setLogVerbosity(logVerbosity.NONE); // it would write to stderr by itself
    this.name = `${formatHost(host)}:${port}`;
    const { tls, messageBytesMax = 4 << 20, keepAliveMs = 6_000 } = options;
    this.#client = new Client(this.name, credentialsOf(tls), {
      'grpc.max_receive_message_length': messageBytesMax,
      'grpc.keepalive_time_ms': keepAliveMs,
      'grpc.keepalive_timeout_ms': pongMsMax,
      'grpc.initial_reconnect_backoff_ms': reconnectMsMin,
      'grpc.max_reconnect_backoff_ms': reconnectMsMax,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0, // for web traffic, which this is not
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1, // with its own options, and closed when it is closed
    });
  }

  get isReady(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Connects if need be; fails when it took too long. */
  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) =>
        error === undefined || error === null
          ? resolve()
          : reject(new CallFailure('UNAVAILABLE', `no connection to ${this.name}`, { cause: error })),
      );
    });
  }

  /** For a person, after ready() has failed: grpc-js tells it only to a call that wants a connection. */
  whyUnreachable(): Promise<string> {
    const nothing = () => Buffer.alloc(0);
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        nothing,
        nothing,
        {},
        { deadline: Date.now() + probeMsMax },
        (error) => resolve(`${this.name}: ${reasonIn(error)}`),
      );
    });
  }

  /** Fails with CallFailure. After ABORTED by the signal or a deadline, the call may have been done. */
  unary<Q, R>(method: MethodDefinition<Q, R>, request: Q, options: CallOptions): Promise<R> {
    const { timeoutMs, signal, metadata } = options;
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataOf(metadata),
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (error !== null) reject(failureOf(error));
          else if (response === undefined) reject(new CallFailure('INTERNAL', 'an answer without a message'));
          else resolve(response);
        },
      );
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted) cancel();
    });
  }

  /**
   * One request, and what is answered until the server ends it. As slow as its reader: what is not read stays
   * with the server, but for a few messages. Fails with CallFailure; the call ends when its reader does.
   */
  async *stream<Q, R>(
    method: MethodDefinition<Q, R>,
    request: Q,
    { firstMessageMs, signal, metadata }: StreamOptions,
  ): AsyncGenerator<R> {
    const call = this.#openStream(method, request, metadata);
    call.on('error', () => undefined); // the reader below has it; after its end nobody wants it
    const cancel = () => call.cancel();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      cancel();
    }, firstMessageMs);
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    try {
      for await (const message of call) {
        clearTimeout(timer);
        yield message as R;
      }
    } catch (error) {
      if (late) throw new CallFailure('DEADLINE_EXCEEDED', `${this.name} does not answer`, { cause: error });
      throw error instanceof Error && 'code' in error ? failureOf(error as ServiceError) : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      cancel();
    }
  }

  close(): void {
    this.#client.close();
  }

  #openStream<Q, R>(
    { path, requestSerialize, responseDeserialize, requestStream }: MethodDefinition<Q, R>,
    request: Q,
    metadata: CallOptions['metadata'],
  ): ClientReadableStream<R> {
    const sent = metadataOf(metadata);
    if (!requestStream) {
      return this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, sent);
    }
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, sent);
    call.write(request);
    return call;
  }
}

function credentialsOf(tls: ClientTls | undefined) {
  if (tls === undefined) return credentials.createInsecure();
  const { certificateAuthority = null, own } = tls;
  return credentials.createSsl(certificateAuthority, own?.key ?? null, own?.certificate ?? null);
}

function metadataOf(fields: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value);
  return metadata;
}

/** Without what grpc-js puts around the error of the socket. */
function reasonIn(error: ServiceError | null): string {
  if (error === null || error.code === status.UNIMPLEMENTED) return 'answers now';
  return error.details
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/\.? Resolution note: $/, '');
}

function failureOf(error: ServiceError): CallFailure {
  const name = (status[error.code] ?? 'UNKNOWN') as StatusName;
  const code = error.metadata?.get(errorCodeKey)[0];
  const errorCode = typeof code === 'string' && isErrorCode(code) ? { errorCode: code } : {};
  return new CallFailure(name, error.details ?? error.message, { ...errorCode, cause: error });
}
