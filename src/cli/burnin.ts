// `ballast burnin [--pool P] [--time S] [--set]`: what a pool of the daemon sustains, measured through the
// whole data path: 4 KiB random reads and writes at increasing depth on a volume that is made for it and
// deleted whatever happens. The answer is the budget that guarantees are admitted against.
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { InvalidArgumentError, NativeError } from '../base/errors.js';
import { qosBounds } from '../base/qos.js';
import { dataDirectory } from '../base/settings.js';
import { parseDeviceSize } from '../base/sizes.js';
import type { ApiClient, QosBudgetBody, VolumeBody } from '../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from './daemon.js';
import type { CliContext } from './engine-port.js';
import { printResult } from './output.js';
import { type Column, renderTable } from './table.js';
import { withController, withEngine } from './target.js';

interface BurninOptions extends DaemonOptions {
  readonly pool?: string;
  readonly size: string;
  readonly time: string;
  readonly set?: boolean;
  readonly force?: boolean;
}

export interface BurninStep {
  readonly depth: number;
  readonly iops: number;
  readonly p99Us: number;
}

export interface BurninReport {
  readonly pool: string;
  readonly seconds: number;
  readonly steps: readonly BurninStep[];
  /** What is sustained, and the least depth at which 95 % of it are reached. */
  readonly iops: number;
  readonly depth: number;
  readonly isBudget: boolean;
}

const fillBytes = 128 * 1024;
const depths = [1, 2, 4, 8, 16, 32, 64, 128];
/** A budget that is never used up: with the real one, that would be what is measured. */
const setAside = { iops: qosBounds.iops[1], depth: 65_536 };
const warning = 'burnin: this loads the disks of the pool for a while; volumes on them become slower\n';

export function registerBurnin(program: Command, context: CliContext): void {
  addDaemonOptions(program.command('burnin').description('measure what a pool sustains; loads its disks'))
    .option('--pool <name>', 'which (default: the only pool)')
    .option('--size <size>', 'of the volume that is measured, and deleted after', '256MiB')
    .option('--time <seconds>', 'for each depth', '5')
    .option('--set', 'make what was measured the budget')
    .option('--force', 'also while something is guaranteed, which may not be kept meanwhile')
    .action((options: BurninOptions) => burnin(context, options));
}

async function burnin(context: CliContext, options: BurninOptions): Promise<void> {
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(options.time) ? Number(options.time) : 0;
  if (!(seconds > 0 && seconds <= 3600)) throw new InvalidArgumentError('time', 'seconds up to 3600');
  const sizeBytes = parseDeviceSize(options.size, 4096).toString();
  const daemon = await daemonOf(context, options);
  const budget = await daemon.qosBudget();
  if (budget.iops > 0 && budget.guaranteedIops > 0 && options.force !== true) {
    const why = `${budget.guaranteedIops} IOPS are guaranteed, and may not be kept while this measures`;
    throw new InvalidArgumentError('burnin', `--force: ${why}`);
  }
  const [listener] = await daemon.listeners();
  if (listener === undefined) throw new NativeError('burnin', 'the daemon listens on no address');
  const identity = await context.hostIdentity(dataDirectory(options.data, context.environment));
  context.stderr.write(warning);
  const volume = await daemon.createVolume({
    name: `burnin-${randomBytes(6).toString('hex')}`,
    sizeBytes,
    hosts: [identity.hostNqn],
    ...(options.pool !== undefined && { pool: options.pool }),
  });
  const stop = new AbortController();
  const forget = context.onStopSignal(() => stop.abort());
  let steps: readonly BurninStep[];
  try {
    if (budget.iops > 0) await daemon.setQosBudget(setAside);
    steps = await measure(context, { volume, listener, identity, seconds, signal: stop.signal });
  } finally {
    await putBack(daemon, budget);
    await removeVolume(daemon, volume);
    forget();
  }
  const report = await conclude(daemon, volume, seconds, steps, options.set ?? false);
  await printResult(context, options.output, report, (color) => renderReport(report, color));
}

/** But not over what somebody else has set meanwhile. */
async function putBack(daemon: ApiClient, { iops, depth }: QosBudgetBody): Promise<void> {
  if (iops === 0 || (await daemon.qosBudget()).iops !== setAside.iops) return;
  await daemon.setQosBudget({ iops, ...(depth !== undefined && { depth }), force: true });
}

async function removeVolume(daemon: ApiClient, { name }: VolumeBody): Promise<void> {
  await daemon.deleteVolume(name, { force: true });
}

interface Measurement {
  readonly volume: VolumeBody;
  readonly listener: { readonly host: string; readonly port: number };
  readonly identity: { readonly hostNqn: string; readonly hostId: string };
  readonly seconds: number;
  readonly signal: AbortSignal;
}

function measure(context: CliContext, from: Measurement): Promise<readonly BurninStep[]> {
  const { volume, listener, identity, seconds, signal } = from;
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[listener.host] ?? listener.host;
  const reach = { host, port: listener.port, nqn: volume.nqn, ...identity, ioQueues: 1 };
  return withEngine(context, { reactors: 1 }, (engine) =>
    withController(engine, { ...reach, queueEntries: 256 }, async (controller) => {
      const run = async (rw: 'write' | 'randrw', bytes: number, queueDepth: number, time: number) => {
        const shape = { rw, blockSizeBytes: bytes, queueDepth, rwMixPercent: 50, seconds: time, signal };
        const result = await controller.perf(shape);
        if (signal.aborted) throw new NativeError('burnin', 'interrupted');
        if (result.errors > 0) throw new NativeError('burnin', `${result.errors} I/Os failed`);
        return result;
      };
      // What was never written is read without a disk.
      const filled = await run('write', fillBytes, 32, seconds * 4);
      if (BigInt(filled.writes) * BigInt(fillBytes) < BigInt(volume.sizeBytes)) {
        throw new NativeError('burnin', 'the volume could not be written once: more --time, or less --size');
      }
      const steps: BurninStep[] = [];
      for (const depth of depths) {
        const { iops, latencyUs } = await run('randrw', 4096, depth, seconds);
        const best = Math.max(0, ...steps.slice(-2).map((step) => step.iops));
        steps.push({ depth, iops: Math.round(iops), p99Us: latencyUs.p99 });
        if (steps.length > 3 && iops < best * 1.02) break;
      }
      return steps;
    }),
  );
}

async function conclude(
  daemon: ApiClient,
  { pool = '' }: VolumeBody,
  seconds: number,
  steps: readonly BurninStep[],
  isBudget: boolean,
): Promise<BurninReport> {
  const iops = Math.max(...steps.map((step) => step.iops));
  const depth = steps.find((step) => step.iops >= 0.95 * iops)?.depth ?? 1;
  if (isBudget) await daemon.setQosBudget({ iops, depth });
  return { pool, seconds, steps, iops, depth, isBudget };
}

const columns: readonly Column<BurninStep>[] = [
  { title: 'depth', value: ({ depth }) => String(depth), align: 'right' },
  { title: 'iops', value: ({ iops }) => String(iops), align: 'right' },
  { title: 'p99 us', value: ({ p99Us }) => p99Us.toFixed(1), align: 'right' },
];

function renderReport({ pool, steps, iops, depth, isBudget }: BurninReport, color: boolean): string {
  const what = isBudget
    ? 'is the budget now'
    : `make it the budget: ballast qos budget set ${iops} --depth ${depth}`;
  return `${renderTable(columns, steps, color)}\npool ${pool}: ${iops} IOPS from depth ${depth}; ${what}\n`;
}
