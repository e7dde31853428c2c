// Who is at the other end of the connections of a server, as calls find it: by the address that grpc-js gives
// with each. Of a TLS connection the names of the peer's certificate are read once, when it comes.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface Peer {
  /** Numeric, without the port; empty where there is none, as with a Unix socket. */
  readonly address: string;
  /** Of its certificate, as Node.js writes them (`URI:...`); absent: it has shown none. */
  readonly certificateNames?: string;
}

const unknown: Peer = { address: '' };

export class Peers {
  readonly #byPlace = new Map<string, Peer>();

  /** Known until it is closed. */
  add(socket: Socket): void {
    const { remoteAddress: address, remotePort } = socket;
    if (address === undefined || remotePort === undefined) return;
    const names = socket instanceof TLSSocket ? namesOf(socket) : undefined;
    const place = `${address}:${remotePort}`;
    const peer = { address, ...(names !== undefined && { certificateNames: names }) };
    this.#byPlace.set(place, peer);
    socket.once('close', () => {
      if (this.#byPlace.get(place) === peer) this.#byPlace.delete(place);
    });
  }

  /** `place`: what getPeer() of a call says. */
  find(place: string): Peer {
    return this.#byPlace.get(place) ?? unknown;
  }

  get count(): number {
    return this.#byPlace.size;
  }
}

function namesOf(socket: TLSSocket): string | undefined {
  return socket.authorized ? socket.getPeerX509Certificate()?.subjectAltName : undefined;
}
