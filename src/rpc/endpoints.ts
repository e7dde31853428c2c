// Calls to one of several servers that are as good as each other: which of them is asked, and what is sent
// again and how often. What must stay true: `once` sends once, and only on a connection that stands, so that
// who hears of a failure knows whether anybody can have received the call. Calls fail with CallFailure, or
// with CLOSED. Called by clients of stores.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { HostPort } from '../base/address.js';
import { ClosedError } from '../base/errors.js';
import { CallFailure, type ClientTls, type ConnectionOptions, RpcConnection } from './connection.js';
import type { StatusName } from './status.js';

export interface EndpointsOptions {
  /** Not empty. */
  readonly endpoints: readonly HostPort[];
  readonly tls?: ClientTls;
  /** Of a call with all its attempts, in milliseconds. Default 4,000. */
  readonly requestMs?: number;
  /** After which another server is asked, in milliseconds. Default 1,500. */
  readonly attemptMs?: number;
}

/** What is known of the servers, by whoever made this. */
export interface EndpointsRules {
  readonly messageBytesMax?: number;
  /** Whether another attempt may succeed. Default: what servers and networks say when they come and go. */
  readonly isPassing?: (failure: CallFailure) => boolean;
  /** What each call carries; asked for before each. */
  readonly metadata?: () => Promise<Readonly<Record<string, string>>>;
  /** Refused for its metadata before anything was done: with a new one it is sent as for the first time. */
  readonly isStale?: (failure: CallFailure) => boolean;
}

const attemptsMax = 16;
const backoffMsMin = 25;
const backoffMsMax = 500;
/** With less time left another attempt would only hide why the one before it failed. */
const attemptMsMin = 50;
/** A server that did not answer is asked last for so long. */
const suspicionMs = 5_000;
/** For connections to servers that are not suspected, before one that is gets the call. */
const preferenceMs = 500;

const passing: ReadonlySet<StatusName> = new Set([
  ...(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'CANCELLED', 'UNKNOWN', 'ABORTED'] as const),
]);

export function isPassing({ status }: CallFailure): boolean {
  return passing.has(status);
}

interface Endpoint {
  readonly address: HostPort;
  connection: RpcConnection;
  suspectUntilMs: number;
}

export class RpcEndpoints {
  readonly #endpoints: readonly Endpoint[];
  #connection: ConnectionOptions;
  readonly #requestMs: number;
  readonly #attemptMs: number;
  readonly #rules: EndpointsRules;
  readonly #closing = new AbortController();
  readonly #retiring = new Map<RpcConnection, NodeJS.Timeout>();

