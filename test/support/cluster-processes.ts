// A cluster of real processes for tests: a controller with an embedded store or another one, agents with a
// pool each, at ports that they keep over restarts; what is asked of it goes by the command line.
import { cp, rm } from 'node:fs/promises';
import { freePorts } from '../../src/drills/processes/ports.js';
import { ballast, projectTop, type Target, type Workspace } from './ballast.js';

const program = `${projectTop}/bin/ballast`;
const stepMs = 200;

export interface StatusBody {
  readonly health: string;
  readonly checks: readonly { readonly code: string; readonly text: string }[];
}

export interface VolumeBody {
  readonly health: string;
  readonly head?: string;
  readonly epoch: number | string;
  readonly uuid: string;
  readonly nqn: string;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly replicas: readonly { readonly uuid: string; readonly node: string; readonly inSync: boolean }[];
}

export class ClusterProcesses {
  readonly #ports = new Map<string, number>();
  readonly #agents = new Map<string, Target>();
  #controller: Target | undefined;

  /** `store`: as `controller --store` takes it; the embedded one without it. */
  constructor(
    readonly workspace: Workspace,
    readonly store?: string,
  ) {}

  /** All are up when it resolves. */
  async start(nodes: readonly string[]): Promise<void> {
    await this.startController();
    await Promise.all(nodes.map((name) => this.startAgent(name)));
    await Promise.all(nodes.map((name) => this.agent(name).ready));
    await this.nodesUp(nodes.length);
  }

  nodesUp(count: number): Promise<void> {
    return this.until('all nodes are up', async () => {
      const { nodes: all } = await this.ask<{ nodes: { up: boolean }[] }>('node', 'list');
      return all.filter(({ up }) => up).length === count;
    });
  }

  async startController(): Promise<void> {
    this.#controller = await this.workspace.start(program, [
      ...['controller', '--data', this.workspace.path('c'), '--api-listen', 'off'],
      ...(this.store === undefined
        ? ['--listen', `127.0.0.1:${await this.#port('c')}`]
        : ['--store', this.store]),
    ]);
    await this.#controller.ready;
  }

  async stopController(): Promise<void> {
    await this.#controller?.stop();
  }

  /** What somebody does with a backup of the embedded store. */
  async copyStore(to: string): Promise<void> {
    for (const part of ['store', 'store-mark']) {
      await cp(this.workspace.path(`c/${part}`), this.workspace.path(`${to}/${part}`), { recursive: true });
    }
  }

  /** `withMark`: with what the controller remembers beside it, so that it does not notice by itself. */
  async putStoreBack(from: string, withMark: boolean): Promise<void> {
    await this.loseStore();
    for (const part of withMark ? ['store', 'store-mark'] : ['store']) {
      await cp(this.workspace.path(`${from}/${part}`), this.workspace.path(`c/${part}`), { recursive: true });
    }
  }

  async loseStore(): Promise<void> {
    await rm(this.workspace.path('c/store'), { recursive: true });
  }

  async startAgent(name: string): Promise<Target> {
    const disk = `data=${this.workspace.path(`${name}.img`)}:512M`;
    const agent = await this.workspace.start(program, [
      ...['agent', '--data', this.workspace.path(name), '--name', name, '--api-listen', 'off'],
      ...['--listen', `tcp://127.0.0.1:${await this.#port(name)}`, '--ensure-pool', disk],
      // The controller gives nodes the embedded store; another one they reach themselves.
      ...(this.store === undefined
        ? ['--controller', `127.0.0.1:${await this.#port('c')}`]
        : ['--store', this.store]),
    ]);
    this.#agents.set(name, agent);
    return agent;
  }

  agent(name: string): Target {
    const found = this.#agents.get(name);
    if (found === undefined) throw new Error(`there is no agent '${name}'`);
    return found;
  }

  run(...argv: readonly string[]) {
    return ballast([...argv, '--data', this.workspace.path('c')]);
  }

  async ask<T>(...argv: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...argv, '-o', 'json');
    if (code !== 0) throw new Error(`ballast ${argv.join(' ')}: ${stderr}`);
    return JSON.parse(stdout.toString()) as T;
  }

  status(): Promise<StatusBody> {
    return this.ask('cluster', 'status');
  }

  /** Whether anybody says that the store is not that of the cluster. */
  async isRefused(): Promise<boolean> {
    return (await this.status()).checks.some(({ code }) => code === 'STORE_RESTORED');
  }

  volume(name: string): Promise<VolumeBody> {
    return this.ask('volume', 'show', name);
  }

  /** Of all nodes with a replica. */
  async uri(name: string): Promise<string> {
    const { addresses, nqn } = await this.volume(name);
    return `tcp://${addresses.map(({ host, port }) => `${host}:${port}`).join(',')}/${nqn}`;
  }

  /** The first blocks of a volume; fails where they cannot be read. */
  async read(uri: string, blocks: number): Promise<Buffer> {
    const { code, stdout, stderr } = await ballast(['read', uri, '--lba', '0', '--blocks', `${blocks}`]);
    if (code !== 0 || stderr !== '') throw new Error(`ballast read ${uri}: ${code}, ${stderr}`);
    return stdout;
  }

  /** Asks again until it is so, for a minute; what fails meanwhile is not so yet. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    let last: unknown;
    for (let passedMs = 0; passedMs < 60_000; passedMs += stepMs) {
      try {
        if (await isSo()) return;
        last = undefined;
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, stepMs));
    }
    throw new Error(`not in a minute: ${what}`, { cause: last });
  }

  async #port(name: string): Promise<number> {
    const port = this.#ports.get(name) ?? (await freePorts(1))[0] ?? 0;
    this.#ports.set(name, port);
    return port;
  }
}
