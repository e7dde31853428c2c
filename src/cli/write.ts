// `ballast write URI/NQN --nsid N --lba L [--blocks K]`: raw bytes from stdin to a namespace. Without
// --blocks stdin is written to its end, which must be the end of a block. Input is held one command at a
// time, whatever its length.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../base/errors.js';
import type { CliContext, NamespacePort } from './engine-port.js';
import { findNamespace, parseSubsystemAddress, reachOptions, withController, withEngine } from './target.js';
import {
  addTransferOptions,
  blocksPerPiece,
  checkRange,
  parseRange,
  type TransferOptions,
} from './transfer.js';

export function registerWrite(program: Command, context: CliContext): void {
  addTransferOptions(program.command('write').description('write stdin to blocks of a namespace'))
    .option('--blocks <k>', 'how many logical blocks (default: all of stdin)')
    .action((uri: string, options: TransferOptions) => write(context, uri, options));
}

async function write(context: CliContext, uri: string, options: TransferOptions): Promise<void> {
  const address = parseSubsystemAddress(uri);
  const { nsid, lba, blocks } = parseRange(options);
  const reach = await reachOptions(context, address, options);
  await withEngine(context, {}, (engine) =>
    withController(engine, { ...reach, nqn: address.nqn }, async (controller) => {
      const namespace = findNamespace(controller, nsid);
      checkRange(namespace, lba, blocks ?? 0);
      const bytesWanted = blocks === undefined ? undefined : blocks * namespace.info.blockSizeBytes;
      const pieceBytes = blocksPerPiece(namespace) * namespace.info.blockSizeBytes;
      const bytesWritten = await copyIn(context.stdin, namespace, lba, pieceBytes, bytesWanted);
      const written = `${bytesWritten / namespace.info.blockSizeBytes} blocks written`;
      if (bytesWanted !== undefined && bytesWritten < bytesWanted) {
        throw new InvalidArgumentError('stdin', `${bytesWanted} bytes; it ended early, ${written}`);
      }
      context.stderr.write(`${written}\n`);
    }),
  );
}

/** Returns how many bytes were written. */
async function copyIn(
  stdin: NodeJS.ReadableStream,
  namespace: NamespacePort,
  lba: bigint,
  pieceBytes: number,
  bytesWanted: number | undefined,
): Promise<number> {
  const { blockSizeBytes } = namespace.info;
  let offset = 0;
  for await (const piece of pieces(stdin, pieceBytes, bytesWanted)) {
    const whole = piece.length - (piece.length % blockSizeBytes);
    const first = lba + BigInt(offset / blockSizeBytes);
    if (whole > 0) {
      checkRange(namespace, first, whole / blockSizeBytes);
      await namespace.write(first, piece.subarray(0, whole));
    }
    offset += whole;
    if (whole < piece.length) {
      const written = `${offset / blockSizeBytes} blocks written, ${piece.length - whole} bytes left over`;
      throw new InvalidArgumentError('stdin', `a multiple of ${blockSizeBytes} bytes; ${written}`);
    }
  }
  return offset;
}

/** Input cut into buffers of `pieceBytes`, the last one shorter; ends after `bytesMax`. */
export async function* pieces(
  stdin: NodeJS.ReadableStream,
  pieceBytes: number,
  bytesMax = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let bytesLeft = bytesMax;
  for await (const chunk of stdin) {
    const input = Buffer.from(chunk as Buffer);
    let rest = input.subarray(0, Math.min(input.length, bytesLeft));
    bytesLeft -= rest.length;
    while (heldBytes + rest.length >= pieceBytes) {
      const taken = pieceBytes - heldBytes;
      yield Buffer.concat([...held, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      held = [];
      heldBytes = 0;
    }
    if (rest.length > 0) {
      held.push(rest);
      heldBytes += rest.length;
    }
    if (bytesLeft === 0) break;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}
