// Options that benches of interleaved runs share: how long, how often, where, and into which file.

import { tmpdir } from 'node:os';
import { parseCount, parsePositive, readArguments } from './arguments.mjs';
import { checkOut } from './results.mjs';

const text = { type: 'string' };

/** An option of one bench, as text; without a default it may be left out. */
export const textOption = (byDefault) => (byDefault === undefined ? text : { ...text, default: byDefault });

/**
 * { values, shared }: the bench's own `options` as text, and { seconds, runs, directory, out }, checked.
 * --directory is one only where `options` has it. Undefined: --help was asked for.
 */
export function readRunOptions(words, options = {}) {
  const shared = { seconds: textOption('3'), runs: textOption('3'), out: text };
  const { values } = readArguments(words, { ...shared, ...options });
  if (values.help) return undefined;
  checkOut(values.out);
  return {
    values,
    shared: {
      seconds: parsePositive('seconds', values.seconds),
      runs: parseCount('runs', values.runs, 1, 1000),
      directory: values.directory ?? tmpdir(),
      out: values.out,
    },
  };
}
