// Mirrored volumes in requests and answers.
import { type Static, Type } from '@sinclair/typebox';
import type { MirrorSnapshotView, MirrorVerify, MirrorView } from '../mirrors/types.js';
import { Bytes, Count, count, date, ref } from './schemas.js';

const Member = Type.Object({
  uuid: Type.String({ description: 'Of the replica.' }),
  place: Type.String({ description: 'The replica of this daemon, or the address of another.' }),
  local: Type.Boolean(),
  inSync: Type.Boolean({ description: 'It has everything that was acknowledged.' }),
  state: Type.String({ description: 'down, connecting, sealed, in_sync, joining or leaving.' }),
  reason: Type.Optional(Type.String({ description: 'Why it is down, where that is known.' })),
  resync: Type.Optional(
    Type.Object({ doneBytes: Count, totalBytes: Count }, { description: 'While something is copied to it.' }),
  ),
});

const Verify = Type.Object(
  {
    state: Type.String({
      description:
        'running, done, cancelled (or its head ended), failed (fewer than two members can be compared).',
    }),
    doneBytes: Count,
    totalBytes: Count,
    differentBytes: Count,
    unreadableBytes: Type.Unsafe<number | string>({
      ...Count,
      description: 'That some member could not read; written again there, where another one could.',
    }),
    differences: Type.Array(
      Type.Object({
        offsetBytes: Count,
        sizeBytes: Count,
        odd: Type.Array(Type.String(), {
          description: 'UUIDs of members that differ from most; empty: nobody can tell which are right.',
        }),
      }),
      { description: 'The first 64.' },
    ),
    unable: Type.Array(Type.String(), { description: 'Members that do not know how to be compared.' }),
  },
  { description: 'The last comparison of all members in sync since the head began.' },
);

export const MirrorSnapshot = Type.Object(
  {
    name: Type.String(),
    uuid: Type.String(),
    state: Type.String({
      description:
        'complete; degraded (a member does not have it yet); incomplete (not completed, members may have ' +
        'something of it); deleting (some members could not be reached).',
    }),
    created: Type.String({ format: 'date-time' }),
    sizeBytes: Count,
    members: Type.Array(Type.String(), { description: 'UUIDs of the replicas that have it.' }),
    heldMs: Type.Optional(
      Type.Number({ description: 'How long writes waited for it; of one that was just taken.' }),
    ),
    carry: Type.Optional(
      Type.Object(
        {
          to: Type.String({ description: 'UUID of the replica that gets it.' }),
          doneBytes: Count,
          totalBytes: Count,
        },
        { description: 'It is being carried to a member that lacks it.' },
      ),
    ),
    troubles: Type.Optional(
      Type.Array(Type.String(), { description: 'Why members in sync did not get it when last tried.' }),
    ),
  },
  { $id: 'MirrorSnapshot' },
);
export const NewMirrorSnapshot = Type.Object(
  { name: Type.String({ description: '1 to 63 letters, digits, dots, dashes or underscores.' }) },
  { additionalProperties: false },
);
export type MirrorSnapshotBody = Static<typeof MirrorSnapshot>;

export const Mirror = Type.Object(
  {
    name: Type.String(),
    uuid: Type.String(),
    nqn: Type.String(),
    sizeBytes: Count,
    blockSizeBytes: Type.Integer(),
    state: Type.String({
      description: 'claiming, sealing, agreeing, waiting, serving, stopping, fenced, ...',
    }),
    activity: Type.String({ description: 'The most particular thing that its head does.' }),
    epoch: Count,
    head: Type.Optional(Type.String({ description: 'UUID of the daemon that is head; absent: none yet.' })),
    minInSync: Type.Integer(),
    inSync: Type.Integer({ description: 'How many members are.' }),
    members: Type.Array(Member),
    verify: Type.Optional(Verify),
    snapshots: Type.Array(ref(MirrorSnapshot), { description: 'The oldest first.' }),
    unreconciledRegions: Type.Integer({
      description: 'Of 1 MiB, that an unclean end left and that are not equal yet.',
    }),
    markedRegions: Type.Integer({ description: 'Of 1 MiB, that are being written or were a moment ago.' }),
    resyncBytesPerSecond: Type.Optional(
      Type.Unsafe<number | string>({
        ...Count,
        description: 'Of copies to members; absent: as fast as it goes, and slower beside I/O of hosts.',
      }),
    ),
  },
  { $id: 'Mirror' },
);

export const MirrorChange = Type.Object(
  {
    sizeBytes: Type.Optional(Bytes),
    resyncBytesPerSecond: Type.Optional(
      Type.Unsafe<number | string | null>({
        ...Bytes,
        type: ['integer', 'string', 'null'],
        minimum: 1,
        pattern: '^[1-9][0-9]{0,18}$',
        description:
          'Of copies to members, until the daemon ends; null: as fast as it goes, and slower beside I/O of ' +
          'hosts.',
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const NewMember = Type.Object(
  {
    member: Type.String({
      minLength: 1,
      maxLength: 512,
      description: "The name of a replica of this daemon, or the address of another's.",
    }),
  },
  { additionalProperties: false },
);

export type MirrorBody = Static<typeof Mirror>;

function verifyBody({ state, unable, differences, ...bytes }: MirrorVerify): Static<typeof Verify> {
  return {
    state,
    doneBytes: count(bytes.doneBytes),
    totalBytes: count(bytes.totalBytes),
    differentBytes: count(bytes.differentBytes),
    unreadableBytes: count(bytes.unreadableBytes),
    differences: differences.map(({ offsetBytes, sizeBytes, odd }) => ({
      offsetBytes: count(offsetBytes),
      sizeBytes: count(sizeBytes),
      odd: [...odd],
    })),
    unable: [...unable],
  };
}

export function mirrorSnapshotBody(snapshot: MirrorSnapshotView): MirrorSnapshotBody {
  const { createdAt, sizeBytes, members, carry, troubles, ...rest } = snapshot;
  return {
    ...{ ...rest, created: date(createdAt), sizeBytes: count(sizeBytes), members: [...members] },
    ...(carry !== undefined && {
      carry: { to: carry.to, doneBytes: count(carry.doneBytes), totalBytes: count(carry.totalBytes) },
    }),
    ...(troubles !== undefined && { troubles: [...troubles] }),
  };
}

export function mirrorBody(view: MirrorView): MirrorBody {
  const { sizeBytes, epoch, members, verify, snapshots = [], resyncBytesPerSecond, ...rest } = view;
  return {
    ...rest,
    ...(resyncBytesPerSecond !== undefined && { resyncBytesPerSecond: count(resyncBytesPerSecond) }),
    snapshots: snapshots.map(mirrorSnapshotBody),
    ...(verify !== undefined && { verify: verifyBody(verify) }),
    sizeBytes: count(sizeBytes),
    epoch: count(epoch),
    inSync: members.filter(({ inSync }) => inSync).length,
    members: members.map(({ resyncDoneBytes, resyncTotalBytes, ...member }) => ({
      ...member,
      ...(resyncTotalBytes > 0n && {
        resync: { doneBytes: count(resyncDoneBytes), totalBytes: count(resyncTotalBytes) },
      }),
    })),
  };
}
