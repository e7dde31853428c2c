// Judges whether what clients saw of each block can have been (native/history).
import { InvalidArgumentError } from '../base/errors.js';
import { binding } from './binding.js';

export interface HistoryViolation {
  /** "value never written", "read before write", "forward zones overlap", "backward zone inside". */
  readonly kind: string;
  readonly block: bigint;
  /** What is wrong, then a line for each operation of the witness. */
  readonly text: string;
  /** A few operations that are wrong by themselves, as JSON lines. */
  readonly witness: string;
}

export interface HistoryVerdict {
  readonly operations: number;
  readonly blocks: number;
  readonly blocksViolated: number;
  /** The one that was evident first; absent: each block was a linearizable register. */
  readonly violation?: HistoryViolation;
}

/**
 * A history as JSON lines (native/history/json_lines.h). INVALID_ARGUMENT: not such lines, or two writes of a
 * block carry one value. Blocks the event loop meanwhile.
 */
export function checkHistory(lines: Uint8Array): HistoryVerdict {
  const verdict = binding.historyCheck(lines);
  if (typeof verdict === 'string') throw new InvalidArgumentError('history', verdict);
  return verdict;
}
