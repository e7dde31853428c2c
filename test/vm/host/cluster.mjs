// A controller and three agents on the host, and in the cluster one volume of three replicas: the cluster of
// `ballast drill run`, taken from the build under test. Called by requests.mjs for the guest. What the
// processes print is in cluster.log/.

import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const nodes = 3;
const minInSync = 2;
const joinedTimeLimitMs = 120_000;

export class Cluster {
  #program;
  #directory;
  #logDirectory;
  #parts;
  #supervisor;
  #cluster;
  #volume;
  #logFiles = [];

  /** `program` is the bin/ballast of a built checkout. Nothing is made or loaded before start(). */
  constructor(program, directory) {
    this.#program = program;
    this.#directory = directory;
    this.#logDirectory = `${directory}.log`;
  }

  /** Of a cluster that was discarded. */
  get logFiles() {
    return this.#logFiles;
  }

  /** A cluster with this volume, all of whose replicas are in sync. Returns its NQN and its ports. */
  async start(volume, mib) {
    if (this.#supervisor) throw new Error('the cluster runs already');
    const { DrillCluster, Supervisor, clusterApi } = await this.#load();
    this.#logFiles = [];
    rmSync(this.#logDirectory, { recursive: true, force: true });
    mkdirSync(this.#logDirectory, { recursive: true });
    this.#supervisor = new Supervisor();
    this.#volume = volume;
    this.#cluster = await DrillCluster.start(
      {
        ...{ directory: this.#directory, logDirectory: this.#logDirectory, program: [this.#program] },
        ...{ nodes, store: 'level', supervisor: this.#supervisor, api: clusterApi },
      },
      AbortSignal.timeout(joinedTimeLimitMs),
    );
    const sizeBytes = Number(mib) << 20;
    await this.#cluster.api.createVolume({ name: volume, sizeBytes, replicas: nodes, minInSync });
    await this.whole();
    const { nqn, addresses } = await this.#cluster.api.volume(volume);
    return [nqn, ...addresses.map(({ port }) => port)].join(' ');
  }

  /** Until all nodes are up and all replicas are in sync. */
  async whole() {
    const { whole } = await this.#load();
    const signal = AbortSignal.timeout(joinedTimeLimitMs);
    await whole({ cluster: this.#running(), volume: this.#volume, signal });
  }

  /** Name and port of the node that is head; of none: 'none'. */
  async head() {
    const { head } = await this.#running().api.volume(this.#volume);
    return head === undefined ? 'none' : `${head} ${this.#cluster.node(head).port}`;
  }

  /** SIGKILL to the agent of a node. */
  async kill(node) {
    await this.#running().kill(node);
  }

  /** With the port and the disk that it had. */
  async startNode(node) {
    await this.#running().startNode(node);
  }

  /** SIGTERM to all, of which all must run: a clean end is status 0, in bounded time. */
  async stop() {
    await this.#running().stopAll();
    await this.discard();
    this.#logFiles = [];
  }

  /** Whatever its state. */
  async discard() {
    if (!this.#supervisor) return;
    await this.#supervisor.endAll();
    this.#logFiles = readdirSync(this.#logDirectory).map((name) => join(this.#logDirectory, name));
    this.#supervisor = undefined;
    this.#cluster = undefined;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #running() {
    if (!this.#cluster) throw new Error('there is no cluster');
    return this.#cluster;
  }

  async #load() {
    const dist = join(dirname(dirname(realpathSync(this.#program))), 'dist');
    const modules = [
      'drills/cluster/drill-cluster.js',
      'drills/processes/supervisor.js',
      'drills/round.js',
      'cli/drill/cluster-api.js',
    ];
    this.#parts ??= Object.assign(
      {},
      ...(await Promise.all(modules.map((path) => import(join(dist, path))))),
    );
    return this.#parts;
  }
}
