// The keys of `ballast top` on a terminal, and SIGINT and SIGTERM everywhere: they end it, or change the
// order and end the pause, so that the change shows at once.
import type { CliContext } from '../engine-port.js';
import { type SortKey, sortKeys } from './render.js';

type Terminal = NodeJS.ReadableStream & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

export class Keys {
  ended = false;
  readonly #context: CliContext;
  readonly #terminal: Terminal | undefined;
  readonly #forgetSignals: () => void;
  #wake: () => void = () => undefined;

  constructor(
    context: CliContext,
    public sort: SortKey,
  ) {
    this.#context = context;
    this.#forgetSignals = context.onStopSignal(() => this.#end());
    const input: Terminal = context.stdin;
    const isTerminal = context.stdout.isTTY === true && input.isTTY === true;
    this.#terminal = isTerminal ? input : undefined;
    this.#terminal?.setRawMode?.(true);
    this.#terminal?.on('data', this.#onKey);
    this.#terminal?.resume();
  }

  /** Until the time is over, or a key was pressed. */
  async pause(ms: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([woken, this.#context.sleep(ms)]);
  }

  close(): void {
    this.#forgetSignals();
    this.#terminal?.off('data', this.#onKey);
    this.#terminal?.setRawMode?.(false);
    this.#terminal?.pause();
  }

  readonly #onKey = (data: Buffer | string) => {
    for (const key of data.toString()) {
      if (key === 'q' || key === '\x03') this.#end(); // raw: Ctrl-C is no signal
      if (key === 's') this.#sortNext();
    }
  };

  #sortNext(): void {
    this.sort = sortKeys[(sortKeys.indexOf(this.sort) + 1) % sortKeys.length] ?? 'iops';
    this.#wake();
  }

  #end(): void {
    this.ended = true;
    this.#wake();
  }
}
