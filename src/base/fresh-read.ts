// One read for all who ask while it is under way or waited for. What is answered was read after it was asked
// for, so it has all that the one who asks has done, or has seen, before.

export class FreshRead<T> {
  readonly #read: () => Promise<T>;
  #reading: Promise<T> | undefined;
  /** After that one; of whoever asks meanwhile. */
  #next: Promise<T> | undefined;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  get(): Promise<T> {
    if (this.#reading === undefined) return this.#begin();
    const begin = () => {
      this.#next = undefined;
      return this.#begin();
    };
    this.#next ??= this.#reading.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<T> {
    const reading = this.#read().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    return reading;
  }
}
