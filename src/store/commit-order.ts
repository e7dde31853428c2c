// For stores that are asked over a network: commits are sent one after the other, in the order they were
// asked for, where one writes a key that the other writes or compares; others go at once.

export class CommitOrder {
  /** Of each key, the end of what was asked for last and writes it. */
  readonly #written = new Map<string, Promise<void>>();
  /** Of each key, the end of all that was asked for and writes or compares it. */
  readonly #used = new Map<string, Promise<unknown>>();

  /**
   * Runs `work` when all that it must not pass has ended, however that did. `writes`: keys that it writes, or
   * that nothing else may use meanwhile; `compares`: those that it only looks at.
   */
  async after<T>(
    writes: readonly string[],
    work: () => Promise<T>,
    compares: readonly string[] = [],
  ): Promise<T> {
    const before = [
      ...writes.flatMap((key) => this.#used.get(key) ?? []),
      ...compares.flatMap((key) => this.#written.get(key) ?? []),
    ];
    const result = before.length === 0 ? work() : Promise.all(before).then(work);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    for (const key of writes) {
      keep(this.#written, key, ended);
      keep(this.#used, key, ended);
    }
    for (const key of compares) keep(this.#used, key, Promise.all([this.#used.get(key), ended]));
    return result;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#used.size > 0) await Promise.all(this.#used.values());
  }
}

/** Until it has ended, or another one has its place. */
function keep<T>(map: Map<string, Promise<T>>, key: string, ended: Promise<T>): void {
  map.set(key, ended);
  void ended.then(() => {
    if (map.get(key) === ended) map.delete(key);
  });
}
