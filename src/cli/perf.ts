// `ballast perf URI/NQN --rw ... --bs ... --qd ...`: load on one namespace, measured by the native engine.
// Here are only the options, the progress line and the result. A writing workload overwrites the namespace.
import { type Command, Option } from 'commander';
import { InvalidArgumentError, NativeError, VerifyFailedError } from '../base/errors.js';
import { parseReactors, parseSpinUs } from '../base/settings.js';
import { parseSize } from '../base/sizes.js';
import type { LatencyUs, PerfOptions, PerfProgress, PerfResult, PerfWorkload } from '../native/types.js';
import type { CliContext } from './engine-port.js';
import { parseInteger } from './numbers.js';
import { addOutputOption, type OutputFormat, printResult } from './output.js';
import { type Column, renderTable } from './table.js';
import {
  addTargetOptions,
  describeTarget,
  parseSubsystemAddress,
  reachOptions,
  type TargetOptions,
  withController,
  withEngine,
} from './target.js';

export const workloads = [
  'randread',
  'randwrite',
  'randrw',
  'read',
  'write',
] as const satisfies PerfWorkload[];

interface PerfFlags extends TargetOptions {
  readonly output: OutputFormat;
  readonly rw: PerfWorkload;
  readonly bs: string;
  readonly qd: string;
  readonly rwmix: string;
  readonly queues: string;
  readonly reactors: string;
  readonly time: string;
  readonly nsid?: string;
  readonly spinUs?: string;
  readonly verify?: boolean;
}

export interface PerfReport {
  readonly target: string;
  readonly nsid: number | null;
  readonly rw: PerfWorkload;
  readonly blockSizeBytes: number;
  readonly queueDepth: number;
  readonly queues: number;
  readonly reactors: number;
  readonly seconds: number;
  readonly iops: number;
  readonly mibPerSecond: number;
  readonly latencyUs: LatencyUs;
  readonly read: { readonly ios: number; readonly iops: number; readonly latencyUs: LatencyUs };
  readonly write: { readonly ios: number; readonly iops: number; readonly latencyUs: LatencyUs };
  readonly cpuSecondsPerMillionIos: number;
  readonly errors: number;
  readonly errorCounts: PerfResult['errorCounts'];
  readonly blocksChecked: number;
  readonly verifyErrors: number;
  readonly firstMismatch: string;
}

export function registerPerf(program: Command, context: CliContext): void {
  const command = program.command('perf').description('measure I/O to a namespace; writing overwrites it');
  addOutputOption(addTargetOptions(command))
    .argument('<uri>', 'tcp://HOST[:PORT][,HOST[:PORT]...]/NQN')
    .addOption(new Option('--rw <workload>', 'what to do').choices(workloads).default('randread'))
    .option('-n, --nsid <n>', 'the namespace (default: the first)')
    .option('--bs <size>', 'bytes of one I/O', '4k')
    .option('--qd <n>', 'I/Os in flight on each queue', '32')
    .option('--rwmix <percent>', 'share of reads in randrw', '70')
    .option('--queues <n>', 'I/O queues (default: one per reactor)')
    .option('--reactors <n|list>', 'threads, or CPUs to pin them to, such as 0,2-3 or 1,', '1')
    .option('--spin-us <n|max>', 'how long an idle reactor spins before it sleeps')
    .option('--time <seconds>', 'how long', '5')
    .option('--verify', 'writes carry a pattern that reads check')
    .action((uri: string, flags: PerfFlags) => perf(context, uri, flags));
}

async function perf(context: CliContext, uri: string, flags: PerfFlags): Promise<void> {
  const address = parseSubsystemAddress(uri);
  const reactors = parseReactors(flags.reactors);
  const queues = flags.queues === undefined ? reactors.count : parseInteger('queues', flags.queues, 1, 128);
  const options = parsePerfOptions(flags);
  const spinUs = flags.spinUs === undefined ? {} : { spinUs: parseSpinUs(flags.spinUs) };
  const reach = await reachOptions(context, address, flags);
  const stop = new AbortController();
  const forget = context.onStopSignal(() => (stop.signal.aborted ? context.exitNow(1) : stop.abort()));
  const progress = progressLine(context);
  try {
    const engineOptions = {
      reactors: reactors.count,
      ...(reactors.cpus && { cpus: reactors.cpus }),
      ...spinUs,
    };
    const { result, queuesGranted } = await withEngine(context, engineOptions, (engine) =>
      withController(
        engine,
        { ...reach, nqn: address.nqn, ioQueues: queues, queueEntries: Math.max(2, options.queueDepth) },
        async (controller) => ({
          result: await controller.perf({ ...options, signal: stop.signal }, progress.show),
          queuesGranted: controller.info.ioQueues,
        }),
      ),
    );
    progress.clear();
    const report = makeReport(describeTarget(address), options, queuesGranted, reactors.count, result);
    await printResult(context, flags.output, report, (color) => renderReport(report, color));
    if (report.verifyErrors > 0) throw new VerifyFailedError(report.verifyErrors, report.firstMismatch);
    if (report.errors > 0) throw new NativeError('perf', describeErrors(report));
  } finally {
    progress.clear();
    forget();
  }
}

