// Results on stdout in the format of -o; messages never go there. Sizes above 2^53 are decimal strings in
// JSON.
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { CliContext } from './engine-port.js';

export type OutputFormat = 'table' | 'json' | 'yaml';

export function addOutputOption(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how to print the result')
      .choices(['table', 'json', 'yaml'])
      .default('table'),
  );
}

export function colorWanted(context: CliContext): boolean {
  return (
    context.stdout.isTTY === true && !context.environment.NO_COLOR && context.environment.TERM !== 'dumb'
  );
}

export function printResult(
  context: CliContext,
  format: OutputFormat,
  value: unknown,
  table: (color: boolean) => string,
): void {
  if (format === 'table') {
    context.stdout.write(table(colorWanted(context)));
    return;
  }
  const plain: unknown = JSON.parse(JSON.stringify(value, exactNumbers));
  context.stdout.write(format === 'json' ? `${JSON.stringify(plain, null, 2)}\n` : stringify(plain));
}

function exactNumbers(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
