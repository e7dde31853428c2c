// A node of a cluster: makes true what the records want of it, and says what is so. One for each daemon that
// is an agent; made in src/main when the engine runs and pools are open.
import type { Clock } from '../base/clock.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import type { LineageWatch } from '../cluster/lineage/lineage-watch.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import { ClusterView } from '../cluster/view/cluster-view.js';
import { MirrorRecords } from '../mirrors/records.js';
import { StoreBridge } from '../mirrors/store-bridge.js';
import type { Store } from '../store/types.js';
import { FactsLease } from './facts-lease.js';
import { NodeVolumes } from './node-volumes.js';
import type { AgentEngine } from './types.js';
import { Wanted } from './wanted.js';

export interface AgentOptions {
  readonly engine: AgentEngine;
  readonly store: Store;
  /** Over the same store: whether that is the one of the cluster. Absent: it is. */
  readonly lineage?: Pick<LineageWatch, 'refusal' | 'refuse' | 'onRefused'>;
  /** UUID of the node, and who it is to replicas of others. */
  readonly node: string;
  readonly host: HostIdentity;
  /** Of the program. */
  readonly version: string;
  readonly pools: () => Promise<readonly PoolFacts[]>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Agent {
  readonly #volumes: NodeVolumes;
  readonly #view: ClusterView;
  readonly #facts: FactsLease;
  readonly #bridge: StoreBridge;
  readonly #applied: Promise<void>;

  constructor({ engine, store, lineage, node, host, version, pools, clock, log }: AgentOptions) {
    const records = new MirrorRecords(store);
    const started = clock.date().toISOString();
    const bridge = new StoreBridge({
      ...{ records, log, clock },
      answer: (volume, answer) => engine.answerStore(volume, answer),
    });
    const volumes = new NodeVolumes({
      ...{ engine, store, records, bridge, node, host, clock, log },
      onFacts: (volume) => this.#facts.changed(volume),
      refuseStore: (reason, isStillSo) => lineage?.refuse(reason, isStillSo),
    });
    const hold = () => {
      volumes.setHeld(lineage?.refusal !== undefined || this.#view.refusals.size > 0);
    };
    lineage?.onRefused(() => {
      volumes.forgetRecords();
      hold();
    });
    engine.listenToMirrors({
      onStoreRequest: (request) => bridge.request(request),
      onHeadState: (volume, state) => volumes.onHeadState(volume, state),
      onSeal: (replica, sealed) => volumes.onSeal(replica, sealed),
    });
    this.#bridge = bridge;
    this.#volumes = volumes;
    let applied = () => {};
    this.#applied = new Promise((resolve) => {
      applied = resolve;
    });
    const wanted = new Wanted(node);
    this.#view = new ClusterView({
      ...{ store, clock, log },
      onChange: (view, { nodes, volumes: changed }) => {
        if (nodes) hold(); // before: what is refused by somebody is made true by nobody
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
    this.#view.start();
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
    await this.#facts.close(); // before: nobody is to wait for this node
    await this.#volumes.handOver();
  }

  /** When the engine is closed, and before the store is. */
  close(): Promise<void> {
    return this.#bridge.close();
  }
}
