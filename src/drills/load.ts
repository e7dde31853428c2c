// Load of which every operation is known afterwards: writers and readers on a few blocks of a namespace, each
// write with a value of its own, the whole in a history. Blocks are few, so that operations meet; what the
// namespace held there is zeroed at the beginning.
import { DomainError } from '../base/errors.js';
import { blockValue, fillBlock } from './block-value.js';
import { History, type OperationOutcome } from './history.js';

/** Of a namespace, what a load uses. */
export interface LoadNamespace {
  read(lba: bigint, blocksCount: number): Promise<Buffer>;
  write(lba: bigint, data: Buffer): Promise<void>;
}

export interface LoadOptions {
  readonly namespace: LoadNamespace;
  readonly blockSizeBytes: number;
  /** Blocks that are used, spread over the namespace. */
  readonly blocks: readonly bigint[];
  readonly writers: number;
  readonly readers: number;
  /** Whom I/O goes through, for people. */
  readonly path: string;
  /** Ends the load: what is in flight is waited for. */
  readonly signal: AbortSignal;
  /** All blocks are zeroes, and the load begins. */
  readonly onStart?: () => void;
}

export interface LoadResult {
  readonly history: History;
  readonly seconds: number;
  readonly reads: number;
  readonly writes: number;
  /** I/Os that ended with an error, or without an answer; texts of the first few. */
  readonly errors: number;
  readonly errorTexts: readonly string[];
  /** The longest time in which no I/O ended well, and when it began, in ms after the load. */
  readonly longestGapMs: number;
  readonly longestGapAtMs: number;
}

const errorTextsMax = 5;
/** After an error: a load that only fails would fill the history. */
const errorPauseMs = 20;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { blocks, namespace, blockSizeBytes, signal, onStart } = options;
  const zeroes = Buffer.alloc(blockSizeBytes);
  for (const block of blocks) {
    if (signal.aborted) break;
    await namespace.write(block, zeroes);
  }
  onStart?.();
  const load = new Load(options);
  await load.run();
  return load.result();
}

class Load {
  readonly #options: LoadOptions;
  readonly #history = new History();
  readonly #errorTexts: string[] = [];
  readonly #startMs = performance.now();
  #endMs = this.#startMs;
  #lastOkMs = this.#startMs;
  #gapMs = 0;
  #gapAtMs = 0;
  #lastValue = 0n;
  #reads = 0;
  #writes = 0;
  #errors = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { writers, readers, signal } = this.#options;
    const until = async (step: () => Promise<boolean>) => {
      while (!signal.aborted) {
        if (!(await step())) await new Promise((resolve) => setTimeout(resolve, errorPauseMs));
      }
    };
    await Promise.all([
      ...Array.from({ length: writers }, () => until(() => this.#write())),
      ...Array.from({ length: readers }, () => until(() => this.#read())),
    ]);
    this.#endMs = performance.now();
    this.#noteGap(this.#endMs);
  }

  result(): LoadResult {
    return {
      history: this.#history,
      seconds: (this.#endMs - this.#startMs) / 1000,
      ...{ reads: this.#reads, writes: this.#writes },
      ...{ errors: this.#errors, errorTexts: this.#errorTexts },
      ...{ longestGapMs: this.#gapMs, longestGapAtMs: this.#gapAtMs },
    };
  }

  async #write(): Promise<boolean> {
    const { namespace, blockSizeBytes, path } = this.#options;
    const index = this.#anyBlock();
    this.#lastValue += 1n;
    const data = Buffer.alloc(blockSizeBytes);
    fillBlock(data, index, this.#lastValue);
    const operation = this.#history.begin('write', index, this.#lastValue, path);
    const outcome = await this.#outcome(() => namespace.write(this.#lbaOf(index), data));
    this.#history.end(operation, outcome);
    if (outcome === 'ok') this.#writes += 1;
    return outcome === 'ok';
  }

  async #read(): Promise<boolean> {
    const { namespace, path } = this.#options;
    const index = this.#anyBlock();
    const operation = this.#history.begin('read', index, 0n, path);
    let value = 0n;
    const outcome = await this.#outcome(async () => {
      value = blockValue(await namespace.read(this.#lbaOf(index), 1), index);
    });
    this.#history.end(operation, outcome, value);
    if (outcome === 'ok') this.#reads += 1;
    return outcome === 'ok';
  }

  async #outcome(work: () => Promise<void>): Promise<OperationOutcome> {
    try {
      await work();
      this.#noteGap(performance.now());
      return 'ok';
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.#errors += 1;
      if (this.#errorTexts.length < errorTextsMax) this.#errorTexts.push(error.message);
      return 'failed';
    }
  }

  #noteGap(nowMs: number): void {
    const gapMs = nowMs - this.#lastOkMs;
    if (gapMs > this.#gapMs) {
      this.#gapMs = gapMs;
      this.#gapAtMs = this.#lastOkMs - this.#startMs;
    }
    this.#lastOkMs = nowMs;
  }

  #anyBlock(): number {
    return Math.floor(Math.random() * this.#options.blocks.length);
  }

  #lbaOf(index: number): bigint {
    return this.#options.blocks[index] ?? 0n;
  }
}

/** Numbers of `count` blocks, spread evenly over the namespace, or all of a smaller one. */
export function spreadBlocks(blocksCount: bigint, count: number): readonly bigint[] {
  const used = blocksCount < BigInt(count) ? Number(blocksCount) : count;
  return Array.from({ length: used }, (_, index) => (blocksCount * BigInt(index)) / BigInt(used));
}
