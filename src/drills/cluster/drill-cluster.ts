// A cluster of real processes on this machine: a controller and agents, each with a state directory and ports
// of its own, which they keep over restarts. What drills do to it, they do by these methods.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FrozenDisks } from '../frozen-disks.js';
import type { Network } from '../network/network.js';
import { freePorts } from '../processes/ports.js';
import type { SupervisedProcess } from '../processes/supervised-process.js';
import type { Supervisor } from '../processes/supervisor.js';
import { until } from '../until.js';
import type { ClusterApi } from './api.js';
import { type EtcdPorts, startEtcd } from './etcd.js';

export type StoreKind = 'level' | 'etcd';

export interface DrillClusterOptions {
  /** Of the processes' states and disks. Short: sockets are in it. */
  readonly directory: string;
  readonly logDirectory: string;
  /** The program `ballast`, as a command line. */
  readonly program: readonly [string, ...string[]];
  readonly nodes: number;
  readonly store: StoreKind;
  readonly supervisor: Supervisor;
  /** By which all connections are to go; absent: directly. */
  readonly network?: Network;
  /** On which the disks of nodes are to be; absent: in their state directories. */
  readonly disks?: FrozenDisks;
  /** Of a controller with this state directory. */
  readonly api: (stateDirectory: string) => ClusterApi;
}

export interface DrillNode {
  readonly name: string;
  readonly port: number;
  readonly stateDirectory: string;
  /** The one device of its pool. */
  readonly disk: string;
}

/** Ports of links: by which it is reached, and by which it reaches the store. */
interface WaysOfNode {
  readonly advertised: number;
  readonly store: number;
}

export const poolName = 'data';
const diskSize = '2G';
const readyMsMax = 30_000;
const stopMsMax = 30_000;
const joinedMsMax = 30_000;

export class DrillCluster {
  readonly nodes: readonly DrillNode[];
  readonly api: ClusterApi;
  readonly network: Network | undefined;
  readonly disks: FrozenDisks | undefined;
  readonly #ways = new Map<string, WaysOfNode>();
  readonly #options: DrillClusterOptions;
  readonly #ports: { readonly controller: number; readonly etcd: EtcdPorts };
  readonly #processes = new Map<string, SupervisedProcess>();

  /** All nodes have joined. */
  static async start(options: DrillClusterOptions, signal: AbortSignal): Promise<DrillCluster> {
    await Promise.all(
      [options.directory, options.logDirectory].map((one) => mkdir(one, { recursive: true })),
    );
    const ports = await freePorts(options.nodes + 4);
    const names = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
    const places: string[] = [];
    for (const name of names) places.push((await options.disks?.add(name)) ?? join(options.directory, name));
    const cluster = new DrillCluster(options, ports, places);
    await cluster.startStore();
    await cluster.startController();
    await cluster.#openWays();
    await Promise.all(cluster.nodes.map(({ name }) => cluster.startNode(name)));
    await cluster.allUp(signal);
    return cluster;
  }

