// A node of a cluster: makes true what the records want of it, and says what is so. One for each daemon that
// is an agent; made in src/main when the engine runs and pools are open.
import type { Clock } from '../base/clock.js';
import { StoreRestoredError } from '../base/cluster-errors.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import type { LineageWatch } from '../cluster/lineage/lineage-watch.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import { type NodeRecord, takesHeads } from '../cluster/model/node.js';
import { ClusterView } from '../cluster/view/cluster-view.js';
import { MirrorRecords } from '../mirrors/records.js';
import { SnapshotRecords } from '../mirrors/snapshot-records.js';
import { StoreBridge } from '../mirrors/store-bridge.js';
import type { Store } from '../store/types.js';
import { FactsLease } from './facts-lease.js';
import { HostMoves } from './host-moves.js';
import { inventory } from './inventory.js';
import { LostHosts } from './lost-hosts.js';
import { NodeSnapshots } from './node-snapshots.js';
import { NodeVolumes } from './node-volumes.js';
import type { ReplicaNotes } from './replica-notes.js';
import { Reports } from './reports.js';
import type { AgentEngine } from './types.js';
import { Wanted } from './wanted.js';

export interface AgentOptions {
  readonly engine: AgentEngine;
  readonly store: Store;
  /** Over the same store: whether that is the one of the cluster. Absent: it is. */
  readonly lineage?: Pick<LineageWatch, 'refusal' | 'refuse' | 'onRefused'>;
  /**
   * For a store that is lost: what is noted beside replicas, and where disks are told of. Absent:
   * nowhere.
   */
  readonly recovery?: AgentRecovery;
  /** UUID of the node, and who it is to replicas of others. */
  readonly node: string;
  readonly host: HostIdentity;
  /** Of the program. */
  readonly version: string;
  readonly pools: () => Promise<readonly PoolFacts[]>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AgentRecovery {
  readonly notes: ReplicaNotes;
  /** The record of this node. */
  readonly record: NodeRecord;
  /** Not guarded: it may be refused. */
  readonly store: Pick<Store, 'list' | 'commit'>;
}

export class Agent {
  readonly #volumes: NodeVolumes;
  readonly #snapshots: NodeSnapshots;
  readonly #view: ClusterView;
  readonly #facts: FactsLease;
  readonly #bridge: StoreBridge;
  readonly #lostHosts: LostHosts;
  readonly #hostMoves: HostMoves;
  readonly #applied: Promise<void>;
  readonly #reports: Reports | undefined;
  readonly #lineage: AgentOptions['lineage'];
  #isHeld = false;

