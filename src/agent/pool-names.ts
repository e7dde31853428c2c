// Which volumes a pool of this node has, asked together: a pool has thousands, and many replicas are made or
// taken away at once. What is answered was read after it was asked for, so it has all that the one who asks
// has done before.
import type { AgentEngine } from './types.js';

export class PoolNames {
  readonly #engine: Pick<AgentEngine, 'poolVolumes'>;
  /** By pool: what is being read, and what is read after that; of the latter, whoever asks meanwhile. */
  readonly #reading = new Map<string, Promise<ReadonlySet<string>>>();
  readonly #next = new Map<string, Promise<ReadonlySet<string>>>();

  constructor(engine: Pick<AgentEngine, 'poolVolumes'>) {
    this.#engine = engine;
  }

  of(pool: string): Promise<ReadonlySet<string>> {
    const reading = this.#reading.get(pool);
    if (reading === undefined) return this.#read(pool);
    const waiting = this.#next.get(pool);
    if (waiting !== undefined) return waiting;
    const read = () => {
      this.#next.delete(pool);
      return this.#read(pool);
    };
    const next = reading.then(read, read);
    this.#next.set(pool, next);
    return next;
  }

  #read(pool: string): Promise<ReadonlySet<string>> {
    const reading = this.#engine
      .poolVolumes(pool)
      .then((volumes): ReadonlySet<string> => new Set(volumes.map(({ name }) => name)))
      .finally(() => {
        if (this.#reading.get(pool) === reading) this.#reading.delete(pool);
      });
    this.#reading.set(pool, reading);
    return reading;
  }
}
