// A process with a store open, and others that use it: server and clients of proto/store.proto on loopback.
import { pino } from 'pino';
import type { HostPort } from '../../src/base/address.js';
import { RpcServer } from '../../src/rpc/server.js';
import type { ServerTls } from '../../src/rpc/tcp-socket.js';
import {
  type StoreHandlersLimits,
  storeHandlers,
  storeObservation,
} from '../../src/store/remote/handlers.js';
import type { StoreService } from '../../src/store/remote/messages.js';
import { RemoteStore, type RemoteStoreOptions } from '../../src/store/remote/remote-store.js';
import { storeService } from '../../src/store/remote/services.js';
import type { Store } from '../../src/store/types.js';

export interface StoreServerOptions extends StoreHandlersLimits {
  readonly tls?: ServerTls;
  /** Where it was before. */
  readonly address?: HostPort;
}

export class StoreServer {
  readonly lines: string[] = [];
  address: HostPort = { host: '127.0.0.1', port: 0 };
  readonly #server: RpcServer;

  private constructor(
    readonly store: Store,
    limits: StoreHandlersLimits,
  ) {
    const write = (line: string) => void this.lines.push(line);
    this.#server = new RpcServer({ log: pino({ level: 'debug' }, { write }), ...storeObservation });
    this.#server.add<StoreService>(storeService(), storeHandlers(store, limits));
  }

  static async open(store: Store, options: StoreServerOptions = {}): Promise<StoreServer> {
    const server = new StoreServer(store, options);
    server.address = await server.#server.listenTcp(options.address ?? server.address, options.tls);
    return server;
  }

  client(options: Partial<RemoteStoreOptions> = {}): RemoteStore {
    return new RemoteStore({ address: this.address, ...options });
  }

  /** Its store stays open. */
  close(): Promise<void> {
    return this.#server.close();
  }
}
