// One run by a seed: a cluster under random requests, crashes and partitions, which then is left in peace.
// Within a bounded time every volume has to be as it should be, and then nothing may change any more. In some
// runs the store is put back to an old copy and put right, or is lost and its records are made anew.
import { pino } from 'pino';
import { DomainError } from '../../../src/base/errors.js';
import type { NodeAction } from '../../../src/base/node-actions.js';
import { refusalsPrefix } from '../../../src/cluster/model/keys.js';
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import { Random } from '../../support/random.js';
import type { StoreCopy } from '../../support/restorable-store.js';
import { missingOf } from './checks.js';
import { replaceAfterMs, SimCluster, type SimController, type SimNode } from './sim-cluster.js';

export interface RunOptions {
  readonly seed: number;
  /** Requests and faults. Default 60. */
  readonly steps?: number;
}

export interface RunResult {
  readonly seed: number;
  readonly ok: boolean;
  /** What went wrong; empty: nothing. */
  readonly failures: readonly string[];
  readonly volumes: number;
  /** Completed, and carried to a replica that lacked one. */
  readonly snapshots: number;
  readonly carried: number;
  /** Of the volumes, that were made. */
  readonly clones: number;
  /** An old copy of the store was put back, and put right. */
  readonly restored: boolean;
  /** It was lost: volumes of which the records were made anew, those of them with stale replicas, others. */
  readonly rebuilt: number;
  readonly stale: number;
  readonly leftOut: number;
  readonly virtualSeconds: number;
  /** Of all that happened: the same for the same seed. */
  readonly sum: string;
  readonly lines: number;
  /** The last of them, where something went wrong. */
  readonly trace?: readonly string[];
}

const healMsMax = 240_000;
const quietMs = 20_000;
/** Whose calls arrive and who hears nothing acts on what was: the connection of it is given up soon. */
const deafMs = 3_000;
const volumesMax = 8;
/**
 * A store that was put back to an old copy is refused by then, and stays so for as long as somebody
 * looks.
 */
const refusedMsMax = 15_000;
const restoredMs = 20_000;
/** Somebody tries so long, with so much time for each try. */
const rebuildMsMax = 400_000;
const rebuildMs = 30_000;
/** Volumes wish for so many replicas at most, and so many nodes stay. */
const replicasMax = 3;

export async function simulate({ seed, steps = 60 }: RunOptions): Promise<RunResult> {
  const run = new Run(seed);
  try {
    return await run.all(steps);
  } finally {
    await run.cluster.close();
  }
}

class Run {
  readonly random: Random;
  readonly cluster: SimCluster;
  readonly failures: string[] = [];
  #volumesCount = 0;
  #isRestored = false;
  #rebuilt = { rebuilt: 0, stale: 0, leftOut: 0 };

  constructor(readonly seed: number) {
    this.random = new Random(seed * 2_654_435 + 1);
    for (let index = 0; index < 8; index += 1) this.random.below(2); // small seeds begin alike
    const log = pino(
      { level: 'error' },
      { write: (line: string) => void this.failures.push(`log: ${line.trim()}`) },
    );
    this.cluster = new SimCluster({
      ...{ seed, log },
      nodesCount: 3 + this.random.below(3),
      controllersCount: 1 + this.random.below(2),
      zonesCount: 2 + this.random.below(3),
    });
  }

