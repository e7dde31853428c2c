// Calls to the members of an etcd cluster: which of them is asked, what is sent again and how often, the
// token of a user. What must stay true: a change is sent once, and only on a connection that stands, so that
// `not reachable` is said of what nobody can have received, and everything else is in doubt. Calls fail with
// CallFailure, or with CLOSED.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { HostPort } from '../../base/address.js';
import { ClosedError, InvalidArgumentError } from '../../base/errors.js';
import { etcdEndpointsMax } from '../../base/store-source.js';
import { CallFailure, type ClientTls, RpcConnection } from '../../rpc/connection.js';
import { changeFailed, isPassing, isSilence, needsNewToken, told } from './failures.js';
import { etcdServices } from './services.js';

export interface EndpointsOptions {
  /** 1 to 16 members of one cluster. */
  readonly endpoints: readonly HostPort[];
  readonly tls?: ClientTls;
  readonly user?: { readonly name: string; readonly password: string };
  /** Of a call with all its attempts, in milliseconds. Default 4,000. */
  readonly requestMs?: number;
  /** After which another member is asked, in milliseconds. Default 1,500. */
  readonly attemptMs?: number;
}

const attemptsMax = 16;
const backoffMsMin = 25;
const backoffMsMax = 500;
/** A member that did not answer is asked last for so long. */
const suspicionMs = 5_000;
/** For connections to members that are not suspected, before one that is gets the call. */
const preferenceMs = 500;
/** Values of 1 MiB in an answer that etcd cuts near 1.5 MiB, and some room. */
const messageBytesMax = 16 << 20;

interface Endpoint {
  readonly connection: RpcConnection;
  suspectUntilMs: number;
}

export class EtcdEndpoints {
  readonly #endpoints: readonly Endpoint[];
  readonly #user: EndpointsOptions['user'];
  readonly #requestMs: number;
  readonly #attemptMs: number;
  readonly #closing = new AbortController();
  /** Promised, so that many calls at once get one token. */
  #token: Promise<string> | undefined;

  constructor({ endpoints, tls, user, requestMs = 4_000, attemptMs = 1_500 }: EndpointsOptions) {
    if (endpoints.length < 1 || endpoints.length > etcdEndpointsMax) {
      throw new InvalidArgumentError('endpoints', `1 to ${etcdEndpointsMax} addresses of etcd`);
    }
    this.#endpoints = endpoints.map((address) => ({
      connection: new RpcConnection(address, { messageBytesMax, ...(tls !== undefined && { tls }) }),
      suspectUntilMs: 0,
    }));
    setMaxListeners(0, this.#closing.signal); // one for each call under way
    this.#user = user;
    this.#requestMs = requestMs;
    this.#attemptMs = attemptMs;
  }

  /** What may be done twice: sent again until it succeeds, or its time is over. */
  read<Q, R>(method: MethodDefinition<Q, R>, request: Q, requestMs = this.#requestMs): Promise<R> {
    return this.#repeat(requestMs, (endpoint, timeoutMs) => this.#send(endpoint, method, request, timeoutMs));
  }

  /**
   * What may be done once. Fails, instead, with STORE_UNAVAILABLE: it was not done; or with STORE_IN_DOUBT:
   * nobody knows.
   */
  async change<Q, R>(operation: string, method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    const untilMs = performance.now() + this.#requestMs;
    const endpoint = await told(operation, this.#pick(untilMs));
    await told(operation, this.#metadata());
    try {
      return await this.#send(endpoint, method, request, untilMs - performance.now());
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      throw changeFailed(operation, error);
    }
  }

  /** One attempt of a stream. */
  async *stream<Q, R>(method: MethodDefinition<Q, R>, request: Q, signal: AbortSignal): AsyncGenerator<R> {
    const endpoint = await this.#pick(performance.now() + this.#requestMs);
    const metadata = await this.#metadata();
    const options = { firstMessageMs: this.#attemptMs, signal, metadata };
    try {
      yield* endpoint.connection.stream(method, request, options);
    } catch (error) {
      if (error instanceof CallFailure) this.#judge(endpoint, error);
      throw error;
    }
  }

  /** The first answer to a request by a stream, as `read`. */
  first<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    return this.#repeat(this.#requestMs, async (endpoint, timeoutMs) => {
      const metadata = await this.#metadata();
      const options = { firstMessageMs: timeoutMs, signal: this.#closing.signal, metadata };
      for await (const answer of endpoint.connection.stream(method, request, options)) return answer;
      throw new CallFailure('UNAVAILABLE', 'the stream ended without an answer');
    });
  }

  /** The next call asks for another one. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** Calls under way fail. */
  close(): void {
    this.#closing.abort();
    for (const { connection } of this.#endpoints) connection.close();
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
        this.#judge(endpoint, error);
        const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** attempts) * (0.5 + Math.random() / 2);
        const over = performance.now() + backoffMs >= untilMs || attempts >= attemptsMax;
        if (!isPassing(error) || over || this.#closing.signal.aborted) throw error;
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
        if (error instanceof CallFailure) this.#judge(endpoint, error);
        // Refused before anything was done: with another token it is the first time.
        if (!(error instanceof CallFailure) || renewed || !needsNewToken(error)) throw error;
      }
    }
  }

  #judge(endpoint: Endpoint, failure: CallFailure): void {
    if (isSilence(failure)) endpoint.suspectUntilMs = performance.now() + suspicionMs;
    if (needsNewToken(failure)) this.forgetToken();
  }

  /** A member with a connection that stands, rather one that has answered lately. */
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
    if (found === undefined) throw new CallFailure('UNAVAILABLE', await this.#whyUnreachable());
    return found;
  }

  /** Why a connection cannot be made is told only to a call that wants one. */
  async #whyUnreachable(): Promise<string> {
    const reasons = this.#endpoints.map(async ({ connection }) => {
      const { kv } = etcdServices();
      const failure = await connection
        .unary(kv.Range, { key: Buffer.of(0) }, { timeoutMs: 50 })
        .then(() => 'answers now')
        .catch(({ details }: CallFailure) => plain(details));
      return `${connection.name}: ${failure}`;
    });
    return `no etcd can be reached (${(await Promise.all(reasons)).join('; ')})`;
  }

  async #metadata(): Promise<Record<string, string>> {
    // A member that has lost its leader says so at once, instead of waiting for one.
    const always = { hasleader: 'true' };
    if (this.#user === undefined) return always;
    this.#token ??= this.#authenticate(this.#user);
    try {
      return { ...always, token: await this.#token };
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(user: NonNullable<EndpointsOptions['user']>): Promise<string> {
    const { signal } = this.#closing;
    const { Authenticate } = etcdServices().auth;
    const { token } = await this.#repeat(this.#requestMs, (endpoint, timeoutMs) =>
      endpoint.connection.unary(Authenticate, user, { timeoutMs, signal }),
    );
    return token;
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new ClosedError('the store');
  }
}

/** Without what grpc-js puts around the error of the socket. */
function plain(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/\.? Resolution note: $/, '');
}

async function connected(endpoints: readonly Endpoint[], timeoutMs: number): Promise<Endpoint | undefined> {
  if (endpoints.length === 0 || timeoutMs <= 0) return undefined;
  const connecting = endpoints.map(async (endpoint) => {
    await endpoint.connection.ready(timeoutMs);
    return endpoint;
  });
  return Promise.any(connecting).catch(() => undefined);
}
