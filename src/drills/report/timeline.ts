// What happened during a round, in order, by the clock of its history.

export interface TimelineEvent {
  /** After the load began; below 0: before. */
  readonly atMs: number;
  /** fault: it was injected; heal; state: of the volume, as the control plane tells it; note: else. */
  readonly kind: 'fault' | 'heal' | 'state' | 'note';
  readonly text: string;
}

export class Timeline {
  readonly #events: { readonly ns: bigint; readonly kind: TimelineEvent['kind']; readonly text: string }[] =
    [];
  readonly #listen: (text: string) => void;

  constructor(listen: (text: string) => void = () => undefined) {
    this.#listen = listen;
  }

  add(kind: TimelineEvent['kind'], text: string): void {
    this.#events.push({ ns: process.hrtime.bigint(), kind, text });
    this.#listen(text);
  }

  events(beginNs: bigint): readonly TimelineEvent[] {
    return this.#events.map(({ ns, kind, text }) => ({
      atMs: Number((ns - beginNs) / 1000n) / 1000,
      kind,
      text,
    }));
  }
}
