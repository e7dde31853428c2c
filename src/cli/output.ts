// Results on stdout in the format of -o; messages never go there. Sizes above 2^53 are decimal strings in
// JSON.
import { type Command, Option } from 'commander';
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

export async function printResult(
  context: CliContext,
  format: OutputFormat,
  value: unknown,
  table: (color: boolean) => string,
): Promise<void> {
  if (format === 'table') {
    context.stdout.write(table(colorWanted(context)));
    return;
  }
  const plain: unknown = JSON.parse(JSON.stringify(value, exactNumbers));
  if (format === 'json') {
    context.stdout.write(`${JSON.stringify(plain, null, 2)}\n`);
    return;
  }
  const { stringify } = await import('yaml'); // only here: it would be a tenth of the time of every start
  context.stdout.write(stringify(plain));
}

function exactNumbers(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
