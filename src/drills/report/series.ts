// What a history looks like over time, for people: I/Os of each tenth of a second and how long they took.
import type { Operation } from '../history.js';

/** Of all windows, one number each; an I/O is in the window in which it ended. */
export interface Series {
  readonly windowMs: number;
  /** When each begins, in ms after the load. */
  readonly atMs: readonly number[];
  /** A second. */
  readonly readIops: readonly number[];
  readonly writeIops: readonly number[];
  /** In the window. */
  readonly errors: readonly number[];
  /** Of reads and writes that ended well; null where none did. */
  readonly p50Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
  readonly maxMs: readonly (number | null)[];
}

export const windowMs = 100;
const nsOfMs = 1e6;

interface Window {
  reads: number;
  writes: number;
  errors: number;
  readonly latenciesMs: number[];
}

/** `beginNs`: of the load. What ended before it is left out. */
export function seriesOf(operations: readonly Operation[], beginNs: bigint): Series {
  const windows: Window[] = [];
  for (const operation of operations) {
    if (operation.endNs === undefined || operation.endNs < beginNs) continue;
    count(windowAt(windows, Number(operation.endNs - beginNs) / nsOfMs), operation, operation.endNs);
  }
  const all = Array.from(windows, (window) => window ?? newWindow());
  for (const { latenciesMs } of all) latenciesMs.sort((a, b) => a - b);
  const iops = (operationsCount: number) => (operationsCount * 1000) / windowMs;
  return {
    windowMs,
    atMs: all.map((_, index) => index * windowMs),
    readIops: all.map(({ reads }) => iops(reads)),
    writeIops: all.map(({ writes }) => iops(writes)),
    errors: all.map(({ errors }) => errors),
    p50Ms: all.map(({ latenciesMs }) => percentile(latenciesMs, 50)),
    p99Ms: all.map(({ latenciesMs }) => percentile(latenciesMs, 99)),
    maxMs: all.map(({ latenciesMs }) => percentile(latenciesMs, 100)),
  };
}

/** Of numbers that are sorted, rounded to thousandths: the nearest rank. Null: there are none. */
export function percentile(sorted: readonly number[], percent: number): number | null {
  const rank = Math.max(1, Math.ceil((sorted.length * percent) / 100));
  const found = sorted[rank - 1];
  return found === undefined ? null : Math.round(found * 1000) / 1000;
}

/** Of I/O that ended well, how long the slowest took. */
export function longestIoMs(operations: readonly Operation[]): number {
  let longestNs = 0n;
  for (const { startNs, endNs, outcome } of operations) {
    if (outcome !== 'ok' || endNs === undefined) continue;
    if (endNs - startNs > longestNs) longestNs = endNs - startNs;
  }
  return Number(longestNs) / nsOfMs;
}

function newWindow(): Window {
  return { reads: 0, writes: 0, errors: 0, latenciesMs: [] };
}

function windowAt(windows: Window[], ms: number): Window {
  const index = Math.floor(ms / windowMs);
  const window = windows[index] ?? newWindow();
  windows[index] = window;
  return window;
}

function count(window: Window, { kind, outcome, startNs }: Operation, endNs: bigint): void {
  if (outcome !== 'ok') {
    window.errors += 1;
    return;
  }
  if (kind === 'read') window.reads += 1;
  else window.writes += 1;
  window.latenciesMs.push(Number(endNs - startNs) / nsOfMs);
}
