// A namespace of a connected controller: block I/O on Buffers. What is larger than one command may carry is
// sent as several, a bounded number at a time, so only what fits one command is atomic. A buffer given or
// answered is the engine's until the promise settles; after an abort, until the command ends.
import { constants } from 'node:buffer';
import { AbortedError, ClosedError } from '../base/errors.js';
import { check, checkBoolean, checkInteger, checkObject, checkSignal, checkU64 } from './checks.js';
import { statusError } from './failures.js';
import { startIo } from './operations.js';
import type { IoOptions, NamespaceInfo, WriteOptions } from './types.js';

// NVM Command Set Specification 1.1, "Opcodes for NVM Commands".
const opcode = { flush: 0x00, write: 0x01, read: 0x02, compare: 0x05, writeZeroes: 0x08, deallocate: 0x09 };
const blocksPerCommandMax = 65_536; // NLB has 16 bits and counts from 0
const blocksPerRangeMax = 0xffff_ffff; // 32 bits of a Dataset Management range
const commandsAtOnce = 64;
const forceUnitAccess = 2 ** 30; // CDW12 bit 30

/** What a namespace needs of its controller. */
export interface CommandPath {
  readonly id: number;
  readonly transferBytesMax: number;
  readonly isClosed: boolean;
}

interface Command {
  readonly lba: bigint;
  readonly blocks: number;
  readonly buffer?: Uint8Array;
}

export class Namespace {
  readonly info: NamespaceInfo;
  readonly #path: CommandPath;
  readonly #blocksPerTransfer: number;

  constructor(info: NamespaceInfo, path: CommandPath) {
    this.info = info;
    this.#path = path;
    const blocks = Math.floor(path.transferBytesMax / info.blockSizeBytes);
    this.#blocksPerTransfer = Math.min(blocksPerCommandMax, Math.max(1, blocks));
  }

  get nsid(): number {
    return this.info.nsid;
  }
  get blockSizeBytes(): number {
    return this.info.blockSizeBytes;
  }
  get blocksCount(): bigint {
    return this.info.blocksCount;
  }
  get uuid(): string {
    return this.info.uuid;
  }

  async read(lba: bigint, blocks: number, options: IoOptions = {}): Promise<Buffer> {
    checkU64(lba, 'lba');
    checkInteger(blocks, 'blocks', 1, Math.floor(constants.MAX_LENGTH / this.blockSizeBytes));
    checkOptions(options);
    const buffer = Buffer.allocUnsafe(blocks * this.blockSizeBytes);
    await this.#transfer('read', opcode.read, 0, lba, buffer, options.signal);
    return buffer;
  }

  async write(lba: bigint, data: Uint8Array, options: WriteOptions = {}): Promise<void> {
    this.#checkData(lba, data);
    checkOptions(options);
    const flags = checkBoolean(options.fua, 'fua') ? forceUnitAccess : 0;
    await this.#transfer('write', opcode.write, flags, lba, data, options.signal);
  }

  /** Rejects with the status Compare Failure (2/85h) when the blocks hold other data. */
  async compare(lba: bigint, data: Uint8Array, options: IoOptions = {}): Promise<void> {
    this.#checkData(lba, data);
    checkOptions(options);
    await this.#transfer('compare', opcode.compare, 0, lba, data, options.signal);
  }

  async flush(options: IoOptions = {}): Promise<void> {
    checkOptions(options);
    await this.#run('flush', [{ lba: 0n, blocks: 0 }], () => [opcode.flush, 0, 0, 0, 0], options.signal);
  }

  async writeZeroes(lba: bigint, blocks: number, options: IoOptions = {}): Promise<void> {
    checkU64(lba, 'lba');
    checkInteger(blocks, 'blocks', 1, Number.MAX_SAFE_INTEGER);
    checkOptions(options);
    const commands = cut(lba, blocks, blocksPerCommandMax);
    await this.#run('writeZeroes', commands, rangeDwords(opcode.writeZeroes, 0), options.signal);
  }

