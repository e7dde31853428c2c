// Mirrored volumes in requests and answers.
import { type Static, Type } from '@sinclair/typebox';
import type { MirrorView } from '../mirrors/types.js';
import { Count, count } from './schemas.js';

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
    unreconciledRegions: Type.Integer({
      description: 'Of 1 MiB, that an unclean end left and that are not equal yet.',
    }),
    markedRegions: Type.Integer({ description: 'Of 1 MiB, that are being written or were a moment ago.' }),
  },
  { $id: 'Mirror' },
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

export function mirrorBody({ sizeBytes, epoch, members, ...rest }: MirrorView): MirrorBody {
  return {
    ...rest,
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
