// What is told of each volume. Names and units by the conventions of Prometheus;
// docs/operations/monitoring.md says what they mean, and a test that it says it of all.
import {
  type IoKind,
  ioKinds,
  type LatencyHistogram,
  latencyBoundsUs,
  statusTypes,
} from '../base/io-latency.js';
import { type QosWords, weightDefault } from '../base/qos.js';
import type { VolumeStats } from '../native/types.js';
import { type Family, formatLabels, formatValue, type MetricType } from './exposition.js';
import type { MeasuredVolume } from './sources.js';

export interface VolumeSample {
  readonly volume: MeasuredVolume;
  /** Absent: it is not served. */
  readonly stats: VolumeStats | undefined;
  readonly node: string;
  /** With its snapshots. Absent: it is not counted. */
  readonly allocatedBytes: bigint | undefined;
  /** `volume` and `node`, as text. */
  readonly labels: string;
}

export function volumeSample(
  volume: MeasuredVolume,
  stats: VolumeStats | undefined,
  node: string,
  allocatedBytes?: bigint,
): VolumeSample {
  return { volume, stats, node, allocatedBytes, labels: formatLabels({ volume: volume.name, node }) };
}

const own = ['volume', 'node'];

function ofVolume(
  name: string,
  help: string,
  value: (volume: MeasuredVolume) => number | bigint,
): Family<VolumeSample> {
  const lines = ({ volume, labels }: VolumeSample, as: string) =>
    `${as}{${labels}} ${formatValue(value(volume))}\n`;
  return { name, help, type: 'gauge', labels: own, lines };
}

/** 0 and absent are none: such a series would look like a limit that lets nothing through. */
function ofLimits(
  name: string,
  help: string,
  limits: Readonly<Record<'all' | 'read' | 'write', (qos: QosWords) => number | undefined>>,
): Family<VolumeSample> {
  const lines = ({ volume: { qos }, labels }: VolumeSample, as: string) => {
    if (qos === undefined) return '';
    let text = '';
    for (const [op, limit] of Object.entries(limits)) {
      const value = limit(qos) ?? 0;
      if (value > 0) text += `${as}{${labels},op="${op}"} ${formatValue(value)}\n`;
    }
    return text;
  };
  return { name, help, type: 'gauge', labels: [...own, 'op'], lines };
}

const bytesOf = (mib = 0) => mib * (1 << 20);

function ofStats(
  name: string,
  help: string,
  type: MetricType,
  value: (stats: VolumeStats) => number | bigint,
): Family<VolumeSample> {
  const lines = ({ stats, labels }: VolumeSample, as: string) =>
    stats === undefined ? '' : `${as}{${labels}} ${formatValue(value(stats))}\n`;
  return { name, help, type, labels: own, lines };
}