  constructor(options: EndpointsOptions, rules: EndpointsRules = {}) {
    const { endpoints, tls, requestMs = 4_000, attemptMs = 1_500 } = options;
    const { messageBytesMax } = rules;
    this.#connection = {
      ...(tls !== undefined && { tls }),
      ...(messageBytesMax !== undefined && { messageBytesMax }),
    };
    this.#endpoints = endpoints.map((address) => ({
      address,
      connection: new RpcConnection(address, this.#connection),
      suspectUntilMs: 0,
    }));
    setMaxListeners(0, this.#closing.signal); // one for each call under way
    this.#requestMs = requestMs;
    this.#attemptMs = attemptMs;
    this.#rules = rules;
  }

  /** What may be done twice: sent again until it succeeds, or its time is over. */
  read<Q, R>(method: MethodDefinition<Q, R>, request: Q, requestMs = this.#requestMs): Promise<R> {
    return this.#repeat(requestMs, (endpoint, timeoutMs) => this.#send(endpoint, method, request, timeoutMs));
  }

  /** As `read`, without metadata: what metadata may be made of. */
  readPlain<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    const { signal } = this.#closing;
    return this.#repeat(this.#requestMs, ({ connection }, timeoutMs) =>
      connection.unary(method, request, { timeoutMs, signal }),
    );
  }

  /** What may be done once. A failure says whether it was sent. */
  async once<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    const untilMs = performance.now() + this.#requestMs;
    const endpoint = await this.#pick(untilMs);
    await this.#metadata().catch(notSent);
    return this.#send(endpoint, method, request, untilMs - performance.now());
  }

  /** One attempt of a stream. */
  async *stream<Q, R>(method: MethodDefinition<Q, R>, request: Q, signal: AbortSignal): AsyncGenerator<R> {
    const endpoint = await this.#pick(performance.now() + this.#requestMs);
    const metadata = await this.#metadata();
    const options = { firstMessageMs: this.#attemptMs, signal, metadata };
    try {
      yield* endpoint.connection.stream(method, request, options);
    } catch (error) {
      if (error instanceof CallFailure) judge(endpoint, error);
      throw error;
    }
  }

  /** All that is answered by a stream that ends, as `read`. */
  readAll<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<readonly R[]> {
    return this.#repeat(this.#requestMs, async (endpoint, timeoutMs) => {
      const answers: R[] = [];
      for await (const answer of this.#readStream(endpoint, method, request, timeoutMs)) answers.push(answer);
      return answers;
    });
  }

  /** The first that is answered by a stream, as `read`. */
  first<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    return this.#repeat(this.#requestMs, async (endpoint, timeoutMs) => {
      for await (const answer of this.#readStream(endpoint, method, request, timeoutMs)) return answer;
      throw new CallFailure('UNAVAILABLE', 'the stream ended without an answer');
    });
  }

  /** For calls from now on. Those under way have as long as a call may take; streams end with it. */
  useTls(tls: ClientTls): void {
    this.#checkOpen();
    this.#connection = { ...this.#connection, tls };
    for (const endpoint of this.#endpoints) {
      const { connection } = endpoint;
      endpoint.connection = new RpcConnection(endpoint.address, this.#connection);
      const timer = setTimeout(() => this.#retire(connection), this.#requestMs).unref();
      this.#retiring.set(connection, timer);
    }
  }

  #retire(connection: RpcConnection): void {
    clearTimeout(this.#retiring.get(connection));
    this.#retiring.delete(connection);
    connection.close();
  }

  /** Calls under way fail. */
  close(): void {
    this.#closing.abort();
    for (const { connection } of this.#endpoints) connection.close();
    for (const connection of this.#retiring.keys()) this.#retire(connection);
  }

  async *#readStream<Q, R>(
    { connection }: Endpoint,
    method: MethodDefinition<Q, R>,
    request: Q,
    timeoutMs: number,
  ): AsyncGenerator<R> {
    const metadata = await this.#metadata();
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#requestMs)]);
    yield* connection.stream(method, request, { firstMessageMs: timeoutMs, signal, metadata });
  }

  async #repeat<R>(
    requestMs: number,
    attempt: (endpoint: Endpoint, timeoutMs: number) => Promise<R>,
  ): Promise<R> {
    const untilMs = performance.now() + requestMs;
    for (let attempts = 1; ; attempts += 1) {
      const endpoint = await this.#pick(untilMs);
      try {
        return await attempt(endpoint, Math.min(this.#attemptMs, untilMs - performance.now()));
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        judge(endpoint, error);
        const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** attempts) * (0.5 + Math.random() / 2);
        const leftMs = untilMs - performance.now() - backoffMs;
        const over = leftMs < attemptMsMin || attempts >= attemptsMax;
        const { isPassing: mayPass = isPassing } = this.#rules;
        if (!mayPass(error) || over || this.#closing.signal.aborted) throw error;
        await sleep(backoffMs);
      }
    }
  }

  async #send<Q, R>(
    endpoint: Endpoint,
    method: MethodDefinition<Q, R>,
    request: Q,
    timeoutMs: number,
  ): Promise<R> {
    const { signal } = this.#closing;
    const untilMs = performance.now() + timeoutMs;
    for (let renewed = false; ; renewed = true) {
      const metadata = await this.#metadata();
      const left = untilMs - performance.now();
      try {
        return await endpoint.connection.unary(method, request, { timeoutMs: left, signal, metadata });
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        judge(endpoint, error);
        if (renewed || this.#rules.isStale?.(error) !== true) throw error;
      }
    }
  }

  /** A server with a connection that stands, rather one that has answered lately. */
  async #pick(untilMs: number): Promise<Endpoint> {
    this.#checkOpen();
    const nowMs = performance.now();
    const trusted = this.#endpoints.filter(({ suspectUntilMs }) => suspectUntilMs <= nowMs);
    const standing = trusted.find(({ connection }) => connection.isReady);
    if (standing !== undefined) return standing;
    const found =
      (await connected(trusted, Math.min(preferenceMs, untilMs - nowMs))) ??
      this.#endpoints.find(({ connection }) => connection.isReady) ??
      (await connected(this.#endpoints, untilMs - performance.now()));
    this.#checkOpen();
    if (found !== undefined) return found;
    const reasons = this.#endpoints.map(({ connection }) => connection.whyUnreachable());
    const text = `nobody can be reached (${(await Promise.all(reasons)).join('; ')})`;
    throw new CallFailure('UNAVAILABLE', text, { sent: false });
  }

  async #metadata(): Promise<Readonly<Record<string, string>>> {
    return (await this.#rules.metadata?.()) ?? {};
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new ClosedError('the connection');
  }
}

function judge(endpoint: Endpoint, { status }: CallFailure): void {
  const silent = status === 'UNAVAILABLE' || status === 'DEADLINE_EXCEEDED';
  if (silent) endpoint.suspectUntilMs = performance.now() + suspicionMs;
}

function notSent(error: unknown): never {
  if (!(error instanceof CallFailure)) throw error;
  throw new CallFailure(error.status, error.details, { sent: false, cause: error });
}

async function connected(endpoints: readonly Endpoint[], timeoutMs: number): Promise<Endpoint | undefined> {
  if (endpoints.length === 0 || timeoutMs <= 0) return undefined;
  const connecting = endpoints.map(async (endpoint) => {
    await endpoint.connection.ready(timeoutMs);
    return endpoint;
  });
  return Promise.any(connecting).catch(() => undefined);
}