  /** The blocks read as zeroes afterwards where the target says so (DLFEAT); ours always do. */
  async deallocate(lba: bigint, blocks: number, options: IoOptions = {}): Promise<void> {
    checkU64(lba, 'lba');
    checkInteger(blocks, 'blocks', 1, Number.MAX_SAFE_INTEGER);
    checkOptions(options);
    const attributeDeallocate = 4; // CDW11 bit 2; CDW10 is the number of ranges, from 0
    const commands = map(cut(lba, blocks, blocksPerRangeMax), (command) => ({
      ...command,
      buffer: datasetRange(command),
    }));
    const dwords = (): Dwords => [opcode.deallocate, 0, attributeDeallocate, 0, 0];
    await this.#run('deallocate', commands, dwords, options.signal);
  }

  #checkData(lba: bigint, data: Uint8Array): void {
    checkU64(lba, 'lba');
    const { blockSizeBytes } = this;
    check(
      data instanceof Uint8Array && data.length > 0 && data.length % blockSizeBytes === 0,
      'data',
      `a Buffer of one or more blocks of ${blockSizeBytes} bytes`,
    );
  }

  #transfer(
    operation: string,
    code: number,
    flags: number,
    lba: bigint,
    data: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { blockSizeBytes } = this;
    const commands = cut(lba, data.length / blockSizeBytes, this.#blocksPerTransfer);
    const withData = map(commands, (command) => {
      const offset = Number(command.lba - lba) * blockSizeBytes;
      return { ...command, buffer: data.subarray(offset, offset + command.blocks * blockSizeBytes) };
    });
    return this.#run(operation, withData, rangeDwords(code, flags), signal);
  }

  // All commands of a group end before the promise settles, but for an abort: then they end unheard, and no
  // more are sent.
  async #run(
    operation: string,
    commands: Iterable<Command>,
    dwords: (command: Command) => Dwords,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let group: Promise<number>[] = [];
    const finishGroup = async (): Promise<void> => {
      const statuses = await untilAborted(Promise.all(group), operation, signal);
      group = [];
      const failed = statuses.find((status) => status !== 0);
      if (failed !== undefined) throw statusError(operation, failed, this.#path.isClosed);
    };
    for (const command of commands) {
      if (signal?.aborted) throw new AbortedError(operation, { cause: signal.reason });
      group.push(this.#start(dwords(command), command.buffer));
      if (group.length === commandsAtOnce) await finishGroup();
    }
    if (group.length > 0) await finishGroup();
  }

  #start(dwords: Dwords, buffer: Uint8Array | undefined): Promise<number> {
    const [code, cdw10, cdw11, cdw12, cdw13] = dwords;
    const command = Uint32Array.of(code, this.nsid, cdw10, cdw11, cdw12, cdw13, 0, 0);
    const status = startIo(this.#path.id, command, buffer);
    if (status === undefined) throw new ClosedError('the controller');
    return status;
  }
}

/** opcode, cdw10 to cdw13. */
type Dwords = readonly [number, number, number, number, number];

// NVM Command Set Specification 1.1, "Read command": SLBA in CDW10 and CDW11, NLB (from 0) in CDW12.
function rangeDwords(code: number, flags: number): (command: Command) => Dwords {
  return ({ lba, blocks }) => [code, Number(lba & 0xffff_ffffn), Number(lba >> 32n), flags + (blocks - 1), 0];
}

// NVM Command Set Specification 1.1, "Dataset Management - Range Definition".
function datasetRange({ lba, blocks }: Command): Buffer {
  const range = Buffer.alloc(16);
  range.writeUInt32LE(blocks, 4);
  range.writeBigUInt64LE(lba, 8);
  return range;
}

function* cut(lba: bigint, blocks: number, blocksMax: number): Generator<Command> {
  for (let done = 0; done < blocks; done += blocksMax) {
    yield { lba: BigInt.asUintN(64, lba + BigInt(done)), blocks: Math.min(blocksMax, blocks - done) };
  }
}

function* map<T, U>(values: Iterable<T>, change: (value: T) => U): Generator<U> {
  for (const value of values) yield change(value);
}

function checkOptions(options: IoOptions): void {
  checkObject(options, 'options');
  checkSignal(options.signal);
}

/** As `promise`, but rejects when the signal aborts first. `promise` must not reject. */
export function untilAborted<T>(
  promise: Promise<T>,
  operation: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new AbortedError(operation, { cause: signal.reason }));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', abort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    );
  });
}
