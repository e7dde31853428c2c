// A gRPC server on a Unix socket or a TCP address. Connections are taken by a socket of our own and handed to
// grpc-js: it would make a Unix socket that others can open, and take any number of connections. Messages,
// streams and connections are bounded.
import { once } from 'node:events';
import type { Socket, Server as SocketServer } from 'node:net';
import {
  type ConnectionInjector,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { HostPort } from '../base/address.js';
import { ClosedError } from '../base/errors.js';
import type { Call, Handlers, Streaming, Unary } from './handlers.js';
import { ObservedCall, type ObserverOptions } from './observed-call.js';
import { Peers } from './peers.js';
import {
  listenForStrangers,
  listenOnTcp,
  type ServerCertificate,
  type ServerTls,
  useCertificate,
} from './tcp-socket.js';
import { listenOnSocket } from './unix-socket.js';

const messageBytesDefault = 4 << 20; // what gRPC takes where nobody says otherwise
const streamsMax = 128; // at once in a connection
const closeMsMax = 2_000;

export interface RpcServerOptions extends ObserverOptions {
  /** Called with every request before its handler; what it throws is the answer. */
  readonly check?: (request: unknown, call: Call) => void | Promise<void>;
  /** Of one message that comes. Default 4 MiB. */
  readonly messageBytesMax?: number;
  /** Methods whose streams end with their reader only: close() does not wait for these. Default: none. */
  readonly endless?: (method: string) => boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: what Handlers<Service> says of each
type AnyHandler = Unary<any, any> | Streaming<any, any>;

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  #socket: SocketServer | undefined;
  #injector: ConnectionInjector | undefined;
  readonly #endless = new Set<ObservedCall>();
  readonly #peers = new Peers();
  /** A service that is not for everybody has been added. */
  #isGuarded = false;
  #hasStrangers = false;
  #closing: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    setLogVerbosity(logVerbosity.NONE); // it would write to stderr by itself
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.messageBytesMax ?? messageBytesDefault,
      'grpc.max_concurrent_streams': streamsMax,
    });
  }

  /** `forStrangers`: who calls may be anybody, and the service looks after that itself. */
  add<Service>(
    definition: ServiceDefinition,
    handlers: Handlers<Service>,
    { forStrangers = false }: { readonly forStrangers?: boolean } = {},
  ): void {
    if (!forStrangers && this.#hasStrangers) throw new Error('strangers are listened to already');
    if (!forStrangers) this.#isGuarded = true;
    const wrapped: UntypedServiceImplementation = {};
    for (const [name, { responseStream }] of Object.entries(definition)) {
      const handler = (handlers as Record<string, AnyHandler>)[name];
      if (handler === undefined) throw new Error(`the service has no handler for ${name}`);
      wrapped[name] = responseStream
        ? this.#streaming(name, handler as Streaming<unknown, unknown>)
        : this.#unary(name, handler as Unary<unknown, unknown>);
    }
    this.#server.addService(definition, wrapped);
  }

  async listen(path: string): Promise<void> {
    this.#socket = await listenOnSocket(path, this.#taker());
  }

  /** Resolves with the address, and the port that was chosen for 0. Without `tls` on loopback only. */
  async listenTcp(address: HostPort, tls?: ServerTls): Promise<HostPort> {
    const bound = await listenOnTcp(address, tls, this.#taker());
    this.#socket = bound.server;
    return bound.address;
  }

  /**
   * With a certificate on this side only. Refused where a service was added that is not for strangers: such
   * an address has nothing else.
   */
  async listenForStrangers(address: HostPort, certificate: ServerCertificate): Promise<HostPort> {
    if (this.#isGuarded) throw new Error('a service of this server is not for strangers');
    this.#hasStrangers = true;
    const bound = await listenForStrangers(address, certificate, this.#taker());
    this.#socket = bound.server;
    return bound.address;
  }

  /** For connections that come from now on; the server listens with TLS. */
  useCertificate(certificate: ServerCertificate | ServerTls): void {
    if (this.#socket !== undefined) useCertificate(this.#socket, certificate);
  }

  #taker(): (socket: Socket) => void {
    // What has to be encrypted is so before grpc-js gets it.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#injector = injector;
    return (socket) => {
      socket.on('error', () => socket.destroy());
      this.#peers.add(socket);
      injector.injectConnection(socket);
    };
  }

  /** Answers what has come, for a while, and takes nothing new. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#socket?.close(); // takes its name away too
    for (const call of this.#endless) call.abort();
    const late = setTimeout(() => this.#server.forceShutdown(), closeMsMax);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(late);
    this.#injector?.destroy();
  }

  #unary(name: string, handler: Unary<unknown, unknown>) {
    return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void => {
      const observed = new ObservedCall(
        this.#options,
        name,
        call.request,
        call,
        this.#peers.find(call.getPeer()),
      );
      const work = async () => {
        await this.#options.check?.(call.request, observed);
        return handler(call.request, observed);
      };
      void work().then(
        (response) => {
          observed.succeeded(response);
          answer(null, response);
        },
        (error: unknown) => answer(observed.failed(error)),
      );
    };
  }

  #streaming(name: string, handler: Streaming<unknown, unknown>) {
    return (call: ServerWritableStream<unknown, unknown>): void => {
      const observed = new ObservedCall(
        this.#options,
        name,
        call.request,
        call,
        this.#peers.find(call.getPeer()),
      );
      const endless = this.#options.endless?.(name) === true;
      if (endless) this.#endless.add(observed);
      const work = async () => {
        await this.#options.check?.(call.request, observed);
        let messages = 0;
        for await (const message of handler(call.request, observed)) {
          if (observed.signal.aborted) break;
          messages += 1;
          // As slow as its reader: nothing piles up here.
          if (!call.write(message)) await once(call, 'drain', observed).catch(ifAborted(observed.signal));
        }
        // To its reader, who is still there, this is no end of what was asked for.
        if (endless && this.#closing !== undefined) throw new ClosedError('the server');
        return messages;
      };
      const ended = work().then(
        (messages) => {
          observed.succeeded({ messages });
          call.end();
        },
        (error: unknown) => void call.emit('error', observed.failed(error)),
      );
      void ended.finally(() => this.#endless.delete(observed));
    };
  }
}

function ifAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
