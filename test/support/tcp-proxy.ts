// A network between a client and a server that a test can break: connections refused, cut, silent in one
// direction, or with bits that change on the way.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { HostPort } from '../../src/base/address.js';

export class TcpProxy {
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #server: Server | undefined;
  #port = 0;
  #answersPass = true;
  #bitsPerByte = 0;
  /** Bits that have changed on their way to the server. */
  spoiltBits = 0;

  constructor(readonly target: HostPort) {}

  get address(): HostPort {
    return { host: '127.0.0.1', port: this.#port };
  }

  /** Also again, at the same port. */
  async open(): Promise<this> {
    this.#server = createServer((near) => this.#join(near));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** What the server says from now on does not arrive. */
  loseAnswers(): void {
    this.#answersPass = false;
  }

  /** From now on so many bits for each byte to the server, at random places, arrive as others; 0: none. */
  spoil(bitsPerByte: number): void {
    this.#bitsPerByte = bitsPerByte;
  }

  /** Connections end, new ones are taken. */
  cut(): void {
    for (const { near, far } of [...this.#pairs]) {
      near.destroy();
      far.destroy();
    }
    this.#answersPass = true;
  }

  /** Connections end, new ones are refused. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server === undefined ? undefined : once(server, 'close');
    server?.close();
    this.cut();
    await closed;
  }

  #spoil(data: Buffer): void {
    if (Math.random() >= data.length * this.#bitsPerByte) return;
    data[Math.floor(Math.random() * data.length)]! ^= 1 << Math.floor(Math.random() * 8);
    this.spoiltBits += 1;
  }

  #join(near: Socket): void {
    const far = connect(this.target);
    const pair = { near, far };
    this.#pairs.add(pair);
    near.on('data', (data) => {
      this.#spoil(data);
      far.write(data);
    });
    far.on('data', (data) => {
      if (this.#answersPass) near.write(data);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
