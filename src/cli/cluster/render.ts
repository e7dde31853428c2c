// Nodes, volumes and the state of a cluster as people read them.
import { formatTcp } from '../../base/address.js';
import { formatSize } from '../../base/sizes.js';
import { toBytes } from '../../client/api-client.js';
import type {
  ClusterNodeBody,
  ClusterRebuildBody,
  ClusterStatusBody,
  ClusterVolumeBody,
  ExplanationBody,
} from '../../client/cluster-client.js';
import { qosText } from '../qos/render.js';
import { type Column, renderFields, renderTable } from '../table.js';

const nodeColumns: readonly Column<ClusterNodeBody>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'state', value: ({ state, up }) => (up ? state : `${state}, away`) },
  { title: 'zone', value: ({ zone }) => zone ?? '-' },
  { title: 'heads', value: ({ heads }) => String(heads), align: 'right' },
  { title: 'replicas', value: ({ replicas }) => String(replicas), align: 'right' },
  { title: 'free', value: ({ pools }) => freeText(pools), align: 'right' },
  { title: 'address', value: ({ addresses }) => formatTcp(addresses.nvme) },
  { title: 'version', value: ({ version }) => version ?? '-' },
];

export function renderNodes(nodes: readonly ClusterNodeBody[], color: boolean): string {
  return renderTable(nodeColumns, nodes, color);
}

export function renderNode(node: ClusterNodeBody, color: boolean): string {
  const { pools, labels, zone, version, started } = node;
  return renderFields(
    [
      ['node', node.name],
      ['id', node.id],
      ['state', node.up ? node.state : `${node.state}; it does not answer`],
      ...(zone === undefined ? [] : [['zone', zone] as const]),
      [
        'labels',
        Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(', ') || '-',
      ],
      ['address', formatTcp(node.addresses.nvme)],
      ['heads', String(node.heads)],
      ['replicas', String(node.replicas)],
      ...pools.map(
        (pool) =>
          [
            `pool ${pool.name}`,
            pool.error ??
              `${formatSize(toBytes(pool.freeBytes))} of ${formatSize(toBytes(pool.capacityBytes))} free`,
          ] as const,
      ),
      ['joined', node.joined],
      ...(started === undefined ? [] : [['started', started] as const]),
      ...(version === undefined ? [] : [['version', version] as const]),
    ],
    color,
  );
}

const volumeColumns: readonly Column<ClusterVolumeBody>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'size', value: ({ sizeBytes }) => formatSize(toBytes(sizeBytes)), align: 'right' },
  { title: 'health', value: ({ health }) => health },
  {
    title: 'in sync',
    value: ({ replicas, replicasWanted }) =>
      `${replicas.filter(({ inSync }) => inSync).length}/${replicasWanted}`,
  },
  { title: 'head', value: ({ head }) => head ?? '-' },
  { title: 'nqn', value: ({ nqn }) => nqn },
];

export function renderClusterVolumes(volumes: readonly ClusterVolumeBody[], color: boolean): string {
  return renderTable(volumeColumns, volumes, color);
}

/** Its fields, and its replicas as a tree. */
export function renderClusterVolume(volume: ClusterVolumeBody, color: boolean): string {
  const { head, wantedHead, hosts, qos, waitingFor, addresses, nqn } = volume;
  const moving = wantedHead !== undefined && wantedHead !== head;
  const inSync = volume.replicas.filter((replica) => replica.inSync).length;
  const fields = renderFields(
    [
      ['volume', volume.name],
      ['health', volume.health],
      ...(waitingFor === undefined ? [] : [['waits for', waitingFor] as const]),
      ['size', sizeText(volume)],
      ['blocks', `${volume.blockSizeBytes} bytes`],
      ['uuid', volume.uuid],
      ['provisioning', volume.thick ? 'thick' : 'thin'],
      ['head', `${head ?? 'none'}${moving ? `, to go to ${wantedHead}` : ''}, epoch ${volume.epoch}`],
      ['in sync', `${inSync} of ${volume.replicasWanted}, writes need ${volume.minInSync}`],
      ...(hosts === undefined ? [] : [['hosts', hosts.join(', ') || 'none may use it'] as const]),
      ...(qos === undefined ? [] : [['limits', qosText(qos)] as const]),
      ['address', `tcp://${addresses.map(({ host, port }) => `${host}:${port}`).join(',')}/${nqn}`],
    ],
    color,
  );
  return `${fields}${renderReplicas(volume)}`;
}

