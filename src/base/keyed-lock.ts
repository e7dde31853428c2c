// One thing at a time for each key: those who change it wait for their turn, those who only need it to stay
// share. First come, first served, so nobody starves. Called by the services of the control plane; a holder
// that takes further keys takes them in one order (pool, then volumes by UUID), or two would wait for ever.

interface Waiting {
  readonly exclusive: boolean;
  readonly grant: () => void;
}

interface Held {
  /** How many have it; exclusive ones are one. */
  holders: number;
  exclusive: boolean;
  readonly queue: Waiting[];
}

export class KeyedLock {
  readonly #held = new Map<string, Held>();

  /** Runs `work` while nobody else has the key. */
  exclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.#run(key, true, work);
  }

  /** Runs `work` while nobody has the key exclusively. */
  shared<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.#run(key, false, work);
  }

  /** All of them exclusively, taken in the order of their text; a key that is twice counts once. */
  exclusiveAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = [...new Set(keys)].sort();
    if (first === undefined) return work();
    return this.exclusive(first, () => this.exclusiveAll(rest, work));
  }

  /** How many keys somebody has or waits for. */
  get keysCount(): number {
    return this.#held.size;
  }

  async #run<T>(key: string, exclusive: boolean, work: () => Promise<T>): Promise<T> {
    await this.#acquire(key, exclusive);
    try {
      return await work();
    } finally {
      this.#release(key);
    }
  }

  #acquire(key: string, exclusive: boolean): Promise<void> | undefined {
    const held = this.#held.get(key);
    if (held === undefined) {
      this.#held.set(key, { holders: 1, exclusive, queue: [] });
      return undefined;
    }
    if (!exclusive && !held.exclusive && held.queue.length === 0) {
      held.holders += 1;
      return undefined;
    }
    return new Promise((grant) => void held.queue.push({ exclusive, grant }));
  }

  #release(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    const next = held.queue.shift();
    if (next === undefined) {
      this.#held.delete(key);
      return;
    }
    held.holders = 1;
    held.exclusive = next.exclusive;
    next.grant();
    while (!held.exclusive && held.queue[0]?.exclusive === false) {
      held.holders += 1;
      held.queue.shift()?.grant();
    }
  }
}
