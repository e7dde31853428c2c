// `ballast node join`: makes this machine's state directory that of a node of a cluster, once, before the
// first `ballast agent`. The token comes from a file, stdin or the environment: arguments can be read by
// everybody.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { defaultJoinPort, parseHostPort } from '../../base/address.js';
import { InvalidArgumentError } from '../../base/errors.js';
import { dataDirectory } from '../../base/settings.js';
import type { CliContext } from '../engine-port.js';
import { addOutputOption, type OutputFormat, printResult } from '../output.js';
import { renderFields } from '../table.js';

interface JoinOptions {
  readonly controller: string;
  readonly tokenFile?: string;
  readonly name?: string;
  readonly data?: string;
  readonly output: OutputFormat;
}

const tokenBytesMax = 1024;

export function registerJoin(node: Command, context: CliContext): void {
  addOutputOption(node.command('join').description('join a cluster, before its agent is started here'))
    .requiredOption('--controller <host[:port]>', "the controller's address for joining (port 8431)")
    .option('--token-file <file>', "with the join token, '-' for stdin (default: BALLAST_JOIN_TOKEN)")
    .option('--name <name>', 'of this node, unique in the cluster (default: of this machine)')
    .option('--data <dir>', 'state directory (default: BALLAST_DATA, else ./var)')
    .action((options: JoinOptions) => join(context, options));
}

async function join(context: CliContext, options: JoinOptions): Promise<void> {
  const { environment } = context;
  const address = parseHostPort(options.controller, defaultJoinPort);
  const token = await readToken(context, options.tokenFile);
  const name = options.name ?? hostname();
  const joined = await context.joinWithToken({
    address,
    token,
    name,
    stateDirectory: dataDirectory(options.data, environment),
  });
  await printResult(context, options.output, joined, (color) =>
    renderFields(
      [
        ['node', `${joined.name} (${joined.nodeId})`],
        ['controller', joined.controllers.join(', ')],
        ['certificate', `until ${joined.validTo}; the agent renews it`],
      ],
      color,
    ),
  );
}

async function readToken({ environment, stdin }: CliContext, file: string | undefined): Promise<string> {
  if (file === '-') return readAll(stdin);
  if (file === undefined) {
    const token = environment.BALLAST_JOIN_TOKEN;
    if (token) return token;
    throw new InvalidArgumentError('token-file', 'a file with a join token, or BALLAST_JOIN_TOKEN');
  }
  try {
    return (await readFile(file, 'latin1')).slice(0, tokenBytesMax);
  } catch (cause) {
    throw new InvalidArgumentError('token-file', `a file that can be read (${(cause as Error).message})`);
  }
}

async function readAll(stdin: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += chunk.toString('latin1');
    if (text.length > tokenBytesMax) break; // it is none
  }
  return text;
}
