// Volumes and snapshots as people read them.
import { formatSize } from '../../base/sizes.js';
import { type SnapshotBody, toBytes, type VolumeBody } from '../../client/api-client.js';
import type { ClusterVolumeBody } from '../../client/cluster-client.js';
import { renderClusterVolume, renderClusterVolumes } from '../cluster/render.js';
import type { CliContext } from '../engine-port.js';
import { type OutputFormat, printResult } from '../output.js';
import { qosText, throttledText } from '../qos/render.js';
import { type Column, renderFields, renderTable } from '../table.js';

const volumeColumns: readonly Column<VolumeBody>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'pool', value: ({ pool, kind }) => pool ?? `(${kind})` },
  { title: 'size', value: ({ sizeBytes }) => formatSize(toBytes(sizeBytes)), align: 'right' },
  {
    title: 'allocated',
    value: ({ allocatedBytes }) => (allocatedBytes === undefined ? '-' : formatSize(toBytes(allocatedBytes))),
    align: 'right',
  },
  { title: 'state', value: ({ state }) => state },
  { title: 'nqn', value: ({ nqn }) => nqn },
];

const snapshotColumns: readonly Column<SnapshotBody>[] = [
  { title: 'snapshot', value: ({ volume, name }) => `${volume}/${name}` },
  { title: 'size', value: ({ sizeBytes }) => formatSize(toBytes(sizeBytes)), align: 'right' },
  { title: 'created', value: ({ created }) => created },
  { title: 'uuid', value: ({ uuid }) => uuid },
];

/** Of a cluster. */
const replicatedColumns: readonly Column<SnapshotBody>[] = [
  ...snapshotColumns.slice(0, -1),
  { title: 'state', value: ({ state = '' }) => state },
  { title: 'nodes', value: ({ nodes = [] }) => nodes.join(' ') },
  ...snapshotColumns.slice(-1),
];

export function renderVolumes(volumes: readonly VolumeBody[], color: boolean): string {
  const ofCluster = volumes.filter(isOfCluster);
  if (ofCluster.length > 0) return renderClusterVolumes(ofCluster, color);
  return renderTable(volumeColumns, volumes, color);
}

export function renderSnapshots(snapshots: readonly SnapshotBody[], color: boolean): string {
  const isOfCluster = snapshots.some(({ nodes }) => nodes !== undefined);
  return renderTable(isOfCluster ? replicatedColumns : snapshotColumns, snapshots, color);
}

/** What a controller says in place of a daemon. */
function isOfCluster(volume: VolumeBody | ClusterVolumeBody): volume is ClusterVolumeBody & VolumeBody {
  return volume.kind === 'cluster';
}

export function renderVolume(volume: VolumeBody, color: boolean): string {
  if (isOfCluster(volume)) return renderClusterVolume(volume, color);
  const { kind, pool, counters, thick, originUuid, cloneOf, hosts, created, encrypted, keyId } = volume;
  const { allocatedBytes } = volume;
  const fields: (readonly [string, string])[] = [
    ['volume', volume.name],
    ['kind', kind],
    ...(pool === undefined ? [] : [['pool', pool] as const]),
    ['state', volume.error === undefined ? volume.state : `${volume.state}: ${volume.error}`],
    ['size', formatSize(toBytes(volume.sizeBytes))],
    ...(allocatedBytes === undefined
      ? []
      : [['allocated', `${formatSize(toBytes(allocatedBytes))}, with its snapshots`] as const]),
    ['blocks', `${volume.blockSizeBytes} bytes`],
    ['nqn', volume.nqn],
    ['namespace', String(volume.nsid)],
    ['uuid', volume.uuid],
    ['durable', volume.durable ? 'yes' : 'no'],
  ];
  if (thick !== undefined) fields.push(['provisioning', thick ? 'thick' : 'thin']);
  if (originUuid !== undefined) fields.push(['clone of', originUuid]);
  if (cloneOf !== undefined) fields.push(['clone of volume', cloneOf]);
  if (hosts !== undefined) fields.push(['hosts', hostsText(hosts)]);
  if (created !== undefined) fields.push(['created', created]);
  if (encrypted) fields.push(['encrypted', keyId === undefined ? 'key discarded' : `by key ${keyId}`]);
  fields.push(['reads', `${counters.reads}, ${formatSize(toBytes(counters.readBytes))}`]);
  fields.push(['writes', `${counters.writes}, ${formatSize(toBytes(counters.writeBytes))}`]);
  const { qos, qosCounters } = volume;
  if (qos !== undefined) fields.push(['limits', qosText(qos)]);
  if (qosCounters !== undefined) fields.push(['throttled', throttledText(qosCounters)]);
  fields.push(['errors', String(counters.errors)]);
  return renderFields(fields, color);
}

function hostsText(hosts: NonNullable<VolumeBody['hosts']>): string {
  if (hosts.length === 0) return 'none may use it';
  return hosts.map(({ nqn, exclusive }) => (exclusive ? `${nqn} (exclusively)` : nqn)).join(', ');
}

export function printVolume(context: CliContext, output: OutputFormat, volume: VolumeBody): Promise<void> {
  return printResult(context, output, volume, (color) => renderVolume(volume, color));
}
