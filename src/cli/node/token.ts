// `ballast node token ...`: join tokens, made and revoked by the controller. A token is printed once, alone
// on stdout, by whoever makes it.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import type { JoinTokenBody } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { printResult } from '../output.js';
import { type Column, renderTable } from '../table.js';

interface CreateOptions extends DaemonOptions {
  readonly ttl?: string;
  readonly uses?: string;
}

const columns: readonly Column<JoinTokenBody>[] = [
  { title: 'id', value: ({ id }) => id },
  { title: 'nodes', value: ({ uses, usesMax }) => `${uses} of ${usesMax}`, align: 'right' },
  { title: 'expires', value: ({ expires }) => expires },
];

export function registerToken(token: Command, context: CliContext): void {
  addDaemonOptions(token.command('create').description('make one, and print it this once'))
    .option('--ttl <time>', 'how long it is valid, such as 30m, 24h or 7d (default: 24h)')
    .option('--uses <n>', 'how many nodes may join with it (default: 1)')
    .action(async (options: CreateOptions) => {
      const { ttl, uses } = options;
      const made = await (await daemonOf(context, options)).createJoinToken({
        ...(ttl !== undefined && { ttlSeconds: parseTtl(ttl) }),
        ...(uses !== undefined && { usesMax: parseInteger('uses', uses, 1, 1000) }),
      });
      await printResult(context, options.output, made, () => `${made.token}\n`);
      const nodes = made.usesMax === 1 ? 'one node' : `${made.usesMax} nodes`;
      context.stderr.write(`for ${nodes}, until ${made.expires}\n`);
    });
  addDaemonOptions(
    token.command('list').description('show those that are valid, without their secret'),
  ).action(async (options: DaemonOptions) => {
    const tokens = await (await daemonOf(context, options)).joinTokens();
    await printResult(context, options.output, { tokens }, (color) => renderTable(columns, tokens, color));
  });
  addDaemonOptions(token.command('delete').description('revoke one; nodes that joined with it stay'))
    .argument('<id>', 'as list prints it')
    .action(async (id: string, options: DaemonOptions) => {
      await (await daemonOf(context, options)).deleteJoinToken(id);
      await printResult(
        context,
        options.output,
        { id, deleted: true },
        () => `join token ${id} is revoked\n`,
      );
    });
}

const units = { m: 60, h: 3600, d: 86_400 } as const;

function parseTtl(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (unit === undefined)
    throw new InvalidArgumentError('ttl', `a time such as 30m, 24h or 7d; got '${text}'`);
  return Number(count) * units[unit as keyof typeof units];
}