  constructor(options: AgentOptions) {
    const { engine, store, lineage, recovery, node, host, version, pools, clock, log } = options;
    const records = new MirrorRecords(store);
    const started = clock.date().toISOString();
    const bridge = new StoreBridge({
      ...{ log, clock },
      records: {
        get: (name) => records.get(name),
        swap: async (name, mirror) => {
          // Records may be made anew by what disks say now: who is in sync stays as it is meanwhile.
          if (this.#isHeld) throw new StoreRestoredError('somebody refuses it');
          return records.swap(name, mirror);
        },
      },
      answer: (volume, answer) => engine.answerStore(volume, answer),
    });
    const volumes = new NodeVolumes({
      ...{ engine, store, records, bridge, node, host, clock, log },
      snapshots: new SnapshotRecords(store),
      onFacts: (volume) => this.#facts.changed(volume),
      onHead: (volume) => this.#snapshots.wake(volume),
      refuseStore: (reason, isStillSo) => lineage?.refuse(reason, isStillSo),
      ...(recovery !== undefined && { notes: recovery.notes }),
    });
    this.#reports = recovery && reportsOf(recovery, options);
    this.#lineage = lineage;
    lineage?.onRefused(() => {
      volumes.forgetRecords();
      this.#hold();
    });
    engine.listenToMirrors({
      onStoreRequest: (request) => bridge.request(request),
      onHeadState: (volume, state) => {
        volumes.onHeadState(volume, state);
        if (state === 'serving') this.#lostHosts.look(); // a host may be lost here since before
      },
      onSeal: (replica, sealed) => volumes.onSeal(replica, sealed),
      onHostLost: (nqn, lost) => this.#lostHosts.add(nqn, lost),
    });
    this.#lostHosts = new LostHosts({
      ...{ engine, store, node, clock, log },
      volumeOf: (nqn) => volumes.ofNqn(nqn),
    });
    this.#hostMoves = new HostMoves({
      ...{ engine, store, node, clock, log },
      standby: (volume) => volumes.get(volume)?.standby,
      mayHaveHeads: () => {
        const record = this.#view.nodes.get(node)?.record;
        return !this.#isHeld && record !== undefined && takesHeads(record);
      },
    });
    this.#bridge = bridge;
    this.#volumes = volumes;
    const isHead = (volume: string) => volumes.isHead(volume);
    const isClone = (volume: string) => volumes.isClone(volume);
    this.#snapshots = new NodeSnapshots({ engine, store, isHead, isClone, clock, log });
    let applied = () => {};
    this.#applied = new Promise((resolve) => {
      applied = resolve;
    });
    const wanted = new Wanted(node);
    this.#view = new ClusterView({
      ...{ store, clock, log },
      onChange: (view, { nodes, volumes: changed }) => {
        if (nodes) this.#hold(); // before: what is refused by somebody is made true by nobody
        if (nodes) void volumes.apply(wanted.of(view)).then(applied);
        else if (changed.size > 0) void volumes.applySome(wanted.ofSome(view, changed));
      },
    });
    this.#facts = new FactsLease({
      ...{ store, node, clock, log },
      read: async () => ({ version, started, pools: await pools() }),
      readVolumes: (names) => volumes.facts(names),
    });
  }

  /**
   * Makes true what is wanted, from now on. Resolves when that was tried with all there is; while the store
   * is away, nobody knows what there is. Hosts may come from then on: who asked for a volume that is not
   * there yet would not ask again.
   */
  async start(): Promise<void> {
    this.#volumes.start();
    this.#snapshots.start();
    this.#view.start();
    this.#hostMoves.start();
    this.#hold(); // it may be refused already
    await this.#applied;
  }

  /** The node counts as up when it resolves, or that was tried. When others reach it. */
  async announce(): Promise<void> {
    await this.#facts.start();
  }

  /**
   * Decides nothing any more. Heads of this node end, and other nodes go on with them; what is served stays
   * so until the engine closes, whose heads may still ask the store.
   */
  async stop(): Promise<void> {
    await this.#view.close();
    await Promise.all([this.#reports?.close(), this.#hostMoves.close(), this.#lostHosts.close()]);
    await this.#facts.close(); // before: nobody is to wait for this node
    this.#snapshots.stop();
    await this.#volumes.handOver();
  }

  /** When the engine is closed, and before the store is. */
  async close(): Promise<void> {
    await this.#snapshots.close();
    await this.#bridge.close();
  }

  /** While anybody refuses the store, this node too, nothing is begun, and what is on the disks is told. */
  #hold(): void {
    this.#isHeld = this.#lineage?.refusal !== undefined || this.#view.refusals.size > 0;
    this.#volumes.setHeld(this.#isHeld);
    this.#snapshots.setHeld(this.#isHeld);
    this.#reports?.set(this.#isHeld || this.#view.isInquired);
  }
}

function reportsOf({ notes, record, store }: AgentRecovery, options: AgentOptions): Reports {
  const { engine, pools, host, clock, log } = options;
  const { hostNqn } = host;
  return new Reports({
    ...{ store, clock, log, node: record },
    inventory: () => inventory({ engine, pools, notes, hostNqn }),
  });
}