function sizeText({ sizeBytes, wantedSizeBytes }: ClusterVolumeBody): string {
  const has = formatSize(toBytes(sizeBytes));
  return wantedSizeBytes === undefined ? has : `${has}, to become ${formatSize(toBytes(wantedSizeBytes))}`;
}

function renderReplicas({ replicas, head }: ClusterVolumeBody): string {
  const lines = replicas.map((replica, index) => {
    const branch = index === replicas.length - 1 ? '└─' : '├─';
    const role = replica.node === head ? ' (head)' : '';
    const why = replica.error === undefined ? '' : `: ${replica.error}`;
    return `${branch} ${replica.node}/${replica.pool}${role}  ${replica.state}${percent(replica)}${why}\n`;
  });
  return lines.join('');
}

type Replica = ClusterVolumeBody['replicas'][number];

function percent({ resync }: Replica): string {
  return resync === undefined ? '' : `, ${resyncPercent(resync)} % copied`;
}

function resyncPercent({ doneBytes, totalBytes }: NonNullable<Replica['resync']>): number {
  const total = toBytes(totalBytes);
  return total === 0n ? 100 : Number((toBytes(doneBytes) * 100n) / total);
}

export function renderExplanation({ health, reasons, waitingFor, safe, unsafe }: ExplanationBody): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? '' : `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`;
  return [
    `${health}\n`,
    section('what is so', reasons),
    section('what is waited for', waitingFor === undefined ? [] : [waitingFor]),
    section('safe', safe),
    section('not safe', unsafe),
  ].join('');
}

export function renderStatus(
  { health, leader, nodes, volumes, checks }: ClusterStatusBody,
  color: boolean,
): string {
  const fields = renderFields(
    [
      ['cluster', health],
      ['leader', leader ?? 'none'],
      ['nodes', `${nodes.up} of ${nodes.total} up`],
      ['volumes', `${volumes.healthy} of ${volumes.total} healthy`],
    ],
    color,
  );
  const lines = checks.map(({ code, level, text, remedy }) => `${level} ${code}: ${text}\n  ${remedy}\n`);
  return `${fields}${lines.join('')}`;
}

export function renderRebuild(plan: ClusterRebuildBody, color: boolean): string {
  const { done, refusals, reported, silent, rebuilt, refused, gone } = plan;
  const fields = renderFields(
    [
      ['state', done ? 'done: nodes go on by this store' : 'nothing was changed; --yes does this'],
      ['nodes', reported.join(', ') || 'none has said what it has'],
      ...(silent.length === 0 ? [] : [['silent', `${silent.join(', ')}: start, or --without`] as const]),
      ...refusals.map(({ kind, name, reason }) => ['refused by', `${kind} ${name}: ${reason}`] as const),
    ],
    color,
  );
  const stale = (nodes: readonly string[]) => (nodes.length === 0 ? '' : `, copied to ${nodes.join(', ')}`);
  const lines = [
    ...rebuilt.map((one) => `${one.name}: in sync on ${one.inSync.join(', ')}${stale(one.stale)}\n`),
    ...refused.map(({ name, uuid, reason }) => `${name ?? uuid}: left out: ${reason}\n`),
    ...gone.map((name) => `${name}: on no disk, its record goes\n`),
  ];
  return `${fields}${lines.join('')}`;
}

type Event = ClusterStatusBody['events'][number];

const eventColumns: readonly Column<Event>[] = [
  { title: 'at', value: ({ at }) => at },
  { title: 'level', value: ({ level }) => level },
  { title: 'what', value: ({ subject, name }) => `${subject} ${name}`.trim() },
  { title: 'reason', value: ({ reason }) => reason },
  { title: 'text', value: ({ text }) => text },
];

export function renderEvents(events: readonly Event[], color: boolean): string {
  return renderTable(eventColumns, events, color);
}

function freeText(pools: ClusterNodeBody['pools']): string {
  if (pools.length === 0) return '-';
  return formatSize(pools.reduce((sum, { freeBytes }) => sum + toBytes(freeBytes), 0n));
}
