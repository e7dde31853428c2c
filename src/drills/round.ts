// One round of a drill: load, then the fault, then its healing, until all is in sync; then what the load saw
// is judged.
import { DomainError } from '../base/errors.js';
import { type ClusterVolume, whyNotWhole } from './cluster/api.js';
import type { DrillCluster } from './cluster/drill-cluster.js';
import { VolumeWatch } from './cluster/volume-watch.js';
import type { DrillDefinition, Scene } from './fault.js';
import type { DrillHost, DrillTarget } from './host.js';
import { type LoadResult, runLoad, spreadBlocks } from './load.js';
import type { RoundReport } from './report/report.js';
import { longestIoMs, seriesOf } from './report/series.js';
import { Timeline } from './report/timeline.js';
import { messageOf, pause, until } from './until.js';

export interface RoundOptions {
  readonly definition: DrillDefinition;
  readonly cluster: DrillCluster;
  readonly host: DrillHost;
  readonly volume: string;
  readonly round: number;
  /** How long the load is at least. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onEvent: (text: string) => void;
  /** Keeps the history; returns where, for the report. */
  readonly keep: (lines: Uint8Array) => Promise<string>;
}

const wholeMsMax = 120_000;
const ioMsMax = 60_000;
/** Parts of the time of a round: before the fault, and while it lasts. */
const leadInPart = 0.2;
const holdPart = 0.5;
/** After all is in sync again. */
const leadOutMs = 500;
/** For I/O in flight, when the load is to end; then its controller is closed. */
const endMsMax = 30_000;
const load = { writers: 8, readers: 4, blocksCount: 64 };

export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { cluster, host, volume, signal, keep, round } = options;
  await whole(options);
  const before = await cluster.api.volume(volume);
  const target = await host.connect(before.nqn, before.addresses);
  const timeline = new Timeline(options.onEvent);
  const running = new RunningLoad(target);
  const watch = new VolumeWatch(cluster.api, volume, timeline);
  const failures: string[] = [];
  let inSyncAfterMs: number | undefined;
  let result: LoadResult;
  try {
    inSyncAfterMs = await scenario(options, before, running, timeline).catch((error: unknown) => {
      if (signal.aborted || !(error instanceof DomainError)) throw error;
      failures.push(messageOf(error));
      return undefined;
    });
  } finally {
    await watch.end();
    result = await running.end();
    await target.close();
  }
  const { history, ...counts } = result;
  const lines = history.bytes();
  const { blocksViolated, violation } = await host.judge(lines);
  if (result.errors > 0) failures.push(`${result.errors} I/Os failed: ${result.errorTexts.join('; ')}`);
  if (violation !== undefined) {
    failures.push(`a write was lost or an old value read, block ${violation.block}: ${violation.text}`);
  }
  if (result.reads + result.writes === 0) failures.push('there was no I/O');
  return {
    ...{ round, ...counts, longestIoMs: longestIoMs(history.operations) },
    ...(inSyncAfterMs !== undefined && { inSyncAfterMs }),
    ...(watch.resyncedBytes !== undefined && { resyncedBytes: watch.resyncedBytes }),
    ...{ blocksViolated, history: await keep(lines) },
    ...{ timeline: timeline.events(running.beginNs), series: seriesOf(history.operations, running.beginNs) },
    failures,
  };
}

/** Returns how long it took from the healing until all was in sync. */
async function scenario(
  options: RoundOptions,
  before: ClusterVolume,
  running: RunningLoad,
  timeline: Timeline,
): Promise<number> {
  const { definition, cluster, volume, round, signal, seconds } = options;
  if (before.head === undefined) throw new Error('a volume that is whole has a head');
  const scene: Scene = {
    ...{ cluster, volume, timeline, round, signal, before: { ...before, head: before.head } },
    whole: () => whole(options),
  };
  const fault = definition.fault(scene);
  await running.began;
  const endMs = performance.now() + seconds * 1000;
  await pause(seconds * 1000 * leadInPart, signal);
  await fault.inject();
  await pause(Math.max(seconds * 1000 * holdPart, definition.holdMsMin ?? 0), signal);
  await fault.heal();
  const healedMs = performance.now();
  // The records may still say what was so before: a head that is gone, a member that has not been missed.
  await until('I/O goes on after the healing', { timeoutMs: ioMsMax, signal }, async () =>
    running.lastOkMs > healedMs ? undefined : 'none has ended well',
  );
  await whole(options);
  const inSyncAfterMs = performance.now() - healedMs;
  timeline.add('note', 'all nodes are up, all replicas in sync');
  await pause(Math.max(leadOutMs, endMs - performance.now()), signal);
  return inSyncAfterMs;
}

/** Until all nodes are up and all replicas in sync, as two looks say. */
export async function whole({
  cluster,
  volume,
  signal,
}: Pick<RoundOptions, 'cluster' | 'volume' | 'signal'>): Promise<void> {
  let looks = 0;
  await until(`volume '${volume}' is whole`, { timeoutMs: wholeMsMax, signal }, async () => {
    const why = await cluster.api.volume(volume).then(whyNotWhole, messageOf);
    const stands = why ?? (await cluster.whoIsDown().catch(messageOf));
    looks = stands === undefined ? looks + 1 : 0;
    return looks < 2 ? (stands ?? 'it just became so') : undefined;
  });
}

class RunningLoad {
  /** By the clock of histories. */
  beginNs = process.hrtime.bigint();
  lastOkMs = 0;
  /** All blocks are zeroes. Fails when they could not be made so. */
  readonly began: Promise<void>;
  readonly #target: DrillTarget;
  readonly #stop = new AbortController();
  readonly #result: Promise<LoadResult>;

  constructor(target: DrillTarget) {
    this.#target = target;
    const { blockSizeBytes, blocksCount, path, namespace } = target;
    const ok = <T>(value: T): T => {
      this.lastOkMs = performance.now();
      return value;
    };
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    this.#result = runLoad({
      namespace: {
        read: (lba, count) => namespace.read(lba, count).then(ok),
        write: (lba, data) => namespace.write(lba, data).then(ok),
      },
      ...{ blockSizeBytes, path, writers: load.writers, readers: load.readers },
      ...{ blocks: spreadBlocks(blocksCount, load.blocksCount), signal: this.#stop.signal },
      onStart: () => {
        this.beginNs = process.hrtime.bigint();
        begin();
      },
    });
    this.#result.catch(() => undefined); // end() tells it
    this.began = Promise.race([begun, this.#result.then(() => undefined)]);
    this.began.catch(() => undefined);
  }

  /** What is in flight is waited for, for a while. */
  async end(): Promise<LoadResult> {
    this.#stop.abort();
    const late = setTimeout(() => void this.#target.close(), endMsMax);
    try {
      return await this.#result;
    } finally {
      clearTimeout(late);
    }
  }
}
