// `ballast pool check PATH...`: looks at a pool that nobody has open, and repairs it if asked. Asks no
// daemon: the engine of this process reads the devices, and only with --repair writes to them.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { PoolFailedError } from '../../base/pool-errors.js';
import type { PoolCheckFinding, PoolCheckReport } from '../../native/pool-types.js';
import type { CliContext, EnginePort } from '../engine-port.js';
import { addOutputOption, type OutputFormat, printResult } from '../output.js';
import { ProgressBar } from '../progress-bar.js';
import { printable, renderFields } from '../table.js';
import { withEngine } from '../target.js';

interface CheckOptions {
  readonly repair?: boolean;
  readonly discardDamaged?: boolean;
  readonly output: OutputFormat;
}

const pollMs = 200;

export function registerCheck(pool: Command, context: CliContext): void {
  addOutputOption(pool.command('check').description('look for damage in a pool that no daemon has open'))
    .argument('<path...>', 'all of its devices, in any order')
    .option('--repair', 'repair what loses nothing (default: nothing is written)')
    .option('--discard-damaged', 'with --repair: give up what is damaged beyond repair, to use the rest')
    .action((paths: readonly string[], options: CheckOptions) => check(context, paths, options));
}

async function check(context: CliContext, paths: readonly string[], options: CheckOptions): Promise<void> {
  const { repair = false, discardDamaged = false } = options;
  if (discardDamaged && !repair) {
    throw new InvalidArgumentError('discard-damaged', '--repair with it: alone it does nothing');
  }
  const devices = paths.map((path) => resolve(path));
  const twice = devices.find((path, index) => devices.indexOf(path) !== index);
  if (twice !== undefined) throw new InvalidArgumentError('path', `each device once; got '${twice}' again`);
  const report = await withEngine(context, {}, (engine) => {
    const checked = engine.checkPool(devices, { repair, discardDamaged });
    return context.stderr.isTTY === true ? withBar(context, engine, checked) : checked;
  });
  await printResult(context, options.output, report, (color) => renderReport(report, color));
  const left = damageLeft(report);
  if (left > 0n) throw new PoolFailedError(titleOf(report), `${left} of ${total(report)} findings stay`);
}

async function withBar(
  context: CliContext,
  engine: EnginePort,
  checked: Promise<PoolCheckReport>,
): Promise<PoolCheckReport> {
  const bar = new ProgressBar(context, 'check');
  let ended = false;
  const end = checked.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  while (!ended) {
    const progress = engine.poolCheckProgress();
    if (progress.totalBytes > 0n) bar.show(progress);
    await Promise.race([end, context.sleep(pollMs)]);
  }
  bar.clear();
  return checked;
}

const titleOf = ({ name }: PoolCheckReport) => (name === '' ? 'check' : `check of pool '${name}'`);
const total = ({ findings, findingsLeftOut }: PoolCheckReport) => BigInt(findings.length) + findingsLeftOut;

/** What is wrong and was not repaired. A note is nothing wrong: an opening sees to it. */
function damageLeft({ findings, findingsLeftOut }: PoolCheckReport): bigint {
  const left = findings.filter(({ severity, repaired }) => severity !== 'note' && !repaired);
  return BigInt(left.length) + findingsLeftOut;
}

function renderReport(report: PoolCheckReport, color: boolean): string {
  const { findings, findingsLeftOut } = report;
  const lines = findings.map(
    (finding) => `${finding.severity.padEnd(7)}   ${printable(describeFinding(finding))}\n`,
  );
  if (findingsLeftOut > 0n) lines.push(`and ${findingsLeftOut} more\n`);
  return lines.join('') + (report.name === '' ? '' : renderFields(fieldsOf(report), color));
}

function describeFinding(finding: PoolCheckFinding): string {
  const text = `${finding.where}: ${finding.what}`;
  const after = afterwards(finding);
  return after === '' ? text : `${text} (${after})`;
}

function afterwards({ repaired, repair }: PoolCheckFinding): string {
  switch (repair) {
    case 'safe':
      return repaired ? 'repaired' : '--repair repairs it';
    case 'discards':
      return repaired ? 'given up' : 'lost';
    case 'impossible':
      return repaired ? 'repaired' : 'cannot be repaired';
    case 'not-needed':
      return repaired ? 'repaired' : '';
  }
}

function fieldsOf(report: PoolCheckReport): (readonly [string, string])[] {
  const { counters } = report;
  const groups = `${counters.journalGroups} groups`;
  const copies = `${counters.superblockCopies} of ${4 * counters.devices} superblock copies whole`;
  return [
    ['pool', report.name],
    ['uuid', report.uuid],
    ['devices', `${counters.devices}, ${copies}`],
    ['volumes', `${counters.volumes} in ${counters.layers} layers, ${counters.slots} slots`],
    ['metadata', `${counters.treePages} pages with ${counters.keys} keys, ${groups} in the journal`],
    ['extents', `${counters.extentsUsed} used, ${counters.extentsLeaked} leaked`],
    ['result', resultOf(report)],
  ];
}

function resultOf(report: PoolCheckReport): string {
  const { findings } = report;
  const gone = findings.filter(({ repaired }) => repaired);
  const givenUp = gone.filter(({ repair }) => repair === 'discards').length;
  const done = `${gone.length - givenUp} repaired, ${givenUp} given up`;
  const left = damageLeft(report);
  if (left === 0n) return gone.length === 0 ? 'nothing wrong' : `nothing stays: ${done}`;
  const couldBeGivenUp = findings.some(({ repair, repaired }) => repair === 'discards' && !repaired);
  const hint = '; --repair --discard-damaged makes the rest usable without what is lost';
  return `${left} of ${total(report)} findings stay, ${done}${couldBeGivenUp ? hint : ''}`;
}
