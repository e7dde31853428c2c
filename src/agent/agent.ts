// A node of a cluster: makes true what the records want of it, and says what is so. One for each daemon that
// is an agent; made in src/main when the engine runs and pools are open.
import type { Clock } from '../base/clock.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import { MirrorRecords } from '../mirrors/records.js';
import { StoreBridge } from '../mirrors/store-bridge.js';
import type { Store } from '../store/types.js';
import { ClusterView } from './cluster-view.js';
import { FactsLease } from './facts-lease.js';
import { NodeVolumes } from './node-volumes.js';
import type { AgentEngine, VolumeFacts } from './types.js';
import { wantedOf } from './wanted.js';

export interface AgentOptions {
  readonly engine: AgentEngine;
  readonly store: Store;
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

  constructor({ engine, store, node, host, version, pools, clock, log }: AgentOptions) {
    const records = new MirrorRecords(store);
    const started = clock.date().toISOString();
    const bridge = new StoreBridge({
      ...{ records, log, clock },
      answer: (volume, answer) => engine.answerStore(volume, answer),
    });
    const volumes = new NodeVolumes({ engine, store, records, bridge, node, host, clock, log });
    engine.listenToMirrors({
      onStoreRequest: (request) => bridge.request(request),
      onHeadState: (volume, state) => volumes.onHeadState(volume, state),
      onSeal: (replica, sealed) => volumes.onSeal(replica, sealed),
    });
    this.#bridge = bridge;
    this.#volumes = volumes;
    this.#view = new ClusterView({
      ...{ store, clock, log },
      onChange: (cluster) => void volumes.apply(wantedOf(node, cluster)),
    });
    this.#facts = new FactsLease({
      ...{ store, node, clock, log },
      read: async () => {
        const told = volumes.facts().map(({ name, state, error }) => ({
          ...{ name, state },
          ...(error !== undefined && { error }),
        }));
        return { version, started, pools: await pools(), volumes: told };
      },
    });
  }

  /** Resolves when the node counts as up, or that was tried; from then on what is wanted is made true. */
  async start(): Promise<void> {
    this.#volumes.start();
    this.#view.start();
    await this.#facts.start();
  }

  facts(): readonly VolumeFacts[] {
    return this.#volumes.facts();
  }

  /** Decides nothing any more. What is served stays so until the engine closes, whose heads may still ask. */
  async stop(): Promise<void> {
    await this.#view.close();
    await this.#volumes.close();
    await this.#facts.close();
  }

  /** When the engine is closed, and before the store is. */
  close(): Promise<void> {
    return this.#bridge.close();
  }
}
