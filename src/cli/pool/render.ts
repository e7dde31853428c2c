// A pool as people read it.
import { formatSize } from '../../base/sizes.js';
import { type PoolBody, toBytes } from '../../client/api-client.js';
import { type Column, renderFields, renderTable } from '../table.js';

const size = (value: number | string | undefined) => (value === undefined ? '-' : formatSize(toBytes(value)));

export const poolColumns: readonly Column<PoolBody>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'state', value: ({ state }) => state },
  { title: 'size', value: ({ capacityBytes }) => size(capacityBytes), align: 'right' },
  { title: 'used', value: ({ usedBytes }) => size(usedBytes), align: 'right' },
  { title: 'free', value: ({ freeBytes }) => size(freeBytes), align: 'right' },
  { title: 'volumes', value: ({ volumes }) => String(volumes ?? '-'), align: 'right' },
  { title: 'devices', value: ({ paths }) => paths.join(',') },
];

type Device = NonNullable<PoolBody['devices']>[number];
const deviceColumns: readonly Column<Device>[] = [
  { title: 'device', value: ({ path }) => path },
  { title: 'size', value: ({ sizeBytes }) => size(sizeBytes), align: 'right' },
  { title: 'uuid', value: ({ uuid }) => uuid },
];

export function renderPool(pool: PoolBody, color: boolean): string {
  const fields: (readonly [string, string])[] = [
    ['pool', pool.name],
    ['uuid', pool.uuid],
    ['state', pool.error === undefined ? pool.state : `${pool.state}: ${pool.error}`],
  ];
  if (pool.capacityBytes !== undefined) {
    fields.push(
      ['size', describeSize(pool)],
      ['used', size(pool.usedBytes)],
      ['free', size(pool.freeBytes)],
      ['provisioned', `${size(pool.provisionedBytes)} in ${pool.volumes} volumes`],
      ['policy', describePolicy(pool)],
      ['metadata', `${size(pool.metadataUsedBytes)} of ${size(pool.metadataBytes)}`],
      ['extents', size(pool.extentBytes)],
      ['checksums', pool.checksums ? 'on' : 'off'],
      ['layers', `${pool.layers}${pool.working ? ', room is being freed' : ''}`],
      ['scrub', describeScrub(pool)],
    );
  }
  fields.push(...pool.problems.map((problem) => ['problem', problem] as const));
  const devices = pool.devices ?? pool.paths.map((path) => ({ path, uuid: '-', sizeBytes: 0 }));
  return `${renderFields(fields, color)}\n${renderTable(deviceColumns, devices, color)}`;
}

function describeSize({ capacityBytes, withoutMetadataBytes }: PoolBody): string {
  const without = withoutMetadataBytes ? toBytes(withoutMetadataBytes) : 0n;
  return without === 0n
    ? size(capacityBytes)
    : `${size(capacityBytes)}; ${formatSize(without)} more cannot be used, its metadata is for less`;
}

function describePolicy({ overcommitPercent, reservePercent }: PoolBody): string {
  const bound = overcommitPercent
    ? `volumes up to ${overcommitPercent} % of its size`
    : 'volumes of any size';
  return reservePercent ? `${bound}, ${reservePercent} % kept for those there are` : bound;
}

export function describeScrub({ scrub }: PoolBody): string {
  if (scrub === undefined || toBytes(scrub.totalBytes) === 0n) return 'never since it was opened';
  const far = `${size(scrub.doneBytes)} of ${size(scrub.totalBytes)}, ${scrub.errors} errors`;
  return scrub.running ? `running, ${far}` : far;
}
