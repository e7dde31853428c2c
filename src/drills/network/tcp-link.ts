// A way to a server that can be cut, as a network is: in either direction what is sent stays under way, and
// neither side hears anything, not of the end of the other either, until it is healed. Then what is under way
// arrives, late.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Whether what `from` sends reaches `to`. */
export type Reaches = (from: string, to: string) => boolean;

export interface TcpLinkOptions {
  /** Of the server, and where it is. */
  readonly name: string;
  readonly port: number;
  /** 0: any free one. */
  readonly listenPort?: number;
  /** Who it is that has connected from this port. */
  readonly clientOf: (port: number) => Promise<string>;
  readonly reaches: Reaches;
}

export class TcpLink {
  readonly #options: TcpLinkOptions;
  readonly #pairs = new Set<Pair>();
  #server: Server | undefined;

  constructor(options: TcpLinkOptions) {
    this.#options = options;
  }

  /** Returns where clients are to connect to, on 127.0.0.1. */
  async open(): Promise<number> {
    const { listenPort = 0, clientOf } = this.#options;
    // Read when it is known whose it is; until then the kernel keeps what comes.
    const server = createServer({ pauseOnConnect: true }, (near) => {
      near.on('error', () => undefined);
      void clientOf(near.remotePort ?? 0).then((client) => this.#join(near, client));
    });
    server.listen(listenPort, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    return (server.address() as AddressInfo).port;
  }

  /** What is cut, or healed, has changed. */
  update(): void {
    for (const pair of [...this.#pairs]) pair.update();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server === undefined ? undefined : once(server, 'close');
    server?.close();
    for (const pair of [...this.#pairs]) pair.destroy();
    await closed;
  }

  #join(near: Socket, client: string): void {
    if (this.#server === undefined) {
      near.destroy();
      return;
    }
    const { name, port, reaches } = this.#options;
    const pair = new Pair(near, { name, port, client, reaches }, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    pair.update();
  }
}

interface PairOptions extends Pick<TcpLinkOptions, 'name' | 'port' | 'reaches'> {
  readonly client: string;
}

/** A client's connection, and ours to the server, which is made when the client first reaches it. */
class Pair {
  readonly #near: Socket;
  readonly #options: PairOptions;
  readonly #onEnd: () => void;
  #far: Socket | undefined;

  constructor(near: Socket, options: PairOptions, onEnd: () => void) {
    this.#near = near;
    this.#options = options;
    this.#onEnd = onEnd;
    near.on('close', () => this.update());
  }

  update(): void {
    const { name, client, reaches } = this.#options;
    const there = reaches(client, name);
    const back = reaches(name, client);
    // The end of one side is heard by the other when what it says reaches it.
    if ((this.#near.destroyed && there) || (this.#far?.destroyed && back)) {
      this.destroy();
      return;
    }
    if (there) this.#far ??= this.#connect();
    flow(this.#near, there);
    if (this.#far !== undefined) flow(this.#far, back);
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
    this.#onEnd();
  }

  #connect(): Socket {
    const far = connect(this.#options.port, '127.0.0.1');
    far.setNoDelay(true);
    this.#near.setNoDelay(true);
    far.on('error', () => undefined);
    far.on('close', () => this.update());
    this.#near.on('data', (data) => void far.write(data));
    far.on('data', (data) => void this.#near.write(data));
    return far;
  }
}

function flow(socket: Socket, does: boolean): void {
  if (does) socket.resume();
  else socket.pause();
}
