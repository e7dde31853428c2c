// One call from its arrival to its answer: the signal of its caller, one line in the log, its error as a
// status.
import type { Log } from '../base/log.js';
import type { Peer } from './peers.js';
import { redacted } from './redact.js';
import { isFault, type RpcStatus, statusOf } from './status.js';

export interface ObserverOptions {
  readonly log: Log;
  /** Fields whose content is not logged, beside that of maps. */
  readonly hidden: ReadonlySet<string>;
  /** Of a method: whether it is meant to change something. Those are logged at info, others at debug. */
  readonly changes: (method: string) => boolean;
}

/** Of grpc-js, what is needed here. */
export interface Cancellable {
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

export class ObservedCall {
  readonly #options: ObserverOptions;
  readonly #method: string;
  readonly #request: unknown;
  /** Made when it is asked for: most calls are over before anybody wants to know. */
  #abort: AbortController | undefined;
  #isAborted = false;
  #isOver = false;
  readonly #beganMs = performance.now();

  constructor(
    options: ObserverOptions,
    method: string,
    request: unknown,
    call: Cancellable,
    readonly peer: Peer,
  ) {
    this.#options = options;
    this.#method = method;
    this.#request = request;
    if (call.cancelled) this.abort();
    call.on('cancelled', () => this.abort()); // also when it has been answered
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#isAborted) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** As if its caller had gone. */
  abort(): void {
    if (this.#isOver) return;
    this.#isAborted = true;
    this.#abort?.abort();
  }

  succeeded(response: unknown): void {
    this.#isOver = true;
    const { log, hidden, changes } = this.#options;
    const level = changes(this.#method) ? 'info' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    log[level]({ ...this.#fields(), response: redacted(response, hidden) }, this.#text('OK'));
  }

  failed(error: unknown): RpcStatus {
    this.#isOver = true;
    const { log } = this.#options;
    const status = statusOf(error);
    const fields = { ...this.#fields(), reason: status.details };
    if (isFault(status)) log.error({ ...fields, err: error }, this.#text(status.name));
    else log.debug(fields, this.#text(status.name));
    return status;
  }

  #fields() {
    return {
      room: 'rpc',
      method: this.#method,
      ms: Math.round(performance.now() - this.#beganMs),
      request: redacted(this.#request, this.#options.hidden),
    };
  }

  #text(outcome: string): string {
    return `${this.#method}: ${outcome}${this.#isAborted ? ', after the caller had gone' : ''}`;
  }
}
