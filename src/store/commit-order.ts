// For stores that are asked over a network: commits that have a key in common are sent one after the other,
// in the order they were asked for; others go at once.

export class CommitOrder {
  /** Of each key, the end of what was asked for last. */
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when all that was asked for before with one of the keys has ended, however that did. */
  async after<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = keys.flatMap((key) => this.#last.get(key) ?? []);
    const result = before.length === 0 ? work() : Promise.all(before).then(work);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    for (const key of keys) this.#last.set(key, ended);
    void ended.then(() => {
      for (const key of keys) if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    return result;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
