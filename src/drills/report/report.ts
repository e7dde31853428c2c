// What is known after a run of drills: plain data, which is the JSON report, and which the page shows.
import type { LoadResult } from '../load.js';
import type { Series } from './series.js';
import { percentile } from './series.js';
import type { TimelineEvent } from './timeline.js';

export interface RoundReport extends Omit<LoadResult, 'history'> {
  readonly round: number;
  /** The slowest I/O that ended well. */
  readonly longestIoMs: number;
  /** From the healing of the fault until all replicas were in sync. Absent: they never were. */
  readonly inSyncAfterMs?: number;
  /** Copied to replicas that came back, as far as was seen. Absent: nothing was seen of it. */
  readonly resyncedBytes?: number;
  /** Blocks that were no linearizable register: a write was lost, or an old value read. */
  readonly blocksViolated: number;
  /** All operations, as JSON lines: a path below that of the report. */
  readonly history: string;
  readonly timeline: readonly TimelineEvent[];
  readonly series: Series;
  /** Why it failed, a line each; empty: passed. */
  readonly failures: readonly string[];
}

export interface DrillReport {
  readonly drill: string;
  /** What is done, and what that proves. */
  readonly what: string;
  /** What is promised of the longest gap; absent: nothing, for the fault takes the volume away. */
  readonly gapTargetMs?: number;
  readonly rounds: readonly RoundReport[];
  /** Of all members at the end: are they equal, byte for byte? Absent: it did not come to that. */
  readonly members?: { readonly equal: boolean; readonly bytes: number; readonly text: string };
  /** Beside those of rounds. */
  readonly failures: readonly string[];
  /** It cannot be done on this machine: why. */
  readonly skipped?: string;
}

export interface RunReport {
  readonly version: string;
  readonly startedAt: string;
  readonly nodes: number;
  readonly store: string;
  readonly drills: readonly DrillReport[];
}

export type Verdict = 'passed' | 'failed' | 'skipped';

export function verdictOf({ failures, rounds, skipped }: DrillReport): Verdict {
  if (skipped !== undefined) return 'skipped';
  return failures.length > 0 || rounds.some((round) => round.failures.length > 0) ? 'failed' : 'passed';
}

/** One line for each thing that failed. */
export function failuresOf({ drill, failures, rounds }: DrillReport): readonly string[] {
  const ofRounds = rounds.flatMap((one) => one.failures.map((text) => `round ${one.round}: ${text}`));
  return [...failures, ...ofRounds].map((text) => `${drill}: ${text}`);
}

export interface GapSummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Of the longest gaps of all rounds. Undefined: there was none. */
export function gapsOf({ rounds }: Pick<DrillReport, 'rounds'>): GapSummary | undefined {
  const sorted = rounds.map(({ longestGapMs }) => longestGapMs).sort((a, b) => a - b);
  const [p50Ms, p99Ms, maxMs] = [50, 99, 100].map((percent) => percentile(sorted, percent));
  if (p50Ms == null || p99Ms == null || maxMs == null) return undefined;
  return { p50Ms, p99Ms, maxMs };
}

/** In all rounds. Undefined: nothing was seen of it. */
export function resyncedBytesOf({ rounds }: Pick<DrillReport, 'rounds'>): number | undefined {
  const seen = rounds.flatMap(({ resyncedBytes }) => resyncedBytes ?? []);
  return seen.length === 0 ? undefined : seen.reduce((sum, bytes) => sum + bytes, 0);
}

/** As a file: verdicts and summaries beside what they are made of. */
export function reportJson(report: RunReport): string {
  const drills = report.drills.map((one) => ({ ...one, verdict: verdictOf(one), gaps: gapsOf(one) }));
  return `${JSON.stringify({ ...report, drills }, undefined, 1)}\n`;
}
