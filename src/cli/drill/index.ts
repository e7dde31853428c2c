// `ballast drill ...`: drills of a cluster, load of which every operation is known afterwards, and the
// judgement of such histories. Loaded when one is asked for.
import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { HistoryViolatedError, InvalidArgumentError, NamespaceNotFoundError } from '../../base/errors.js';
import { type LoadResult, runLoad, spreadBlocks } from '../../drills/load.js';
import type { HistoryVerdict } from '../../native/history.js';
import type { CliContext, ControllerPort } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { addOutputOption, type OutputFormat, printResult } from '../output.js';
import { renderFields } from '../table.js';
import {
  addTargetOptions,
  describeTarget,
  findNamespace,
  parseSubsystemAddress,
  reachOptions,
  type TargetOptions,
  withController,
  withEngine,
} from '../target.js';
import { registerRun } from './run.js';

export function register(drill: Command, context: CliContext): void {
  registerRun(drill, context);
  registerLoad(drill, context);
  registerCheck(drill, context);
}

interface LoadFlags extends TargetOptions {
  readonly output: OutputFormat;
  readonly time: string;
  readonly writers: string;
  readonly readers: string;
  readonly blocks: string;
  readonly nsid?: string;
  readonly history?: string;
}

function registerLoad(drill: Command, context: CliContext): void {
  const command = drill
    .command('load')
    .description('write and read some blocks of a namespace, and check that each was a linearizable register')
    .argument('<uri>', 'tcp://HOST[:PORT]/NQN');
  addOutputOption(addTargetOptions(command))
    .option('-n, --nsid <n>', 'the namespace (default: the first)')
    .option('--time <seconds>', 'how long', '10')
    .option('--writers <n>', 'that write one block at a time', '8')
    .option('--readers <n>', 'that read one block at a time', '4')
    .option('--blocks <n>', 'that are used; what they hold is LOST', '64')
    .option('--history <file>', 'keep all operations, as JSON lines')
    .action((uri: string, flags: LoadFlags) => load(context, uri, flags));
}

async function load(context: CliContext, uri: string, flags: LoadFlags): Promise<void> {
  const address = parseSubsystemAddress(uri);
  const seconds = parseInteger('time', flags.time, 1, 86_400);
  const writers = parseInteger('writers', flags.writers, 0, 256);
  const readers = parseInteger('readers', flags.readers, 0, 256);
  const blocksCount = parseInteger('blocks', flags.blocks, 1, 65_536);
  if (writers + readers === 0) throw new InvalidArgumentError('writers', 'above 0, or readers');
  const nsid = flags.nsid === undefined ? undefined : parseInteger('nsid', flags.nsid, 1, 0xffff_fffe);
  const reach = await reachOptions(context, address, flags);
  const stop = new AbortController();
  const forget = context.onStopSignal(() => (stop.signal.aborted ? context.exitNow(1) : stop.abort()));
  const path = describeTarget(address);
  try {
    const result = await withEngine(context, {}, (engine) =>
      withController(engine, { ...reach, nqn: address.nqn }, (controller) => {
        const namespace = nsid === undefined ? firstOf(controller) : findNamespace(controller, nsid);
        const { blockSizeBytes, blocksCount: all } = namespace.info;
        const blocks = spreadBlocks(all, blocksCount);
        return runLoad({
          ...{ namespace, blockSizeBytes, blocks, writers, readers, path },
          signal: stop.signal,
          // Not before: zeroing many blocks may take longer than the load is to.
          onStart: () => void context.sleep(seconds * 1000).then(() => stop.abort()),
        });
      }),
    );
    await report(context, path, flags, result);
  } finally {
    forget();
  }
}

function firstOf(controller: ControllerPort): ControllerPort['namespaces'][number] {
  const [first] = controller.namespaces;
  if (first === undefined) throw new NamespaceNotFoundError(controller.info.subsystemNqn, 1);
  return first;
}

async function report(
  context: CliContext,
  target: string,
  { output, history: file }: LoadFlags,
  { history, ...result }: LoadResult,
): Promise<void> {
  const lines = history.bytes();
  if (file !== undefined) await writeFile(file, lines, { mode: 0o600 });
  const verdict = await context.checkHistory(lines);
  const round = (value: number) => Math.round(value * 10) / 10;
  const shown = {
    target,
    ...{ seconds: round(result.seconds), reads: result.reads, writes: result.writes },
    ...{ errors: result.errors, errorTexts: result.errorTexts },
    ...{ longestGapMs: round(result.longestGapMs), longestGapAtMs: round(result.longestGapAtMs) },
    ...verdict,
    ...(file !== undefined && { history: file }),
  };
  await printResult(context, output, shown, () =>
    renderFields([
      ['target', target],
      ['operations', `${result.writes} writes and ${result.reads} reads in ${shown.seconds} s`],
      ['errors', [`${result.errors}`, ...result.errorTexts].join('; ')],
      ['longest gap', `${shown.longestGapMs} ms, at ${round(result.longestGapAtMs / 1000)} s`],
      ['verdict', verdictText(verdict)],
      ...(file === undefined ? [] : [['history', file] as const]),
    ]),
  );
  failIfViolated(verdict);
}

function registerCheck(drill: Command, context: CliContext): void {
  const command = drill
    .command('check')
    .description('judge a history of JSON lines: whether each block was a linearizable register')
    .argument('<file>', 'as drill load --history keeps it');
  addOutputOption(command).action(async (file: string, { output }: { readonly output: OutputFormat }) => {
    const lines = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
      throw new InvalidArgumentError('file', `a file that can be read (${cause.code ?? cause.message})`);
    });
    const verdict = await context.checkHistory(lines);
    await printResult(context, output, verdict, () =>
      renderFields([
        ['operations', `${verdict.operations} on ${verdict.blocks} blocks`],
        ['verdict', verdictText(verdict)],
      ]),
    );
    failIfViolated(verdict);
  });
}

function verdictText({ violation, blocksViolated, blocks }: HistoryVerdict): string {
  if (violation === undefined) return 'each block was a linearizable register';
  return `VIOLATED, ${blocksViolated} of ${blocks} blocks`;
}

function failIfViolated({ violation }: HistoryVerdict): void {
  if (violation !== undefined) throw new HistoryViolatedError(violation.block, violation.text);
}