function parsePerfOptions(flags: PerfFlags): PerfOptions {
  const blockSizeBytes = parseSize(flags.bs);
  if (blockSizeBytes < 512n || blockSizeBytes > 16n << 20n || blockSizeBytes % 512n !== 0n) {
    throw new InvalidArgumentError('bs', `a multiple of 512 up to 16 MiB; got '${flags.bs}'`);
  }
  const verify = flags.verify ?? false;
  if (verify && (flags.rw === 'read' || flags.rw === 'randread')) {
    throw new InvalidArgumentError('verify', `a workload that writes; ${flags.rw} only reads`);
  }
  const seconds = /^\d{1,6}(?:\.\d{1,3})?$/.test(flags.time) ? Number(flags.time) : 0;
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError('time', `seconds above 0 up to 86400; got '${flags.time}'`);
  }
  return {
    rw: flags.rw,
    blockSizeBytes: Number(blockSizeBytes),
    queueDepth: parseInteger('qd', flags.qd, 1, 1024),
    rwMixPercent: parseInteger('rwmix', flags.rwmix, 0, 100),
    seconds,
    verify,
    ...(flags.nsid !== undefined && { nsid: parseInteger('nsid', flags.nsid, 1, 0xffff_fffe) }),
  };
}

function makeReport(
  target: string,
  options: PerfOptions,
  queues: number,
  reactors: number,
  result: PerfResult,
): PerfReport {
  const perSecond = (ios: number) => (result.seconds > 0 ? ios / result.seconds : 0);
  return {
    target,
    nsid: options.nsid ?? null,
    rw: options.rw,
    blockSizeBytes: options.blockSizeBytes,
    queueDepth: options.queueDepth,
    queues,
    reactors,
    seconds: result.seconds,
    iops: result.iops,
    mibPerSecond: result.bytesPerSecond / (1 << 20),
    latencyUs: result.latencyUs,
    read: { ios: result.reads, iops: perSecond(result.reads), latencyUs: result.readLatencyUs },
    write: { ios: result.writes, iops: perSecond(result.writes), latencyUs: result.writeLatencyUs },
    cpuSecondsPerMillionIos: result.cpuSecondsPerMillion,
    errors: result.errors,
    errorCounts: result.errorCounts,
    blocksChecked: result.blocksChecked,
    verifyErrors: result.verifyErrors,
    firstMismatch: result.firstMismatch,
  };
}

function describeErrors({ errors, errorCounts }: PerfReport): string {
  const kinds = errorCounts.map(({ status, count }) => `${count} ${status.name}`);
  return [`${errors} I/Os failed`, ...kinds].join(', ');
}

interface ReportRow {
  readonly name: string;
  readonly iops: number;
  readonly latencyUs: LatencyUs;
}

const latency = (title: string, key: keyof LatencyUs): Column<ReportRow> => ({
  title,
  value: ({ latencyUs }) => latencyUs[key].toFixed(1),
  align: 'right',
});

const reportColumns: readonly Column<ReportRow>[] = [
  { title: 'op', value: ({ name }) => name },
  { title: 'iops', value: ({ iops }) => Math.round(iops).toString(), align: 'right' },
  latency('mean us', 'mean'),
  latency('p50 us', 'p50'),
  latency('p90 us', 'p90'),
  latency('p99 us', 'p99'),
  latency('p99.9 us', 'p999'),
  latency('max us', 'max'),
];

export function renderReport(report: PerfReport, color: boolean): string {
  const parts = [
    { name: 'read', ...report.read },
    { name: 'write', ...report.write },
  ].filter(({ ios }) => ios > 0);
  const rows = parts.length > 1 ? [{ name: 'all', ...report }, ...parts] : parts;
  const summary = [
    `${report.rw} ${report.blockSizeBytes} B, queue depth ${report.queueDepth} on ${report.queues} queues`,
    `${report.seconds.toFixed(2)} s`,
    `${report.mibPerSecond.toFixed(1)} MiB/s`,
    `${report.cpuSecondsPerMillionIos.toFixed(2)} CPU s per million I/Os`,
    ...(report.blocksChecked > 0 ? [`${report.blocksChecked} blocks verified`] : []),
    `${report.errors} errors`,
  ];
  return `${renderTable(reportColumns, rows, color)}\n${summary.join(', ')}\n`;
}

// One line that is painted over, on a terminal only: in a log it would be noise.
function progressLine(context: CliContext): { show(progress: PerfProgress): void; clear(): void } {
  if (context.stderr.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let shown = false;
  return {
    show: ({ elapsedSeconds, iops, bytesPerSecond, errors }) => {
      shown = true;
      const rate = `${Math.round(iops)} IOPS   ${(bytesPerSecond / (1 << 20)).toFixed(1)} MiB/s`;
      context.stderr.write(
        `\r\x1b[K${elapsedSeconds.toFixed(0)} s   ${rate}${errors > 0 ? `   ${errors} errors` : ''}`,
      );
    },
    clear: () => {
      if (shown) context.stderr.write('\r\x1b[K');
      shown = false;
    },
  };
}
