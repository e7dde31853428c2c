// How a service is written: a function for each method, unary or streaming, from the types that
// proto/types.mjs makes.
import type { Peer } from './peers.js';

export interface Call {
  /** Aborted when the caller gave up or its deadline has passed: nobody reads the answer. */
  readonly signal: AbortSignal;
  readonly peer: Peer;
}

/** A message as it is sent: what is absent is not in it. */
export type Sent<T> = T extends string | number | boolean | null | Uint8Array
  ? T
  : T extends readonly (infer Element)[]
    ? readonly Sent<Element>[]
    : { readonly [Key in keyof T]?: Sent<T[Key]> | undefined };

export type Unary<Request, Response> = (request: Request, call: Call) => Promise<Sent<Response>>;
export type Streaming<Request, Response> = (request: Request, call: Call) => AsyncIterable<Sent<Response>>;

/** `Service` is one of the interfaces `...Service` that proto/types.mjs makes. */
export type Handlers<Service> = {
  readonly [Method in keyof Service]: Service[Method] extends { request: infer Q; stream: infer R }
    ? Streaming<Q, R>
    : Service[Method] extends { request: infer Q; response: infer R }
      ? Unary<Q, R>
      : never;
};
