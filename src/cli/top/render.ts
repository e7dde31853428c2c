// Rows of `ballast top` as people read them, and the orders that they can be in.
import { type Column, renderTable } from '../table.js';
import type { PodRow, Rates, VolumeRow } from './rates.js';

export const sortKeys = [
  'iops',
  'read',
  'write',
  'throughput',
  'latency',
  'depth',
  'throttled',
  'name',
] as const;
export type SortKey = (typeof sortKeys)[number];

type Named = Rates & ({ readonly volume: string } | { readonly namespace: string; readonly pod: string });

const weights: Readonly<Record<Exclude<SortKey, 'name'>, (row: Rates) => number>> = {
  iops: ({ readIops, writeIops }) => readIops + writeIops,
  read: ({ readIops }) => readIops,
  write: ({ writeIops }) => writeIops,
  throughput: ({ readBytesPerSecond, writeBytesPerSecond }) => readBytesPerSecond + writeBytesPerSecond,
  latency: ({ p99Us }) => p99Us ?? 0,
  depth: ({ queueDepth }) => queueDepth,
  throttled: ({ throttledPercent }) => throttledPercent,
};

/** The busiest first; equal ones by name. */
export function sortRows<Row extends Named>(rows: readonly Row[], key: SortKey): readonly Row[] {
  const byName = (a: Row, b: Row) => nameOf(a).localeCompare(nameOf(b));
  if (key === 'name') return [...rows].sort(byName);
  const weight = weights[key];
  return [...rows].sort((a, b) => weight(b) - weight(a) || byName(a, b));
}

function nameOf(row: Named): string {
  return 'volume' in row ? row.volume : `${row.namespace}/${row.pod}`;
}

const rate = (value: number) => (value < 10 && value > 0 ? value.toFixed(1) : String(Math.round(value)));
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
const time = (us: number | null) => {
  if (us === null) return '-';
  return us < 1000 ? `${us.toFixed(0)} us` : `${(us / 1000).toFixed(us < 100_000 ? 1 : 0)} ms`;
};

const rateColumns: readonly Column<Rates>[] = [
  { title: 'r/s', value: ({ readIops }) => rate(readIops), align: 'right' },
  { title: 'w/s', value: ({ writeIops }) => rate(writeIops), align: 'right' },
  { title: 'rMiB/s', value: ({ readBytesPerSecond }) => mib(readBytesPerSecond), align: 'right' },
  { title: 'wMiB/s', value: ({ writeBytesPerSecond }) => mib(writeBytesPerSecond), align: 'right' },
  { title: 'mean', value: ({ meanUs }) => time(meanUs), align: 'right' },
  { title: 'p50', value: ({ p50Us }) => time(p50Us), align: 'right' },
  { title: 'p99', value: ({ p99Us }) => time(p99Us), align: 'right' },
  { title: 'qd', value: ({ queueDepth }) => queueDepth.toFixed(1), align: 'right' },
  { title: 'throttled', value: ({ throttledPercent }) => `${throttledPercent.toFixed(0)} %`, align: 'right' },
];

const volumeColumns: readonly Column<VolumeRow>[] = [
  { title: 'volume', value: ({ volume, serving }) => (serving ? volume : `${volume} (not served)`) },
  { title: 'pool', value: ({ pool }) => pool ?? '-' },
  ...rateColumns,
];

const podColumns: readonly Column<PodRow>[] = [
  { title: 'namespace', value: ({ namespace }) => namespace },
  { title: 'pod', value: ({ pod }) => pod },
  { title: 'claim', value: ({ claims }) => claims.join(',') || '-' },
  { title: 'node', value: ({ node }) => node },
  ...rateColumns,
];

export function renderVolumeRows(rows: readonly VolumeRow[], color: boolean): string {
  return renderTable(volumeColumns, rows, color);
}

export function renderPodRows(rows: readonly PodRow[], color: boolean): string {
  return renderTable(podColumns, rows, color);
}
