// What happened in a run, one line each, the same for the same seed: UUIDs that chance has made are named by
// the order in which they came. The last lines are kept for people, the sum of all is for comparison.
import { createHash } from 'node:crypto';

const uuids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const linesMax = 400;

export class Trace {
  readonly #sum = createHash('sha256');
  readonly #names = new Map<string, string>();
  readonly lines: string[] = [];
  #count = 0;

  name(uuid: string, name: string): void {
    this.#names.set(uuid, name);
  }

  add(atMs: number, text: string): void {
    const line = `${(atMs / 1000).toFixed(3)} ${this.readable(text)}`;
    this.#sum.update(line);
    this.#count += 1;
    this.lines.push(line);
    if (this.lines.length > linesMax) this.lines.shift();
  }

  readable(text: string): string {
    return text.replaceAll(uuids, (uuid) => {
      const known = this.#names.get(uuid) ?? `#${this.#names.size}`;
      this.#names.set(uuid, known);
      return known;
    });
  }

  sum(): { readonly lines: number; readonly sum: string } {
    return { lines: this.#count, sum: this.#sum.copy().digest('hex').slice(0, 16) };
  }
}
