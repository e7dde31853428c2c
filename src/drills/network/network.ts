// The network between the processes of a drill's cluster, where it is to be cut: every way to a node, and
// every way of a node to the store, goes through a link of this process.
import { ownerOf } from './socket-owner.js';
import { TcpLink } from './tcp-link.js';

/** Who is no node: the host that puts load on, and the store. */
export const hostName = 'host';
export const storeName = 'store';

export class Network {
  readonly #links: TcpLink[] = [];
  readonly #pids = new Map<string, () => number>();
  #isCut: (from: string, to: string) => boolean = () => false;

  /** Returns the port by which others reach it. */
  async addNode(name: string, port: number, pid: () => number): Promise<number> {
    this.#pids.set(name, pid);
    return this.#open(name, port, (client) => this.#nameOf(client));
  }

  /** Returns the port by which this node reaches the store. */
  addWayToStore(node: string, storePort: number): Promise<number> {
    return this.#open(storeName, storePort, async () => node);
  }

  /** What is sent so does not arrive any more, until it is healed. */
  cut(isCut: (from: string, to: string) => boolean): void {
    this.#isCut = isCut;
    for (const link of this.#links) link.update();
  }

  heal(): void {
    this.cut(() => false);
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
  }

  async #open(name: string, port: number, clientOf: (port: number) => Promise<string>): Promise<number> {
    const reaches = (from: string, to: string) => !this.#isCut(from, to);
    const link = new TcpLink({ name, port, clientOf, reaches });
    this.#links.push(link);
    return link.open();
  }

  async #nameOf(port: number): Promise<string> {
    const names = [...this.#pids].map(([name, pid]) => [pid(), name] as const);
    const owner = await ownerOf(
      port,
      names.map(([pid]) => pid),
    );
    return names.find(([pid]) => pid === owner)?.[1] ?? hostName;
  }
}