  async all(steps: number): Promise<RunResult> {
    const { cluster, random } = this;
    for (const controller of cluster.controllers) cluster.startController(controller);
    for (const node of cluster.nodes) this.#begin(cluster.startNode(node));
    await cluster.clock.run(3_000);
    // In a third of the runs an old copy of the store is put back, in another one it is lost.
    const luck = random.below(3);
    const copyStep = luck === 0 ? random.below(steps) : steps;
    const restoreStep = copyStep + 1 + random.below(Math.max(1, steps - copyStep));
    const loseStep = luck === 1 ? random.below(steps) : steps;
    let copy: StoreCopy | undefined;
    for (let step = 0; step < steps && !this.#isOver(); step += 1) {
      if (step === copyStep) copy = await cluster.store.copy();
      if (step === restoreStep && copy !== undefined) await this.#restore(copy);
      if (step === loseStep) await this.#lose();
      this.#pick();
      await cluster.clock.run(random.below(10) === 0 ? 3_000 + random.below(9_000) : random.below(2_500));
    }
    if (!this.#isOver()) await this.#heal();
    if (!this.#isOver()) await this.#quiet();
    const failures = [...this.failures, ...cluster.checks.violations].map((text) =>
      cluster.trace.readable(text),
    );
    const ok = failures.length === 0;
    return {
      ...{ seed: this.seed, ok, failures, volumes: this.#volumesCount },
      ...{ restored: this.#isRestored, ...this.#rebuilt },
      ...{ snapshots: cluster.checks.snapshots.completed, carried: cluster.checks.snapshots.carried },
      clones: cluster.checks.clones,
      virtualSeconds: cluster.clock.steadyMs() / 1000,
      ...cluster.trace.sum(),
      ...(!ok && { trace: cluster.trace.lines }),
    };
  }

  #isOver(): boolean {
    return this.failures.length + this.cluster.checks.violations.length > 0;
  }

  /** Goes on beside the rest. Of a process that is killed it never ends. */
  #begin(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof DomainError) this.cluster.note(`refused: ${error.code} ${error.message}`);
      else this.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
  }

  #pick(): void {
    const total = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.random.below(total);
    const found = this.#actions.find(([weight]) => {
      left -= weight;
      return left < 0;
    });
    found?.[1]();
  }

  readonly #actions: readonly (readonly [number, () => void])[] = [
    [12, () => this.#createVolume()],
    [4, () => this.#deleteVolume()],
    [5, () => this.#moveHead()],
    [7, () => this.#resize()],
    [12, () => this.#takeSnapshot()],
    [5, () => this.#deleteSnapshot()],
    [5, () => this.#cloneVolume()],
    [3, () => this.#act('cordon')],
    [4, () => this.#act('drain')],
    [5, () => this.#act('evacuate')],
    [6, () => this.#act('uncordon')],
    [4, () => this.#decommission()],
    [8, () => this.#killNode()],
    [4, () => this.#stopNode()],
    [14, () => this.#startNode()],
    [4, () => this.#killController()],
    [6, () => this.#startController()],
    [6, () => this.#breakStore()],
    [5, () => this.#healStore()],
    [4, () => this.#cut()],
    [5, () => this.cluster.healNetwork()],
    [2, () => this.#slow()],
    [5, () => this.#cutHost()],
    [3, () => this.cluster.healHosts()],
  ];

  #one<T>(all: readonly T[]): T | undefined {
    return all[this.random.below(Math.max(1, all.length))];
  }

  #controller(): NonNullable<SimController['process']> | undefined {
    return this.#one(this.cluster.controllers.flatMap(({ process = [] }) => process));
  }

  #nodes(isUp: boolean): readonly SimNode[] {
    return this.cluster.nodes.filter(
      ({ process, isRefused }) => (process !== undefined) === isUp && !isRefused,
    );
  }

  #createVolume(): void {
    const controller = this.#controller();
    if (controller === undefined || this.cluster.checks.volumes.size >= volumesMax) return;
    const { random } = this;
    this.#volumesCount += 1;
    // Now and then a name that was used before.
    const number = random.below(4) === 0 ? 1 + random.below(this.#volumesCount) : this.#volumesCount;
    const name = `v${number}`;
    const replicas = 1 + random.below(replicasMax);
    const spread = random.below(5) === 0 ? 'zone' : 'prefer-zone';
    const wish = {
      ...{ name, sizeBytes: 1n << 24n, replicas, minInSync: 1 + random.below(replicas) },
      ...{ spread: spread as 'zone' | 'prefer-zone', thick: random.below(3) === 0 },
      ...(random.below(6) === 0 && { apartGroup: 'g' }),
    };
    this.cluster.note(`create ${name}, ${replicas} replicas`);
    this.#ask(() => controller.volumes.create(wish));
  }

  #deleteVolume(): void {
    const [controller, volume] = [this.#controller(), this.#one([...this.cluster.checks.volumes.keys()])];
    if (controller === undefined || volume === undefined) return;
    this.cluster.note(`delete ${volume}`);
    // With snapshots it is refused; mostly somebody deletes them before.
    if (this.random.below(4) > 0) {
      for (const { name } of this.cluster.checks.snapshots.of(volume)) {
        this.#ask(() => controller.snapshots.delete(volume, name));
      }
    }
    this.#ask(() => controller.volumes.delete(volume, { force: this.random.below(2) === 0 }));
  }

  /** Some names are used again and again. */
  #takeSnapshot(): void {
    const [controller, volume] = [this.#controller(), this.#one([...this.cluster.checks.volumes.keys()])];
    if (controller === undefined || volume === undefined) return;
    const name = `s${this.random.below(4)}`;
    this.cluster.note(`take snapshot ${volume}/${name}`);
    this.#ask(() => controller.snapshots.createOne(volume, name));
  }

  #deleteSnapshot(): void {
    const [controller, volume] = [this.#controller(), this.#one([...this.cluster.checks.volumes.keys()])];
    const found = this.#one(this.cluster.checks.snapshots.of(volume ?? ''));
    if (controller === undefined || volume === undefined || found === undefined) return;
    this.cluster.note(`delete snapshot ${volume}/${found.name}`);
    this.#ask(() => controller.snapshots.delete(volume, found.name));
  }

  #cloneVolume(): void {
    const { checks } = this.cluster;
    const controller = this.#controller();
    const all = [...checks.volumes.keys()].flatMap((volume) =>
      checks.snapshots.of(volume).map(({ name: snapshot }) => ({ volume, snapshot })),
    );
    const source = this.#one(all);
    if (controller === undefined || source === undefined || checks.volumes.size >= volumesMax + 2) return;
    this.#volumesCount += 1;
    const name = `v${this.#volumesCount}`;
    this.cluster.note(`clone ${source.volume}/${source.snapshot} as ${name}`);
    const replicas = this.random.below(2) === 0 ? {} : { replicas: 1 + this.random.below(replicasMax) };
    this.#ask(() => controller.volumes.create({ name, source, ...replicas }));
    if (this.random.below(3) > 0) return;
    // As a clone of a volume: the snapshot is only how.
    this.#ask(() => controller.snapshots.delete(source.volume, source.snapshot));
  }

  #moveHead(): void {
    const [controller, volume] = [this.#controller(), this.#one([...this.cluster.checks.volumes.values()])];
    const node = this.#one(volume?.replicas ?? []);
    if (controller === undefined || volume === undefined || node === undefined) return;
    this.cluster.note(`move the head of ${volume.name} to ${node.node}`);
    this.#ask(() => controller.volumes.moveHead(volume.name, node.node));
  }

  /** Mostly larger; now and then what it has, which takes back what was wanted, or less. */
  #resize(): void {
    const [controller, volume] = [this.#controller(), this.#one([...this.cluster.checks.volumes.values()])];
    if (controller === undefined || volume === undefined) return;
    const { sizeBytes } = volume;
    const blocks = BigInt(1 + this.random.below(4096));
    const luck = this.random.below(8);
    const wanted = luck === 0 ? sizeBytes : luck === 1 ? sizeBytes - 4096n : sizeBytes + 4096n * blocks;
    this.cluster.note(`make ${volume.name} ${wanted} bytes large`);
    this.#ask(() => controller.volumes.resize(volume.name, wanted));
  }

  #act(action: NodeAction, node = this.#one(this.cluster.nodes)): void {
    const controller = this.#controller();
    if (controller === undefined || node === undefined) return;
    this.cluster.note(`${action} ${node.name}`);
    this.#ask(() => controller.nodes.act(node.name, action));
  }

  /** Whoever decommissions leaves enough nodes for what is there. */
  #decommission(): void {
    const evacuating = [...this.cluster.checks.nodes.values()].filter(({ state }) => state === 'evacuating');
    const gone = [...this.cluster.checks.nodes.values()].filter(({ state }) => state === 'decommissioned');
    const found = this.#one(evacuating);
    if (found === undefined || this.cluster.nodes.length - gone.length <= replicasMax + 1) return;
    this.#act(
      'decommission',
      this.cluster.nodes.find(({ id }) => id === found.id),
    );
  }

  #ask(request: () => Promise<unknown>): void {
    this.#begin((async () => request())()); // it may fail at once
  }

  #killNode(): void {
    const node = this.#one(this.#nodes(true));
    if (node !== undefined) this.cluster.killNode(node);
  }

  #stopNode(): void {
    const node = this.#one(this.#nodes(true));
    if (node !== undefined) this.#begin(this.cluster.stopNode(node));
  }

  #startNode(): void {
    const node = this.#one(this.#nodes(false));
    if (node !== undefined) this.#begin(this.cluster.startNode(node));
  }

  #killController(): void {
    const controller = this.#one(this.cluster.controllers);
    if (controller !== undefined) this.cluster.killController(controller);
  }

  #startController(): void {
    const controller = this.#one(this.cluster.controllers.filter(({ process }) => process === undefined));
    if (controller !== undefined) this.cluster.startController(controller);
  }

  #links() {
    return [...this.cluster.nodes, ...this.cluster.controllers].flatMap(({ process = [] }) => process);
  }

  #breakStore(): void {
    const all = this.random.below(4) === 0;
    const state = this.random.below(3) === 0 ? 'deaf' : 'down';
    this.cluster.note(`the store is ${state} for ${all ? 'all' : 'one'}`);
    const found = this.#one(this.#links());
    for (const { link } of all ? this.#links() : found === undefined ? [] : [found]) {
      link.link = state;
      this.cluster.clock.after(deafMs, () => {
        if (link.link === 'deaf') link.link = 'down';
      });
    }
  }

  #healStore(): void {
    this.cluster.note('the store is there for all');
    for (const { link } of this.#links()) link.link = 'up';
  }

  #cut(): void {
    const [one, other] = [this.#one(this.cluster.nodes), this.#one(this.cluster.nodes)];
    if (one !== undefined && other !== undefined && one !== other) this.cluster.cut(one, other);
  }

  /** Mostly from one node; now and then from all, as when it is gone. */
  #cutHost(): void {
    const [host, node] = [this.#one(this.cluster.hosts.nqns), this.#one(this.cluster.nodes)];
    if (host === undefined || node === undefined) return;
    const all = this.random.below(4) === 0;
    this.cluster.cutHost(host, all ? this.cluster.nodes : [node], this.random.below(2) === 0);
  }

  #slow(): void {
    this.cluster.slowPercent = this.random.below(2) * 3;
    this.cluster.note(`of 100 calls ${this.cluster.slowPercent} are slow`);
    for (const { link } of this.#links()) link.slowPercent = this.cluster.slowPercent;
  }

  /**
   * Nobody goes on with an old copy: that is said, heads that run go on, and nothing is deleted (the checks
   * of all that happens see to it). Then it is put right.
   */
  async #restore(copy: StoreCopy): Promise<void> {
    const { cluster } = this;
    if (!(await cluster.isNoticed(copy))) return;
    this.#isRestored = true;
    await this.#refused(() => cluster.restore(copy));
    cluster.repair();
  }

  /** Nobody goes on with an empty store either. Then somebody makes its records anew. */
  async #lose(): Promise<void> {
    const { cluster } = this;
    await this.#leaveOut();
    if (this.#isOver() || !(await cluster.isNoticed({ revision: 0n, entries: [] }))) return;
    await this.#refused(async () => cluster.lose());
    this.#end();
    // Some are gone, as far as anybody knows; they may come back after all.
    const gone = cluster.nodes.filter(() => this.random.below(8) === 0);
    for (const node of gone) cluster.killNode(node);
    const without = new Set<string>();
    const untilMs = cluster.clock.steadyMs() + rebuildMsMax;
    while (cluster.isLost && !this.#isOver() && cluster.clock.steadyMs() < untilMs) {
      for (const node of this.#nodes(false)) {
        if (!gone.includes(node)) this.#begin(cluster.startNode(node));
      }
      for (const one of cluster.controllers) if (one.process === undefined) cluster.startController(one);
      await cluster.clock.run(this.random.below(20_000));
      const controller = this.#one(cluster.controllers);
      this.cluster.note(`c${controller?.number} makes records anew without ${[...without].join(', ')}`);
      this.#begin(this.#rebuild(controller?.process, without, gone));
      // Now and then it is cut off.
      if (controller !== undefined && this.random.below(3) === 0) {
        await cluster.clock.run(this.random.below(3_000));
        cluster.killController(controller);
      }
      await cluster.clock.run(rebuildMs);
    }
    if (cluster.isLost) this.failures.push('the records of the store are not made anew');
  }

  /** Volumes whose replicas are not all in sync, in whatever order they left and came back. */
  async #leaveOut(): Promise<void> {
    const { cluster, random } = this;
    for (let count = 0; count < 3; count += 1) this.#createVolume();
    await cluster.clock.run(5_000);
    for (let turn = random.below(5); turn > 0 && !this.#isOver(); turn -= 1) {
      const luck = random.below(4);
      if (luck === 0) this.#cut();
      else if (luck === 1) this.#startNode();
      else this.#killNode();
      await cluster.clock.run(random.below(8_000));
    }
  }

  /** Who is named by the plan, and known not to come, is gone on without. */
  async #rebuild(process: SimController['process'], without: Set<string>, gone: readonly SimNode[]) {
    const plan = await process?.rebuild.run({ without: [...without] });
    if (plan === undefined) return;
    const { rebuilt, refused, silent } = plan;
    const texts = rebuilt.map(({ name, inSync, stale }) => `${name} (${inSync}; not ${stale})`);
    this.cluster.note(`records of ${texts.join(', ')}; silent: ${silent.join(', ')}`);
    for (const { name, reason } of refused) this.cluster.note(`left out: ${name}: ${reason}`);
    // Of one that was decommissioned nobody remembers it. Where nobody knows its name it is its UUID.
    const never = [...gone, ...this.cluster.nodes.filter(({ isRefused }) => isRefused)];
    for (const { id, name } of never)
      for (const one of silent) if (one === id || one === name) without.add(one);
    const done = await process?.rebuild.run({ without: [...without], execute: true });
    if (done === undefined) return;
    const stale = done.rebuilt.filter((one) => one.stale.length > 0).length;
    this.#rebuilt = { rebuilt: done.rebuilt.length, stale, leftOut: done.refused.length };
  }

  /** The store is another one: that is noticed, heads go on, and nothing else happens. */
  async #refused(replace: () => Promise<void>): Promise<void> {
    const { cluster } = this;
    const heads = cluster.nodes.flatMap(({ name, process }) => {
      if (process === undefined || process.isEnding === true) return []; // heads go with who ends in order
      return [...process.engine.heads].flatMap(([volume, head]) =>
        head.alive && head.state === 'serving' ? [{ name, volume, head }] : [],
      );
    });
    await replace();
    await cluster.clock.run(refusedMsMax);
    const isUp = this.#nodes(true).some(({ process }) => process?.link.link === 'up');
    const { entries } = await cluster.store.list(refusalsPrefix);
    if (isUp && entries.length === 0) this.failures.push('another store is taken for the store');
    for (const { name, volume, head } of heads) {
      if (!head.alive || head.isOver) this.failures.push(`the head of '${volume}' on ${name} has ended`);
    }
    const untilMs = cluster.clock.steadyMs() + restoredMs;
    while (cluster.clock.steadyMs() < untilMs && !this.#isOver()) {
      this.#pick();
      await cluster.clock.run(this.random.below(2_500));
    }
  }

  /** Of all faults. */
  #end(): void {
    const { cluster } = this;
    cluster.slowPercent = 0;
    for (const { link } of this.#links()) link.slowPercent = 0;
    this.#healStore();
    cluster.healNetwork();
    cluster.healHosts();
  }

  /** All faults end, all processes run, there are nodes enough; then time passes until all is in order. */
  async #heal(): Promise<void> {
    const { cluster } = this;
    cluster.note('in peace from here on');
    this.#end();
    for (const controller of cluster.controllers) {
      if (controller.process === undefined) cluster.startController(controller);
    }
    for (const node of this.#nodes(false)) this.#begin(cluster.startNode(node));
    await cluster.clock.run(15_000); // leases end, a leader is found
    for (const node of this.#nodes(false)) this.#begin(cluster.startNode(node)); // that were ending
    for (const node of cluster.nodes) {
      if (cluster.checks.nodes.get(node.id)?.state !== 'decommissioned') this.#act('uncordon', node);
    }
    for (let passed = 0; passed < healMsMax && !this.#isOver(); passed += 5_000) {
      await cluster.clock.run(5_000);
      if (this.#unfinished().length === 0) return;
    }
    this.failures.push(...this.#unfinished().map((text) => `not healed in ${healMsMax / 1000} s: ${text}`));
  }

  /** Nothing is done for ever. */
  async #quiet(): Promise<void> {
    const { cluster } = this;
    await cluster.clock.run(replaceAfterMs + 1_000);
    cluster.note('quiet from here on');
    const { revision } = await cluster.store.list('');
    await cluster.clock.run(quietMs);
    const later = await cluster.store.list('');
    const changed = later.entries.filter(({ key, revision: of }) => of > revision && isOfClusterRecord(key));
    this.failures.push(...changed.map(({ key }) => `${key} still changes`), ...this.#unfinished());
  }

  /** What hosts see by each path is what it has; undefined: it is. */
  #untold({ name, replicas, sizeBytes }: VolumeRecord): string | undefined {
    const nodes = this.cluster.nodes.filter(({ id }) => replicas.some(({ node }) => node === id));
    const told = nodes.map(({ process }) => process?.engine.toldBytes.get(name));
    if (told.every((bytes) => bytes === sizeBytes)) return undefined;
    return `its hosts were told of ${told.join(', ')} bytes, and it has ${sizeBytes}`;
  }

  #unfinished(): readonly string[] {
    const { checks, controllers } = this.cluster;
    const views = controllers[0]?.process?.volumes;
    return [...checks.volumes.values()].flatMap((volume) => {
      const missing = missingOf(volume, checks) ?? this.#untold(volume);
      if (missing === undefined) return [];
      const waitingFor = views?.list().find(({ name }) => name === volume.name)?.waitingFor;
      if (waitingFor !== undefined && isForPerson(waitingFor)) return [];
      return [`'${volume.name}': ${missing}; its view waits for ${waitingFor ?? 'nothing'}`];
    });
  }
}

/** No node can be found: somebody has to bring one. */
function isForPerson(waitingFor: string): boolean {
  return waitingFor.startsWith('a node for a replica');
}

function isOfClusterRecord(key: string): boolean {
  return /^(?:mirrors|mirror-snapshots|cluster\/(?:nodes|volumes))\//.test(key);
}
