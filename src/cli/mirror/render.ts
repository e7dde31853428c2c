// A mirrored volume as people read it.
import { formatSize } from '../../base/sizes.js';
import { type MirrorBody, type MirrorSnapshotBody, toBytes } from '../../client/api-client.js';
import { type Column, renderFields, renderTable } from '../table.js';

const size = (value: number | string) => formatSize(toBytes(value));

export const mirrorColumns: readonly Column<MirrorBody>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'size', value: ({ sizeBytes }) => size(sizeBytes), align: 'right' },
  { title: 'state', value: stateText },
  { title: 'in sync', value: ({ inSync, members }) => `${inSync} of ${members.length}`, align: 'right' },
  { title: 'epoch', value: ({ epoch }) => String(epoch), align: 'right' },
];

type Member = MirrorBody['members'][number];
const memberColumns: readonly Column<Member>[] = [
  { title: 'member', value: ({ uuid }) => uuid },
  { title: 'where', value: ({ place }) => place },
  { title: 'state', value: ({ state }) => state.replaceAll('_', ' ') },
  { title: 'in sync', value: ({ inSync }) => (inSync ? 'yes' : 'no') },
  { title: 'copied', value: resyncText },
  { title: 'why', value: ({ reason }) => reason ?? '-' },
];

function stateText({ state, activity }: MirrorBody): string {
  return activity === state || activity === '' ? state : `${state}, ${activity}`;
}

function resyncText({ resync }: Member): string {
  return resync === undefined ? '-' : `${size(resync.doneBytes)} of ${size(resync.totalBytes)}`;
}

type Verify = NonNullable<MirrorBody['verify']>;
const differenceColumns: readonly Column<Verify['differences'][number]>[] = [
  { title: 'differs at', value: ({ offsetBytes }) => String(offsetBytes), align: 'right' },
  { title: 'bytes', value: ({ sizeBytes }) => String(sizeBytes), align: 'right' },
  { title: 'from most', value: ({ odd }) => (odd.length === 0 ? 'not known' : odd.join(', ')) },
];

function describeVerify({ state, doneBytes, totalBytes, differentBytes, unreadableBytes }: Verify): string {
  const far = `${state}, ${size(doneBytes)} of ${size(totalBytes)}`;
  const bad = toBytes(unreadableBytes) > 0n ? `, ${size(unreadableBytes)} not readable at a member` : '';
  return `${far}, ${toBytes(differentBytes) > 0n ? `${size(differentBytes)} differ` : 'no difference'}${bad}`;
}

export function renderVerify({ name, verify }: MirrorBody, color: boolean): string {
  if (verify === undefined) return `verify of ${name}: never since its head began\n`;
  const unable = verify.unable.map((uuid) => `member ${uuid} does not know how to be compared\n`);
  const table =
    verify.differences.length > 0 ? renderTable(differenceColumns, verify.differences, color) : '';
  return `verify of ${name}: ${describeVerify(verify)}\n${unable.join('')}${table}`;
}

const snapshotColumns: readonly Column<MirrorSnapshotBody>[] = [
  { title: 'snapshot', value: ({ name }) => name },
  { title: 'state', value: ({ state }) => state },
  { title: 'size', value: ({ sizeBytes }) => size(sizeBytes), align: 'right' },
  { title: 'created', value: ({ created }) => created },
  { title: 'members that have it', value: ({ members }) => members.join(', ') || '-' },
];
const carriedColumn: Column<MirrorSnapshotBody> = { title: 'carried', value: carryText };

function carryText({ carry, troubles = [] }: MirrorSnapshotBody): string {
  if (carry === undefined) return troubles.join('; ') || '-';
  return `${size(carry.doneBytes)} of ${size(carry.totalBytes)} to ${carry.to}`;
}

export function renderSnapshots(snapshots: readonly MirrorSnapshotBody[], color: boolean): string {
  const isCarried = snapshots.some(({ carry, troubles }) => carry !== undefined || troubles !== undefined);
  return renderTable(isCarried ? [...snapshotColumns, carriedColumn] : snapshotColumns, snapshots, color);
}

function rateText({ resyncBytesPerSecond: rate }: MirrorBody): string {
  return rate === undefined ? 'auto' : `${size(rate)}/s`;
}

export function renderMirror(mirror: MirrorBody, color: boolean): string {
  const { name, uuid, nqn, sizeBytes, blockSizeBytes, epoch, head, minInSync, inSync, members } = mirror;
  const fields: (readonly [string, string])[] = [
    ['mirror', name],
    ['uuid', uuid],
    ['nqn', nqn],
    ['size', `${size(sizeBytes)}, ${blockSizeBytes}-byte blocks`],
    ['state', stateText(mirror)],
    ['in sync', `${inSync} of ${members.length}, writes need ${minInSync}`],
    ['epoch', head === undefined ? String(epoch) : `${epoch}, head ${head}`],
    ['unreconciled', `${mirror.unreconciledRegions} regions of 1 MiB`],
    ['marked', `${mirror.markedRegions} regions of 1 MiB`],
    ['resync rate', rateText(mirror)],
    ['verified', mirror.verify === undefined ? 'never since its head began' : describeVerify(mirror.verify)],
  ];
  const { snapshots } = mirror;
  const taken = snapshots.length > 0 ? `\n${renderSnapshots(snapshots, color)}` : '';
  return `${renderFields(fields, color)}\n${renderTable(memberColumns, members, color)}${taken}`;
}
