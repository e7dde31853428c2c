// What is told of mirrored volumes: few, so prom-client makes it with the rest of the node's.
import type { MirrorVerify, MirrorView } from '../mirrors/types.js';
import type { Definition, Sample, Snapshot } from './node-metrics.js';

export const mirrorGauges: readonly Definition[] = [
  {
    name: 'ballast_mirror_state',
    help: '1 for the state that the head of a mirrored volume is in: serving, or on its way to it.',
    labels: ['volume', 'state'],
    samples: ofMirrors(({ name, state }) => [[{ volume: name, state }, 1]]),
  },
  {
    name: 'ballast_mirror_members',
    help: 'Members by state: in_sync, joining, down, ...',
    labels: ['volume', 'state'],
    samples: ofMirrors(({ name, members }) => {
      const counts = new Map<string, number>();
      for (const { state } of members) counts.set(state, (counts.get(state) ?? 0) + 1);
      return [...counts].map(([state, count]): Sample => [{ volume: name, state }, count]);
    }),
  },
  {
    name: 'ballast_mirror_members_in_sync',
    help: 'Members that have everything that was acknowledged, as the record says.',
    labels: ['volume'],
    samples: ofMirrors(({ name, members }) => [
      [{ volume: name }, members.filter(({ inSync }) => inSync).length],
    ]),
  },
  one('ballast_mirror_members_wanted', 'Members that it has, whether they are there or not.', (mirror) => {
    return mirror.members.length;
  }),
  one(
    'ballast_mirror_min_in_sync',
    'Writes are acknowledged while so many members are in sync.',
    ({ minInSync }) => minInSync,
  ),
  one('ballast_mirror_epoch', 'One more with each head.', ({ epoch }) => epoch),
  one(
    'ballast_mirror_unreconciled_regions',
    'Regions of 1 MiB that an unclean end left, and that are not equal yet.',
    ({ unreconciledRegions }) => unreconciledRegions,
  ),
  one(
    'ballast_mirror_marked_regions',
    'Regions of 1 MiB that are being written, or were a moment ago.',
    ({ markedRegions }) => markedRegions,
  ),
  resync(
    'ballast_mirror_resync_done_bytes',
    'What was copied to a member that comes back.',
    'resyncDoneBytes',
  ),
  resync('ballast_mirror_resync_total_bytes', 'What is to be copied to it.', 'resyncTotalBytes'),
  verified(
    'ballast_mirror_verify_done_bytes',
    'What the last comparison of its members has compared.',
    ({ doneBytes }) => doneBytes,
  ),
  verified('ballast_mirror_verify_total_bytes', 'What it is to compare.', ({ totalBytes }) => totalBytes),
  verified(
    'ballast_mirror_verify_different_bytes',
    'In which it found members in sync to differ: never anything but 0.',
    ({ differentBytes }) => differentBytes,
  ),
  verified(
    'ballast_mirror_verify_unreadable_bytes',
    'That a member could not read then; written again there, where another one could.',
    ({ unreadableBytes }) => unreadableBytes,
  ),
];

function verified(name: string, help: string, value: (verify: MirrorVerify) => bigint): Definition {
  const samples = ofMirrors(({ name: volume, verify }) => (verify ? [[{ volume }, value(verify)]] : []));
  return { name, help, labels: ['volume'], samples };
}

function ofMirrors(samples: (mirror: MirrorView) => readonly Sample[]) {
  return ({ mirrors }: Snapshot): readonly Sample[] => mirrors.flatMap(samples);
}

function one(name: string, help: string, value: (mirror: MirrorView) => number | bigint): Definition {
  const samples = ofMirrors((mirror) => [[{ volume: mirror.name }, value(mirror)]]);
  return { name, help, labels: ['volume'], samples };
}

function resync(name: string, help: string, field: 'resyncDoneBytes' | 'resyncTotalBytes'): Definition {
  const samples = ofMirrors((mirror) =>
    mirror.members
      .filter(({ resyncTotalBytes }) => resyncTotalBytes > 0n)
      .map((member): Sample => [{ volume: mirror.name, member: member.uuid }, member[field]]),
  );
  return { name, help, labels: ['volume', 'member'], samples };
}
