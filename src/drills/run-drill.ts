// A drill from its beginning to its end: a cluster, a volume, its rounds, and the members compared.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../base/errors.js';
import { DrillCluster, type DrillClusterOptions } from './cluster/drill-cluster.js';
import type { DrillDefinition } from './fault.js';
import { FrozenDisks } from './frozen-disks.js';
import type { DrillHost } from './host.js';
import { compareMembers } from './members.js';
import { Network } from './network/network.js';
import { Supervisor } from './processes/supervisor.js';
import type { DrillReport, RoundReport } from './report/report.js';
import { verdictOf } from './report/report.js';
import { writeHistory } from './report/write-report.js';
import { runRound, whole } from './round.js';
import { messageOf } from './until.js';

export interface DrillOptions
  extends Pick<DrillClusterOptions, 'directory' | 'program' | 'nodes' | 'store' | 'api'> {
  readonly definition: DrillDefinition;
  readonly host: DrillHost;
  readonly rounds: number;
  /** Of a round, at least. */
  readonly seconds: number;
  /** Where histories and logs are kept, in a directory with the name of the drill. */
  readonly reportDirectory: string;
  readonly signal: AbortSignal;
  readonly onEvent: (text: string) => void;
}

const volume = 'drill';
const sizeBytes = 256 << 20;
export const replicasMax = 3;

/** Fails only when it is given up by the signal, or by a mistake of ours; no process is left either way. */
export async function runDrill(options: DrillOptions): Promise<DrillReport> {
  const { definition, directory, onEvent } = options;
  const { name: drill, what, gapTargetMs } = definition;
  const head = { drill, what, ...(gapTargetMs !== undefined && { gapTargetMs }) };
  const skipped = await definition.unavailable?.();
  if (skipped !== undefined) return { ...head, rounds: [], failures: [], skipped };
  const means: Means = {
    supervisor: new Supervisor(),
    ...(definition.needsNetwork && { network: new Network() }),
    ...(definition.needsFrozenDisks && { disks: new FrozenDisks(directory) }),
  };
  let report: DrillReport = { ...head, rounds: [], failures: [] };
  try {
    report = { ...report, ...(await inCluster(options, means)) };
  } finally {
    await endAll(means);
    if (verdictOf(report) === 'passed') await rm(directory, { recursive: true, force: true });
    else onEvent(`what the nodes had is left in ${directory}`);
  }
  return report;
}

/** What a cluster is made with, and has to be ended after it. */
type Means = Pick<DrillClusterOptions, 'supervisor' | 'network' | 'disks'>;

/** A process that writes to a frozen disk cannot be killed; a disk that is used cannot be taken away. */
async function endAll({ supervisor, network, disks }: Means): Promise<void> {
  await disks?.thawAll();
  await supervisor.endAll();
  await disks?.close();
  await network?.close();
}

async function inCluster(
  options: DrillOptions,
  means: Means,
): Promise<Pick<DrillReport, 'rounds' | 'failures' | 'members'>> {
  const { host, signal, onEvent, reportDirectory, definition } = options;
  const logDirectory = join(reportDirectory, definition.name, 'logs');
  const rounds: RoundReport[] = [];
  try {
    onEvent(`${definition.name}: a cluster of ${options.nodes} nodes starts`);
    const cluster = await DrillCluster.start({ ...options, ...means, logDirectory }, signal);
    const replicas = Math.min(options.nodes, replicasMax);
    await cluster.api.createVolume({ name: volume, sizeBytes, replicas, minInSync: Math.min(2, replicas) });
    for (let round = 1; round <= options.rounds; round += 1) {
      rounds.push(await oneRound(options, cluster, round));
      // It never came back: what follows would only say so again.
      if (rounds.at(-1)?.inSyncAfterMs === undefined) return { rounds, failures: [] };
    }
    await whole({ cluster, volume, signal });
    const last = await cluster.api.volume(volume);
    await cluster.stopAll();
    const members = await compareMembers(host, last, (name) => cluster.node(name));
    return { rounds, members, failures: members.equal ? [] : [members.text] };
  } catch (error) {
    if (signal.aborted || !(error instanceof DomainError)) throw error;
    return { rounds, failures: [messageOf(error)] };
  }
}

async function oneRound(options: DrillOptions, cluster: DrillCluster, round: number): Promise<RoundReport> {
  const { definition, onEvent, reportDirectory, rounds, host, seconds, signal } = options;
  const { name } = definition;
  const prefix = `${name} ${round}/${rounds}: `;
  const report = await runRound({
    ...{ definition, cluster, host, volume, round, seconds, signal },
    onEvent: (text) => onEvent(prefix + text),
    keep: async (lines) => {
      const path = `${name}/round-${round}.jsonl`;
      await writeHistory(reportDirectory, path, lines);
      return path;
    },
  });
  const { longestGapMs, errors, failures } = report;
  const verdict = failures.length === 0 ? 'passed' : `FAILED: ${failures.join('; ')}`;
  onEvent(`${prefix}longest gap ${Math.round(longestGapMs)} ms, errors ${errors}, ${verdict}`);
  return report;
}
