// Checks what users of Engine give for replicas and mirrored volumes, and fills in what they leave out.
import { checkNqn } from '../base/nqn.js';
import type { NativeMirror, NativeReplica } from './binding.js';
import {
  check,
  checkBoolean,
  checkHost,
  checkHosts,
  checkInteger,
  checkObject,
  checkText,
  checkU64,
  checkUuid,
} from './checks.js';
import type {
  MirrorMemberOptions,
  MirrorOptions,
  MirrorRecord,
  ReplicaOptions,
  StoreAnswer,
} from './mirror-types.js';

const nil = '00000000-0000-0000-0000-000000000000';
// As native/bdev/mirror/member_set.h.
const membersMax = 8;
const regionBytes = 1n << 20n;
const sizeBytesMax = regionBytes << 32n;

export function checkReplicaUuid(uuid: string): string {
  return checkRealUuid(uuid, 'uuid');
}

export function checkReplicaOptions(options: ReplicaOptions): NativeReplica {
  checkObject(options, 'options');
  const { path, pool, volume, sizeBytes, blockSizeBytes = 4096, content = 'nothing', hosts = [] } = options;
  check((path === undefined) === (pool !== undefined), 'path', 'given, or a pool and its volume');
  check((pool === undefined) === (volume === undefined), 'volume', 'given with a pool, and only with one');
  check(blockSizeBytes === 512 || blockSizeBytes === 4096, 'blockSizeBytes', '512 or 4096');
  check(sizeBytes === undefined || path !== undefined, 'sizeBytes', 'left out for the volume of a pool');
  if (sizeBytes !== undefined) checkSize(sizeBytes, blockSizeBytes);
  check(
    content === 'complete' || content === 'partial' || content === 'nothing',
    'content',
    "'complete', 'partial' or 'nothing'",
  );
  checkHosts(hosts);
  return {
    name: checkText(options.name, 'name', 255),
    path: path === undefined ? '' : checkText(path, 'path', 4095),
    pool: pool === undefined ? '' : checkText(pool, 'pool', 64),
    volume: volume === undefined ? '' : checkText(volume, 'volume', 255),
    sizeBytes: sizeBytes ?? 0n,
    blockSizeBytes,
    uuid: checkRealUuid(options.uuid, 'uuid'),
    volumeUuid: options.volumeUuid === undefined ? nil : checkRealUuid(options.volumeUuid, 'volumeUuid'),
    content,
    hosts,
  };
}

function checkSize(sizeBytes: unknown, blockSizeBytes: number): void {
  const size = checkU64(sizeBytes, 'sizeBytes');
  const fits = size > 0n && size <= sizeBytesMax && size % BigInt(blockSizeBytes) === 0n;
  check(fits, 'sizeBytes', `a multiple of ${blockSizeBytes} above 0, at most 4 PiB`);
}

function checkRealUuid(value: unknown, argument: string): string {
  const uuid = checkUuid(value, argument);
  check(uuid !== nil, argument, 'a UUID that is not all zeroes');
  return uuid.toLowerCase();
}

export function checkMirrorOptions(options: MirrorOptions): NativeMirror {
  checkObject(options, 'mirror');
  const record = checkMirrorRecord(options.record);
  const { members } = options;
  check(
    Array.isArray(members) && members.length === record.members.length,
    'members',
    'as many as the record has',
  );
  return {
    isHead: !checkBoolean(options.standby, 'standby'),
    members: members.map((member, index) => {
      check(member?.uuid === record.members[index]?.uuid, 'members', "in the order of the record's");
      return member.uuid === nil ? freePlace : checkMirrorMember(member);
    }),
    record,
    node: checkRealUuid(options.node, 'node'),
    hostNqn: checkNqn(checkText(options.hostNqn, 'hostNqn', 65_536)),
    hostId: checkUuid(options.hostId, 'hostId'),
    leaseMs: checkInteger(options.leaseMs ?? 1000, 'leaseMs', 1, 600_000),
    latencyBudgetMs: checkInteger(options.latencyBudgetMs ?? 5000, 'latencyBudgetMs', 1, 3_600_000),
    resyncBytesPerSecond: checkU64(options.resyncBytesPerSecond ?? 0n, 'resyncBytesPerSecond'),
    failBelowMin: checkBoolean(options.failBelowMin, 'failBelowMin'),
  };
}

const freePlace: NativeMirror['members'][number] = { uuid: nil, replica: '', host: '', port: 0 };

export function checkMirrorMember(member: MirrorMemberOptions): NativeMirror['members'][number] {
  checkObject(member, 'members');
  const { replica, address } = member;
  const uuid = checkRealUuid(member.uuid, 'members.uuid');
  check((replica === undefined) !== (address === undefined), 'members', 'each a replica or an address');
  return {
    uuid,
    replica: replica === undefined ? '' : checkText(replica, 'members.replica', 255),
    host: address === undefined ? '' : checkHost(address.host, 'members.address'),
    port: address === undefined ? 0 : checkInteger(address.port, 'members.address', 1, 65_535),
  };
}

export function checkMirrorRecord(record: MirrorRecord): MirrorRecord {
  checkObject(record, 'record');
  const { members, minInSync, blockSizeBytes } = record;
  const fits = Array.isArray(members) && members.length >= 1 && members.length <= membersMax;
  check(fits, 'record.members', `1 to ${membersMax}`);
  const checked = members.map(({ uuid, inSync, sealedEpoch }) => ({
    uuid: checkUuid(uuid, 'record.members').toLowerCase(),
    inSync: checkBoolean(inSync, 'record.members'),
    sealedEpoch: checkU64(sealedEpoch, 'record.members'),
  }));
  const real = checked.filter(({ uuid }) => uuid !== nil);
  check(new Set(real.map(({ uuid }) => uuid)).size === real.length, 'record.members', 'each once');
  check(checked.at(-1)?.uuid !== nil, 'record.members', 'the last place is not free');
  check(
    checked.every(({ uuid, inSync, sealedEpoch }) => uuid !== nil || (!inSync && sealedEpoch === 0n)),
    'record.members',
    'nobody in a free place',
  );
  check(
    checked.some(({ inSync }) => inSync),
    'record.members',
    'one in sync at least',
  );
  check(blockSizeBytes === 512 || blockSizeBytes === 4096, 'record.blockSizeBytes', '512 or 4096');
  const blocksCount = checkU64(record.blocksCount, 'record.blocksCount');
  checkSize(blocksCount * BigInt(blockSizeBytes), blockSizeBytes);
  return {
    revision: checkU64(record.revision, 'record.revision'),
    epoch: checkU64(record.epoch, 'record.epoch'),
    head: checkUuid(record.head, 'record.head').toLowerCase(),
    headStopped: checkBoolean(record.headStopped, 'record.headStopped'),
    members: checked,
    minInSync: checkInteger(minInSync, 'record.minInSync', 1, real.length),
    blockSizeBytes,
    blocksCount,
  };
}

export function checkStoreAnswer(answer: StoreAnswer): StoreAnswer {
  checkObject(answer, 'answer');
  if (answer.kind === 'unavailable') return answer;
  check(answer.kind === 'stored' || answer.kind === 'differs', 'answer', 'stored, differs or unavailable');
  return { kind: answer.kind, current: checkMirrorRecord(answer.current) };
}