export const volumeFamilies: readonly Family<VolumeSample>[] = [
  {
    name: 'ballast_volume_info',
    help: 'What a volume is; always 1.',
    type: 'gauge',
    labels: [...own, 'uuid', 'kind', 'pool', 'nqn', 'nsid'],
    lines: ({ volume: { uuid, kind, pool = '', nqn, nsid }, labels }, name) =>
      `${name}{${labels},${formatLabels({ uuid, kind, pool, nqn, nsid })}} 1\n`,
  },
  {
    name: 'ballast_volume_pod_info',
    help: 'A pod that uses a volume, by the node that published it; always 1.',
    type: 'gauge',
    labels: ['volume', 'namespace', 'pod', 'claim', 'node'],
    lines: ({ volume: { name: volume, pods } }, name) =>
      pods
        .map(({ namespace, name: pod, claim = '', node }) => {
          return `${name}{${formatLabels({ volume, namespace, pod, claim, node })}} 1\n`;
        })
        .join(''),
  },
  ofVolume('ballast_volume_size_bytes', 'Size of a volume.', ({ sizeBytes }) => sizeBytes),
  {
    name: 'ballast_volume_allocated_bytes',
    help: 'Room of its pool that a volume and its snapshots take.',
    type: 'gauge',
    labels: own,
    lines: ({ allocatedBytes, labels }, name) =>
      allocatedBytes === undefined ? '' : `${name}{${labels}} ${allocatedBytes}\n`,
  },
  ofVolume('ballast_volume_serving', '1 while hosts can use a volume, else 0.', ({ serving }) =>
    serving ? 1 : 0,
  ),
  ofStats('ballast_volume_reads_completed_total', 'Reads, Compares, Verifies.', 'counter', (of) => of.reads),
  ofStats(
    'ballast_volume_writes_completed_total',
    'Writes, Copies, Write Zeroes.',
    'counter',
    (of) => of.writes,
  ),
  ofStats('ballast_volume_read_bytes_total', 'Bytes that were read.', 'counter', (of) => of.readBytes),
  ofStats('ballast_volume_written_bytes_total', 'Bytes that were written.', 'counter', (of) => of.writeBytes),
  ofStats(
    'ballast_volume_device_errors_total',
    'Commands that the device below a volume failed.',
    'counter',
    (of) => of.errors,
  ),
  {
    name: 'ballast_volume_errors_total',
    help: 'Commands that were answered with an error, by the type of its NVMe status.',
    type: 'counter',
    labels: [...own, 'type'],
    lines: ({ stats, labels }, name) =>
      stats === undefined
        ? ''
        : statusTypes.map((type) => `${name}{${labels},type="${type}"} ${stats.errorTypes[type]}\n`).join(''),
  },
  ofStats(
    'ballast_volume_in_flight',
    'Commands that have arrived and are not answered.',
    'gauge',
    (of) => of.inFlight,
  ),
  ofLimits('ballast_volume_qos_limit_iops', 'Limits of I/Os a second, of those that there are.', {
    all: ({ iops }) => iops,
    read: ({ readIops }) => readIops,
    write: ({ writeIops }) => writeIops,
  }),
  ofLimits(
    'ballast_volume_qos_limit_bytes_per_second',
    'Limits of bytes a second, of those that there are.',
    {
      all: ({ throughput }) => bytesOf(throughput),
      read: ({ readThroughput }) => bytesOf(readThroughput),
      write: ({ writeThroughput }) => bytesOf(writeThroughput),
    },
  ),
  ofVolume(
    'ballast_volume_qos_guaranteed_iops',
    'What is guaranteed to a volume; 0: nothing.',
    ({ qos }) => qos?.minIops ?? 0,
  ),
  ofVolume(
    'ballast_volume_qos_weight',
    'Its part of what no guarantee takes, against others.',
    ({ qos }) => qos?.weight || weightDefault,
  ),
  ofStats(
    'ballast_volume_throttled_ios_total',
    'I/Os that waited for a limit, or for the budget of the node.',
    'counter',
    ({ qos }) => qos.throttledIos,
  ),
  ofStats(
    'ballast_volume_throttled_seconds_total',
    'How long they waited, together.',
    'counter',
    ({ qos }) => Number(qos.throttledNs) / 1e9,
  ),
  ofStats('ballast_volume_throttled_waiting', 'I/Os that wait now.', 'gauge', ({ qos }) => qos.waitingIos),
  ofStats(
    'ballast_volume_guarantee_seconds_total',
    'Seconds of waiting for the budget while the volume had a guarantee.',
    'counter',
    ({ qos }) => qos.guaranteeSeconds,
  ),
  ofStats(
    'ballast_volume_guarantee_kept_seconds_total',
    'Of these, seconds in which the volume got at least 99 % of its guarantee.',
    'counter',
    ({ qos }) => qos.guaranteeKeptSeconds,
  ),
  ofStats(
    'ballast_volume_guarantee_kept_ratio',
    'The part of such seconds in which it got it, since it is served; 1 when there were none.',
    'gauge',
    ({ qos }) => (qos.guaranteeSeconds === 0 ? 1 : qos.guaranteeKeptSeconds / qos.guaranteeSeconds),
  ),
  {
    name: 'ballast_volume_io_duration_seconds',
    help: 'From the receipt of a command to its answer; of kinds that there were.',
    type: 'histogram',
    labels: [...own, 'op'],
    lines: ({ stats, labels }, name) =>
      stats?.latency === undefined
        ? ''
        : ioKinds.map((op) => histogramLines(name, labels, op, stats.latency?.[op])).join(''),
  },
];

const bounds = latencyBoundsUs.map((us) => String(us / 1e6));

function histogramLines(
  name: string,
  labels: string,
  op: IoKind,
  histogram: LatencyHistogram | undefined,
): string {
  if (histogram === undefined) return '';
  const { counts, sumSeconds } = histogram;
  const all = `${labels},op="${op}"`;
  let seen = 0;
  let text = '';
  for (const [index, count] of counts.entries()) {
    seen += count;
    text += `${name}_bucket{${all},le="${bounds[index] ?? '+Inf'}"} ${seen}\n`;
  }
  if (seen === 0) return '';
  return `${text}${name}_sum{${all}} ${sumSeconds}\n${name}_count{${all}} ${seen}\n`;
}
