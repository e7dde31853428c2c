// Hosts of a simulated cluster: each uses every volume by every node that serves it, while it reaches that
// node. When who reached whom is remembered, for the checks of what is done for hosts' sake.

/** KATO of all of them; they are heard twice in that time. */
export const keepAliveMs = 2_000;
/** What is decided may be decided by what was so long before: a store may be slow, or away. */
const rememberedMs = 60_000;
/** That a host is back is heard of by then. */
const backMsMax = 20_000;

interface Span {
  readonly fromMs: number;
  /** `HOST NODE` of those that do not reach each other. */
  readonly cuts: ReadonlySet<string>;
}

export class SimHosts {
  #healedMs = Number.NEGATIVE_INFINITY;
  #spans: Span[] = [{ fromMs: 0, cuts: new Set() }];

  constructor(
    readonly nqns: readonly string[],
    readonly nowMs: () => number,
  ) {}

  reaches(host: string, node: string): boolean {
    return !this.#cuts.has(`${host} ${node}`);
  }

  cut(host: string, nodes: readonly string[]): void {
    this.#change(new Set([...this.#cuts, ...nodes.map((node) => `${host} ${node}`)]));
  }

  heal(): void {
    if (this.#cuts.size === 0) return;
    this.#healedMs = this.nowMs();
    this.#change(new Set());
  }

  get changedMs(): number {
    return this.#spans.at(-1)?.fromMs ?? 0;
  }

  /**
   * Some host did, at some time that may still be remembered; or all came back a moment ago, and nobody can
   * tell that it is to all at once.
   */
  didReachOnly(node: string, not: string): boolean {
    if (this.nowMs() - this.#healedMs < backMsMax) return true;
    return this.#spans.some(({ cuts }) =>
      this.nqns.some((host) => !cuts.has(`${host} ${node}`) && cuts.has(`${host} ${not}`)),
    );
  }

  get #cuts(): ReadonlySet<string> {
    return this.#spans.at(-1)?.cuts ?? new Set();
  }

  #change(cuts: ReadonlySet<string>): void {
    const nowMs = this.nowMs();
    const isOver = (index: number) => (this.#spans[index + 1]?.fromMs ?? nowMs) < nowMs - rememberedMs;
    this.#spans = [...this.#spans.filter((_, index) => !isOver(index)), { fromMs: nowMs, cuts }];
  }
}
