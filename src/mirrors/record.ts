// The record of a mirrored volume as bytes of the store: JSON, with 64-bit numbers as decimal text
// (docs/formats/mirror-record.md). Read without trust: who is in sync decides what data is served, so a
// record that is not whole is refused, and nothing is guessed from it.
import { isFields, parseFields } from '../base/json-fields.js';
import { MirrorRecordError } from '../base/mirror-errors.js';
import { membersMax } from '../base/mirror-spec.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { MirrorRecord, MirrorRecordMember } from '../native/mirror-types.js';

/** What the store keeps of a mirrored volume. */
export interface StoredMirror {
  /** Of the volume; replicas carry it too. */
  readonly volumeUuid: string;
  /** Its revision is the store's, and not part of the bytes. */
  readonly record: MirrorRecord;
}

export const nobody = '00000000-0000-0000-0000-000000000000';
/** Without the places that are free. */
export function realMembers({ members }: Pick<MirrorRecord, 'members'>): readonly MirrorRecordMember[] {
  return members.filter(({ uuid }) => uuid !== nobody);
}

const u64Max = (1n << 64n) - 1n;

export function encodeMirror({ volumeUuid, record }: StoredMirror): Uint8Array {
  const { epoch, head, headStopped, members, minInSync, blockSizeBytes, blocksCount } = record;
  return Buffer.from(
    JSON.stringify({
      version: 2,
      volumeUuid,
      epoch: epoch.toString(),
      head,
      headStopped,
      members: members.map(({ uuid, inSync, sealedEpoch }) => ({
        uuid,
        inSync,
        sealedEpoch: sealedEpoch.toString(),
      })),
      minInSync,
      blockSizeBytes,
      blocksCount: blocksCount.toString(),
    }),
  );
}

/** `name` is for the error. */
export function decodeMirror(name: string, value: Uint8Array, revision: bigint): StoredMirror {
  const refuse = (reason: string) => new MirrorRecordError(name, reason);
  const fields = parseFields(value);
  if (fields === undefined) throw refuse('is not JSON');
  if (fields.version !== 1 && fields.version !== 2) {
    throw refuse(`is of version ${JSON.stringify(fields.version)}, and this knows 1 and 2`);
  }
  const {
    version,
    volumeUuid,
    epoch,
    head,
    // Not known to version 1: nobody has said so.
    headStopped = version === 1 ? false : undefined,
    members,
    minInSync,
    blockSizeBytes,
    blocksCount,
  } = fields;
  const foreign = Object.keys(fields).find((key) => !fieldNames.has(key));
  if (foreign !== undefined) throw refuse(`has a field that is not known, '${foreign}'`);
  if (!isUuid(volumeUuid)) throw refuse('has no UUID of the volume');
  const record: MirrorRecord = {
    revision,
    epoch: number(epoch, 'epoch', refuse),
    head: isUuid(head, true) ? head : fail(refuse('has no head')),
    headStopped: typeof headStopped === 'boolean' ? headStopped : fail(refuse('has no headStopped')),
    members: Array.isArray(members)
      ? members.map((member) => decodeMember(member, refuse))
      : fail(refuse('has no members')),
    minInSync: typeof minInSync === 'number' ? minInSync : fail(refuse('has no minInSync')),
    blockSizeBytes: typeof blockSizeBytes === 'number' ? blockSizeBytes : fail(refuse('has no block size')),
    blocksCount: number(blocksCount, 'blocksCount', refuse),
  };
  check(record, refuse);
  return { volumeUuid, record };
}

const fieldNames: ReadonlySet<string> = new Set([
  ...['version', 'volumeUuid', 'epoch', 'head', 'headStopped', 'members'],
  ...['minInSync', 'blockSizeBytes', 'blocksCount'],
]);

type Refuse = (reason: string) => MirrorRecordError;

function fail(error: Error): never {
  throw error;
}

function decodeMember(value: unknown, refuse: Refuse): MirrorRecordMember {
  if (!isFields(value)) throw refuse('has a member that is none');
  const { uuid, inSync, sealedEpoch, ...more } = value;
  if (!isUuid(uuid, true) || typeof inSync !== 'boolean' || Object.keys(more).length > 0) {
    throw refuse('has a member that cannot be read');
  }
  return { uuid, inSync, sealedEpoch: number(sealedEpoch, 'sealedEpoch', refuse) };
}

/** What must be true of a record, whoever made it. */
function check(record: MirrorRecord, refuse: Refuse): void {
  const { epoch, head, members, minInSync, blockSizeBytes, blocksCount } = record;
  if (members.length < 1 || members.length > membersMax) throw refuse(`has ${members.length} members`);
  const real = realMembers(record);
  if (new Set(real.map(({ uuid }) => uuid)).size !== real.length) throw refuse('has a member twice');
  if (members.some(({ uuid, inSync, sealedEpoch }) => uuid === nobody && (inSync || sealedEpoch > 0n))) {
    throw refuse('has somebody in a free place');
  }
  if (members.at(-1)?.uuid === nobody) throw refuse('ends with a free place');
  if (!members.some(({ inSync }) => inSync)) throw refuse('has no member in sync');
  if (members.some(({ sealedEpoch }) => sealedEpoch > epoch)) throw refuse('has a member ahead of its epoch');
  if ((epoch === 0n) !== (head === nobody))
    throw refuse('has an epoch without a head, or a head without one');
  if (!Number.isInteger(minInSync) || minInSync < 1 || minInSync > real.length) {
    throw refuse(`wants ${minInSync} of ${real.length} members in sync`);
  }
  if (blockSizeBytes !== 512 && blockSizeBytes !== 4096)
    throw refuse(`has blocks of ${blockSizeBytes} bytes`);
  if (blocksCount === 0n) throw refuse('is of a volume without blocks');
}

function number(value: unknown, name: string, refuse: Refuse): bigint {
  if (typeof value !== 'string' || !/^(?:0|[1-9]\d{0,19})$/.test(value)) throw refuse(`has no ${name}`);
  const parsed = BigInt(value);
  if (parsed > u64Max) throw refuse(`has a ${name} above 2^64`);
  return parsed;
}

function isUuid(value: unknown, orNobody = false): value is string {
  return typeof value === 'string' && uuidPattern.test(value) && (orNobody || value !== nobody);
}
