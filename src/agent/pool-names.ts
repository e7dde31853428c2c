// Which volumes a pool of this node has, asked together: a pool has thousands, and many replicas are made or
// taken away at once.
import { FreshRead } from '../base/fresh-read.js';
import type { AgentEngine } from './types.js';

export class PoolNames {
  readonly #engine: Pick<AgentEngine, 'poolVolumes'>;
  readonly #reads = new Map<string, FreshRead<ReadonlySet<string>>>();

  constructor(engine: Pick<AgentEngine, 'poolVolumes'>) {
    this.#engine = engine;
  }

  /** All that the one who asks has made in it is there. */
  of(pool: string): Promise<ReadonlySet<string>> {
    const known = this.#reads.get(pool);
    const read = known ?? new FreshRead(() => this.#read(pool));
    if (known === undefined) this.#reads.set(pool, read);
    return read.get();
  }

  async #read(pool: string): Promise<ReadonlySet<string>> {
    const volumes = await this.#engine.poolVolumes(pool);
    return new Set(volumes.map(({ name }) => name));
  }
}
