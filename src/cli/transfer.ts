// What read and write share: which blocks, and in which pieces.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../base/errors.js';
import type { NamespacePort } from './engine-port.js';
import { parseInteger, parseLba } from './numbers.js';
import { addTargetOptions, type TargetOptions } from './target.js';

export interface TransferOptions extends TargetOptions {
  readonly nsid: string;
  readonly lba: string;
  readonly blocks?: string;
}

// The engine cuts a piece into commands and keeps many in flight: enough to hide round trips, little to hold.
const pieceBytesMax = 8 << 20;

export function addTransferOptions(command: Command): Command {
  return addTargetOptions(command)
    .argument('<uri>', 'tcp://HOST[:PORT][,HOST[:PORT]...]/NQN')
    .option('-n, --nsid <n>', 'the namespace', '1')
    .option('--lba <l>', 'the first logical block', '0');
}

export function parseRange(options: TransferOptions): {
  nsid: number;
  lba: bigint;
  blocks: number | undefined;
} {
  return {
    nsid: parseInteger('nsid', options.nsid, 1, 0xffff_fffe),
    lba: parseLba(options.lba),
    blocks: options.blocks === undefined ? undefined : parseInteger('blocks', options.blocks, 1, 2 ** 40),
  };
}

export function blocksPerPiece(namespace: NamespacePort): number {
  return Math.floor(pieceBytesMax / namespace.info.blockSizeBytes);
}

/** Refuses a range that ends behind the namespace before any of it is transferred. */
export function checkRange(namespace: NamespacePort, lba: bigint, blocks: number): void {
  const { blocksCount, nsid } = namespace.info;
  if (lba > blocksCount || BigInt(blocks) > blocksCount - lba) {
    throw new InvalidArgumentError('lba', `a range within the ${blocksCount} blocks of namespace ${nsid}`);
  }
}
