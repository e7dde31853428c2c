// What a volume may hold, known from what was sent to it and what was acknowledged. Each block of 4 KiB names
// in all of its bytes the volume, the block and the generation that wrote it, so a block that is old, torn or
// from elsewhere is told from one that is right. One writer a block: its operations follow each other.
// For tests that kill a daemon: first ImageModel.verify() for snapshots and their clones, then settle().

export const blockBytes = 4096;
const stampBytes = 16;
const magic = 0x42_4c_53_54;

export const never = Number.POSITIVE_INFINITY;

/** Counts events: what was submitted and acknowledged in which order. */
export class EventClock {
  now = 0;
  next(): number {
    this.now += 1;
    return this.now;
  }
}

interface Operation {
  readonly generation: number;
  readonly zero: boolean;
  readonly submitted: number;
  /** `never`: not yet, or the daemon was killed before. */
  acknowledged: number;
}

/** The time of a snapshot: after `from`, before `to`. What is found in it narrows it. */
export interface Moment {
  from: number;
  to: number;
}

export class VolumeModel {
  // Of each block, what it may hold: first what was surely there before this start of the daemon.
  readonly #blocks: Operation[][];
  readonly #lastGenerations: number[];

  constructor(
    readonly name: string,
    readonly tag: number,
    readonly blocksCount: number,
    private readonly clock: EventClock,
  ) {
    const blank = { generation: 0, zero: true, submitted: 0, acknowledged: 0 };
    this.#blocks = Array.from({ length: blocksCount }, () => [blank]);
    this.#lastGenerations = Array.from({ length: blocksCount }, () => 0);
  }

  /** Blocks of one writer are being written or zeroed: the data to send, and what to call at the end. */
  begin(first: number, count: number, zero: boolean): { data: Buffer; acknowledged: () => void } {
    const submitted = this.clock.next();
    const begun: Operation[] = [];
    const data = zero ? Buffer.alloc(0) : Buffer.allocUnsafe(count * blockBytes);
    for (let index = 0; index < count; index += 1) {
      const history = this.#blocks[first + index]!;
      const generation = this.#lastGenerations[first + index]! + 1;
      this.#lastGenerations[first + index] = generation;
      const operation = { generation, zero, submitted, acknowledged: never };
      history.push(operation);
      begun.push(operation);
      if (!zero) this.#content(first + index, generation).copy(data, index * blockBytes);
    }
    const acknowledged = (): void => {
      const now = this.clock.next();
      for (const operation of begun) operation.acknowledged = now;
    };
    return { data, acknowledged };
  }

  /** The daemon was killed; what is there must be what was acknowledged, or what was sent after that. */
  settle(content: Buffer): void {
    for (const [block, history] of this.#blocks.entries()) {
      const found = this.#candidates(content, block).at(-1)!;
      const lost = history.find((one) => one.generation > found.generation && one.acknowledged < never);
      if (lost !== undefined) {
        throw new Error(
          `${this.#name(block)} holds generation ${found.generation}; ${lost.generation} is lost`,
        );
      }
    }
    // What was sent and is not there will never be: its generation is not used again.
    for (const [block, history] of this.#blocks.entries()) {
      const { generation, zero } = this.#candidates(content, block).at(-1)!;
      history.splice(0, history.length, { generation, zero, submitted: 0, acknowledged: 0 });
    }
  }

  /** All of `content` was there at one moment, which is between those of `moment`, and narrows it. */
  verifyMoment(content: Buffer, moment: Moment): void {
    for (const [block, history] of this.#blocks.entries()) {
      const times = this.#candidates(content, block).map((found) => ({
        generation: found.generation,
        from: found.submitted,
        to: history[history.indexOf(found) + 1]?.acknowledged ?? never,
      }));
      const possible = times.filter(({ from, to }) => from < moment.to && to > moment.from);
      if (possible.length === 0) {
        const known = times.map((one) => `${one.generation} (${one.from} to ${one.to})`).join(', ');
        throw new Error(`${this.#name(block)} of a snapshot (${moment.from} to ${moment.to}) holds ${known}`);
      }
      if (possible.length > 1) continue; // zeroed more than once
      moment.from = Math.max(moment.from, possible[0]!.from);
      moment.to = Math.min(moment.to, possible[0]!.to);
    }
  }

  /** The operations of this block that leave it as it is in `content`, at least one. */
  #candidates(content: Buffer, block: number): Operation[] {
    const history = this.#blocks[block]!;
    const bytes = content.subarray(block * blockBytes, (block + 1) * blockBytes);
    const stamp = this.#stampAt(content, block);
    if (stamp.magic === 0 && bytes.every((byte) => byte === 0)) {
      const zeroes = history.filter(({ zero }) => zero);
      if (zeroes.length > 0) return zeroes;
      throw new Error(`${this.#name(block)} is zero, and nothing has zeroed it`);
    }
    const found = history.find(({ generation, zero }) => !zero && generation === stamp.generation);
    if (found !== undefined && bytes.equals(this.#content(block, stamp.generation))) return [found];
    const what = `${JSON.stringify(stamp)}, ${found === undefined ? 'not expected' : 'in parts'}`;
    const expected = history.map(({ generation, zero }) => `${generation}${zero ? ' (zero)' : ''}`).join(' ');
    throw new Error(`${this.#name(block)}: ${what}; it may hold: ${expected}`);
  }

  #stampAt(content: Buffer, block: number) {
    const at = block * blockBytes;
    const [first, tag, number, generation] = [0, 4, 8, 12].map((offset) => content.readUInt32LE(at + offset));
    return { magic: first!, tag: tag!, block: number!, generation: generation! };
  }

  #content(block: number, generation: number): Buffer {
    const stamp = Buffer.alloc(stampBytes);
    for (const [index, value] of [magic, this.tag, block, generation].entries())
      stamp.writeUInt32LE(value, 4 * index);
    return Buffer.alloc(blockBytes, stamp);
  }

  #name(block: number): string {
    return `${this.name}, block ${block}`;
  }
}

/** What a snapshot and all its clones hold: once it was read it never changes. */
export class ImageModel {
  #exact: Buffer | undefined;

  constructor(
    readonly volume: VolumeModel,
    readonly moment: Moment,
  ) {}

  verify(content: Buffer): void {
    if (this.#exact === undefined) {
      this.volume.verifyMoment(content, this.moment);
      this.#exact = content;
    } else if (!this.#exact.equals(content)) {
      throw new Error(`a snapshot of ${this.volume.name} has changed`);
    }
  }
}
