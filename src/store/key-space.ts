// What a store holds, in memory: entries in the order of their keys, and a view with changes on top of them
// that are not durable yet. Called by RevisionStore only; values in here are never handed out, copies are.

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: bigint;
  /** It goes when this lease ends. */
  readonly lease?: string;
}

/** What a commit does to one key; without an entry the key is deleted. */
export interface Effect {
  readonly key: string;
  readonly entry?: Entry;
}

export class KeySpace {
  readonly #entries = new Map<string, Entry>();
  #sorted: string[] = [];

  static of(entries: Iterable<Entry>): KeySpace {
    const made = new KeySpace();
    for (const entry of entries) made.#entries.set(entry.key, entry);
    made.#sorted = [...made.#entries.keys()].sort();
    return made;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  withPrefix(prefix: string): Entry[] {
    const found: Entry[] = [];
    for (let index = this.#position(prefix); index < this.#sorted.length; index += 1) {
      const key = this.#sorted[index] ?? '';
      if (!key.startsWith(prefix)) break;
      const entry = this.#entries.get(key);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  keysOfLease(lease: string): string[] {
    return this.#sorted.filter((key) => this.#entries.get(key)?.lease === lease);
  }

  apply(effects: readonly Effect[]): void {
    for (const { key, entry } of effects) {
      const known = this.#entries.has(key);
      if (entry !== undefined) {
        this.#entries.set(key, entry);
        if (!known) this.#sorted.splice(this.#position(key), 0, key);
      } else if (known) {
        this.#entries.delete(key);
        this.#sorted.splice(this.#position(key), 1);
      }
    }
  }

  // Of the first key that is not before `key`. Keys are ASCII: the order of < is that of their bytes.
  #position(key: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Overlay {
  readonly #changed = new Map<string, Entry | undefined>();

  constructor(readonly below: KeySpace) {}

  get(key: string): Entry | undefined {
    return this.#changed.has(key) ? this.#changed.get(key) : this.below.get(key);
  }

  keysOfLease(lease: string): string[] {
    const above = [...this.#changed].filter(([, entry]) => entry?.lease === lease).map(([key]) => key);
    return [...this.below.keysOfLease(lease).filter((key) => !this.#changed.has(key)), ...above];
  }

  apply(effects: readonly Effect[]): void {
    for (const { key, entry } of effects) this.#changed.set(key, entry);
  }
}
