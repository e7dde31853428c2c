// `ballast top [volumes|pods] [-d SECONDS] [-n COUNT] [--sort KEY]`: rates between two looks at a running
// daemon. On a terminal it repaints: q ends it, s takes the next order. Elsewhere it prints a table for each
// interval. With -o json or yaml it prints one document of two looks and ends.
import { Argument, type Command, Option } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import type { ApiClient, StatsBody } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { colorWanted, printResult } from '../output.js';
import { Keys } from './keys.js';
import { podRows, secondsBetween, volumeRows } from './rates.js';
import { renderPodRows, renderVolumeRows, type SortKey, sortKeys, sortRows } from './render.js';

type Subject = 'volumes' | 'pods';

interface TopOptions extends DaemonOptions {
  readonly delay: string;
  readonly count?: string;
  readonly sort: SortKey;
}

const secondsMin = 0.1;
const secondsMax = 3600;

export function registerTop(program: Command, context: CliContext): void {
  addDaemonOptions(program.command('top').description('show what volumes, or pods, do right now'))
    .addArgument(new Argument('[what]').choices(['volumes', 'pods']).default('volumes'))
    .option('-d, --delay <seconds>', 'between two looks', '2')
    .option('-n, --count <n>', 'end after so many (default: not on its own)')
    .addOption(new Option('--sort <key>', 'the order').choices(sortKeys).default('iops'))
    .action((what: Subject, options: TopOptions) => top(context, what, options));
}

async function top(context: CliContext, what: Subject, options: TopOptions): Promise<void> {
  const delayMs = parseDelay(options.delay) * 1000;
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : parseCount(options.count);
  const daemon = await daemonOf(context, options);
  const before = await daemon.stats();
  if (options.output !== 'table') {
    await context.sleep(delayMs);
    return printOnce(context, what, options, before, await daemon.stats());
  }
  const keys = new Keys(context, options.sort);
  try {
    await follow(context, daemon, { what, delayMs, count, keys, before });
  } finally {
    keys.close();
  }
}

/** The document of `nvme top -o json`: what there was between two looks. */
function printOnce(
  context: CliContext,
  what: Subject,
  { output, sort }: TopOptions,
  before: StatsBody,
  after: StatsBody,
): Promise<void> {
  const rows =
    what === 'pods' ? sortRows(podRows(before, after), sort) : sortRows(volumeRows(before, after), sort);
  const document = { node: after.node, seconds: secondsBetween(before, after), [what]: rows };
  return printResult(context, output, document, () => '');
}

interface Following {
  readonly what: Subject;
  readonly delayMs: number;
  readonly count: number;
  readonly keys: Keys;
  readonly before: StatsBody;
}

async function follow(
  context: CliContext,
  daemon: ApiClient,
  { what, delayMs, count, keys, before }: Following,
): Promise<void> {
  const color = colorWanted(context);
  const repaints = context.stdout.isTTY === true;
  let earlier = before;
  for (let shown = 0; shown < count && !keys.ended; shown += 1) {
    await keys.pause(delayMs);
    if (keys.ended) return;
    const now = await daemon.stats();
    const title = `${now.node}, ${new Date().toISOString().slice(11, 19)}, by ${keys.sort}`;
    const table = render(what, earlier, now, keys.sort, color, repaints ? heightOf(context) : undefined);
    const hint = repaints ? '   q quits, s sorts' : '';
    context.stdout.write(
      `${repaints ? '\x1b[H\x1b[2J' : ''}${title}${hint}\n${table}${repaints ? '' : '\n'}`,
    );
    earlier = now;
  }
}

function render(
  what: Subject,
  before: StatsBody,
  after: StatsBody,
  sort: SortKey,
  color: boolean,
  rowsMax = Number.POSITIVE_INFINITY,
): string {
  if (what === 'pods') {
    return renderPodRows(sortRows(podRows(before, after), sort).slice(0, rowsMax), color);
  }
  return renderVolumeRows(sortRows(volumeRows(before, after), sort).slice(0, rowsMax), color);
}

// Without the title, the header and the line of the cursor.
function heightOf({ stdout }: CliContext): number {
  const { rows } = stdout as { readonly rows?: number };
  return Math.max(1, (rows ?? 24) - 3);
}

function parseDelay(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= secondsMin && seconds <= secondsMax) return seconds;
  throw new InvalidArgumentError('delay', `${secondsMin} to ${secondsMax} seconds; got '${text}'`);
}

function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new InvalidArgumentError('count', `a whole number above 0; got '${text}'`);
}
