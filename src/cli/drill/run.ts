// `ballast drill run NAME`: a cluster of processes on this machine, load, a fault, and the judgement.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { DrillFailedError } from '../../base/drill-errors.js';
import { AbortedError } from '../../base/errors.js';
import { dataDirectory } from '../../base/settings.js';
import type { StoreKind } from '../../drills/cluster/drill-cluster.js';
import { drills, drillsOf } from '../../drills/drills.js';
import type { DrillDefinition } from '../../drills/fault.js';
import {
  type DrillReport,
  failuresOf,
  gapsOf,
  resyncedBytesOf,
  verdictOf,
} from '../../drills/report/report.js';
import { writeReport } from '../../drills/report/write-report.js';
import { replicasMax, runDrill } from '../../drills/run-drill.js';
import type { CliContext } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { addOutputOption, type OutputFormat, printResult } from '../output.js';
import { stopRequest } from '../stop-request.js';
import { renderFields, renderTable } from '../table.js';
import { withEngine } from '../target.js';
import { clusterApi } from './cluster-api.js';
import { drillHost } from './host.js';

interface RunFlags {
  readonly output: OutputFormat;
  readonly rounds: string;
  readonly nodes: string;
  readonly store: StoreKind;
  readonly report?: string;
  readonly time: string;
}

interface RunPlan extends Pick<RunFlags, 'output' | 'store'> {
  readonly definitions: readonly DrillDefinition[];
  readonly rounds: number;
  readonly nodes: number;
  readonly seconds: number;
  readonly reportDirectory: string;
}

export function registerRun(drill: Command, context: CliContext): void {
  const names = drills.map(({ name }) => name).join(', ');
  const command = drill
    .command('run')
    .description('start a cluster on this machine, let something fail under verified load, and judge it')
    .argument('<drill>', `${names}, or all`);
  addOutputOption(command)
    .option('--rounds <n>', 'how often each drill is done', '1')
    .option('--time <seconds>', 'of load in a round, at least', '10')
    .option('--nodes <n>', 'of the cluster', '3')
    .addOption(new Option('--store <store>', 'of the cluster').choices(['level', 'etcd']).default('level'))
    .option('--report <dir>', 'where the report goes (default: drills/NAME-DATE in the state directory)')
    .action((name: string, flags: RunFlags) => run(context, planOf(context, name, flags)));
}

function planOf({ environment }: CliContext, name: string, flags: RunFlags): RunPlan {
  const definitions = drillsOf(name);
  const date = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const { report = join(dataDirectory(undefined, environment), 'drills', `${name}-${date}`) } = flags;
  return {
    definitions,
    rounds: parseInteger('rounds', flags.rounds, 1, 10_000),
    seconds: parseInteger('time', flags.time, 1, 3_600),
    // Below three a node that fails leaves nobody to take over with all that is needed.
    nodes: parseInteger('nodes', flags.nodes, replicasMax, 16),
    reportDirectory: resolve(report),
    ...{ output: flags.output, store: flags.store },
  };
}

async function run(context: CliContext, plan: RunPlan): Promise<void> {
  const stop = new AbortController();
  const request = stopRequest(context);
  void request.requested.then((signal) => stop.abort(signal));
  const startedAt = new Date().toISOString();
  await mkdir(plan.reportDirectory, { recursive: true });
  const directory = await mkdtemp(join(tmpdir(), 'ballast-drill-'));
  const reports: DrillReport[] = [];
  try {
    await withEngine(context, {}, async (engine) => {
      const host = drillHost(engine, await context.hostIdentity(directory), context.checkHistory);
      for (const [index, definition] of plan.definitions.entries()) {
        const { rounds, nodes, store, seconds, reportDirectory } = plan;
        reports.push(
          await runDrill({
            ...{ definition, host, rounds, nodes, store, seconds, reportDirectory },
            ...{ directory: join(directory, `${index}`), program: context.program, api: clusterApi },
            ...{ signal: stop.signal, onEvent: (text) => context.stderr.write(`${text}\n`) },
          }),
        );
      }
    });
  } catch (error) {
    if (stop.signal.aborted) throw new AbortedError('the drill', { cause: error });
    throw error;
  } finally {
    request.forget();
    const leave = reports.some((one) => verdictOf(one) === 'failed') || reports.length === 0;
    if (!leave || stop.signal.aborted) await rm(directory, { recursive: true, force: true });
  }
  const { nodes, store } = plan;
  const report = { version: context.version, startedAt, nodes, store, drills: reports };
  const files = await writeReport(plan.reportDirectory, report);
  await print(context, plan.output, reports, files);
  const failures = reports.flatMap(failuresOf);
  if (failures.length > 0) throw new DrillFailedError(failures.join('; '), files.page);
}

async function print(
  context: CliContext,
  output: OutputFormat,
  reports: readonly DrillReport[],
  files: { readonly json: string; readonly page: string },
): Promise<void> {
  const rows = reports.map((one) => ({
    drill: one.drill,
    verdict: verdictOf(one),
    rounds: one.rounds.length,
    ...(gapsOf(one) !== undefined && { gaps: gapsOf(one) }),
    ...(one.gapTargetMs !== undefined && { gapTargetMs: one.gapTargetMs }),
    errors: one.rounds.reduce((sum, { errors }) => sum + errors, 0),
    ...(resyncedBytesOf(one) !== undefined && { resyncedBytes: resyncedBytesOf(one) }),
    ...(one.members !== undefined && { membersEqual: one.members.equal }),
    ...(one.skipped !== undefined && { skipped: one.skipped }),
  }));
  const mib = (bytes: number | undefined) =>
    bytes === undefined ? '' : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
  const ms = (value: number | undefined) => (value === undefined ? '' : `${Math.round(value)}`);
  await printResult(context, output, { drills: rows, report: files }, (color) => {
    const table = renderTable<(typeof rows)[number]>(
      [
        { title: 'drill', value: ({ drill }) => drill },
        { title: 'verdict', value: ({ verdict }) => verdict },
        { title: 'rounds', value: ({ rounds }) => `${rounds}`, align: 'right' },
        { title: 'gap p50 ms', value: ({ gaps }) => ms(gaps?.p50Ms), align: 'right' },
        { title: 'p99', value: ({ gaps }) => ms(gaps?.p99Ms), align: 'right' },
        { title: 'max', value: ({ gaps }) => ms(gaps?.maxMs), align: 'right' },
        { title: 'promised', value: ({ gapTargetMs }) => ms(gapTargetMs), align: 'right' },
        { title: 'errors', value: ({ errors }) => `${errors}`, align: 'right' },
        { title: 'resynced', value: ({ resyncedBytes }) => mib(resyncedBytes), align: 'right' },
      ],
      rows,
      color,
    );
    return `${table}${renderFields([['report', files.page]])}`;
  });
}