  private constructor(options: DrillClusterOptions, ports: readonly number[], places: readonly string[]) {
    this.#options = options;
    this.network = options.network;
    this.disks = options.disks;
    const [controller = 0, client = 0, peer = 0, metrics = 0, ...ofNodes] = ports;
    this.#ports = { controller, etcd: { client, peer, metrics } };
    this.nodes = ofNodes.map((port, index) => {
      const name = `n${index + 1}`;
      const stateDirectory = join(options.directory, name);
      return { name, port, stateDirectory, disk: join(places[index] ?? stateDirectory, 'disk.img') };
    });
    this.api = options.api(this.#stateOf('controller'));
  }

  async allUp(signal: AbortSignal): Promise<void> {
    await until('all nodes are up', { timeoutMs: joinedMsMax, signal }, () => this.whoIsDown());
  }

  /** As the control plane says; undefined: nobody. */
  async whoIsDown(): Promise<string | undefined> {
    const nodes = await this.api.nodes();
    const down = this.nodes.filter(({ name }) => !nodes.some((one) => one.name === name && one.up));
    return down.length === 0 ? undefined : `down: ${down.map(({ name }) => name).join(', ')}`;
  }

  async startNode(name: string): Promise<void> {
    const { port, stateDirectory, disk } = this.node(name);
    await mkdir(stateDirectory, { recursive: true });
    await this.#start(name, [
      ...['agent', '--data', stateDirectory, '--name', name, '--listen', `tcp://127.0.0.1:${port}`],
      ...this.#storeOptions(this.#ways.get(name)?.store),
      ...this.#advertised(name),
      ...['--ensure-pool', `${poolName}=${disk}:${diskSize}`, '--api-listen', 'off'],
    ]);
  }

  async startController(): Promise<void> {
    await this.#start('controller', [
      ...['controller', '--data', this.#stateOf('controller'), '--api-listen', 'off'],
      ...(this.#options.store === 'etcd'
        ? this.#storeOptions()
        : ['--listen', `127.0.0.1:${this.#ports.controller}`]),
    ]);
  }

  /** Where it is a process of its own. */
  async startStore(): Promise<void> {
    const { store, supervisor, logDirectory } = this.#options;
    if (store !== 'etcd') return;
    const etcd = await startEtcd(supervisor, this.#stateOf('etcd'), logDirectory, this.#ports.etcd);
    this.#processes.set('etcd', etcd);
  }

  /** The process that is down when the store is. */
  get storeProcess(): 'etcd' | 'controller' {
    return this.#options.store === 'etcd' ? 'etcd' : 'controller';
  }

  async startStoreProcess(): Promise<void> {
    await (this.storeProcess === 'etcd' ? this.startStore() : this.startController());
  }

  /** A node by its name, `controller`, `etcd`. */
  process(name: string): SupervisedProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`the cluster has no process '${name}'`);
    return found;
  }

  node(name: string): DrillNode {
    const found = this.nodes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`the cluster has no node '${name}'`);
    return found;
  }

  pid(name: string): number {
    return this.process(name).pid;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.process(name).signal(signal);
  }

  kill(name: string): Promise<void> {
    return this.process(name).kill();
  }

  /** In order. */
  stop(name: string): Promise<void> {
    return this.process(name).stop(stopMsMax);
  }

  /** In order, the nodes first: what they have goes into the store. */
  async stopAll(): Promise<void> {
    await Promise.all(this.nodes.map(({ name }) => this.stop(name)));
    await this.stop('controller');
  }

  async #start(name: string, argv: readonly string[]): Promise<void> {
    const { program, supervisor, logDirectory } = this.#options;
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([variable]) => !variable.startsWith('BALLAST_')),
    );
    const started = supervisor.start({
      name,
      command: [...program, ...argv],
      logFile: join(logDirectory, `${name}.log`),
      environment: { ...environment, NO_COLOR: '1' },
    });
    this.#processes.set(name, started);
    await started.ready(readyMsMax);
  }

  async #openWays(): Promise<void> {
    const { network } = this.#options;
    if (network === undefined) return;
    for (const { name, port } of this.nodes) {
      const advertised = await network.addNode(name, port, () => this.process(name).pid);
      this.#ways.set(name, { advertised, store: await network.addWayToStore(name, this.#storePort) });
    }
  }

  #advertised(name: string): readonly string[] {
    const ways = this.#ways.get(name);
    return ways === undefined ? [] : ['--advertise', `127.0.0.1:${ways.advertised}`];
  }

  get #storePort(): number {
    const { controller, etcd } = this.#ports;
    return this.#options.store === 'etcd' ? etcd.client : controller;
  }

  #storeOptions(port = this.#storePort): readonly string[] {
    const address = `127.0.0.1:${port}`;
    return this.#options.store === 'etcd' ? ['--store', `etcd://${address}`] : ['--controller', address];
  }

  #stateOf(name: string): string {
    return join(this.#options.directory, name);
  }
}
