// NAME=MEMBER,MEMBER,...[,options] of `serve --mirror` and of the configuration. A member is the name of a
// replica of this daemon, file:PATH[:SIZE] or pool:POOL/VOLUME (a replica that is made for it and has the
// name of the mirror), or the address of another daemon's replica. Pure text work, as volume-spec.ts.
import { type HostPort, parseTargetAddress } from './address.js';
import { type DomainError, InvalidSizeError } from './errors.js';
import { InvalidMirrorSpecError } from './mirror-errors.js';
import { checkNqn, checkSubsystemNqn, replicaUuidOf } from './nqn.js';
import { checkQos, kebab, parseQosNumber, type QosWord, type QosWords, qosWords } from './qos.js';
import {
  checkBlockOf,
  checkSpecName,
  deviceForms,
  optionsOf,
  parseBlock,
  parseReplicaDevice,
  parseUuid,
  type ReplicaDevice,
  refusing,
} from './replica-spec.js';
import { parseSize } from './sizes.js';
import { volumeNamePattern } from './volume-spec.js';

export type MirrorMemberSpec =
  | { readonly kind: 'replica'; readonly name: string }
  | { readonly kind: 'device'; readonly device: ReplicaDevice }
  | { readonly kind: 'remote'; readonly uuid: string; readonly address: HostPort };

export interface MirrorSpec {
  readonly name: string;
  readonly members: readonly MirrorMemberSpec[];
  /** Of a replica that is made for it. */
  readonly blockSizeBytes: 512 | 4096;
  /** Default: what its record says, 1 for a new one. */
  readonly minInSync?: number;
  readonly leaseMs?: number;
  readonly latencyBudgetMs?: number;
  /** 0: as fast as it goes, and beside I/O of hosts 32 MiB/s. */
  readonly resyncBytesPerSecond?: bigint;
  readonly belowMin: 'wait' | 'fail';
  readonly nqn?: string;
  readonly uuid?: string;
  readonly allowedHosts: readonly string[];
  readonly qos?: QosWords;
}

// As native/bdev/mirror/member_set.h.
export const membersMax = 8;
export const leaseMsMin = 10;
export const leaseMsMax = 60_000;
export const latencyBudgetMsMin = 10;
export const latencyBudgetMsMax = 600_000;

const qosOptions = new Map<string, QosWord>(qosWords.map((word) => [kebab(word), word]));
const optionNames = [
  'min-in-sync, lease, latency-budget, resync-rate, below-min, block, nqn, uuid, allow-host',
  ...qosOptions.keys(),
].join(', ');

type Refuse = (reason: string) => DomainError;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Options = Mutable<Partial<MirrorSpec>> & { readonly hosts: string[] };

export function parseMirrorOption(text: string): MirrorSpec {
  const equals = text.indexOf('=');
  if (equals < 0) {
    throw new InvalidMirrorSpecError(text, 'expected NAME=MEMBER,MEMBER, such as db=r1,tcp://HOST:PORT/NQN');
  }
  return parseMirrorSpec(text.slice(0, equals), text.slice(equals + 1));
}

export function parseMirrorSpec(name: string, spec: string): MirrorSpec {
  const refuse = (reason: string) => new InvalidMirrorSpecError(`${name}=${spec}`, reason);
  return refusing(refuse, () => {
    checkSpecName(name, refuse);
    const texts = spec.split(',');
    const firstOption = texts.findIndex((text) => /^[a-z][a-z-]*=/i.test(text));
    const memberTexts = firstOption < 0 ? texts : texts.slice(0, firstOption);
    const options = parseOptions(texts.slice(memberTexts.length), refuse);
    const { blockSizeBytes, hosts, belowMin, ...rest } = options;
    const members = memberTexts.map((text) => parseMember(text, blockSizeBytes, refuse));
    checkMembers(members, refuse);
    if ((rest.minInSync ?? 1) > members.length) {
      throw refuse(`min-in-sync must be at most its ${members.length} members`);
    }
    return {
      name,
      members,
      ...rest,
      blockSizeBytes: blockSizeBytes ?? 4096,
      belowMin: belowMin ?? 'wait',
      allowedHosts: hosts,
    };
  });
}

/** `refuse` makes the error. */
export function parseMirrorMember(text: string, refuse: Refuse): MirrorMemberSpec {
  return refusing(refuse, () => parseMember(text, undefined, refuse));
}

function parseMember(text: string, blockSizeBytes: number | undefined, refuse: Refuse): MirrorMemberSpec {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return parseRemote(text, refuse);
  const device = parseReplicaDevice(text, blockSizeBytes ?? 4096, refuse);
  if (device !== undefined) {
    checkBlockOf(device, blockSizeBytes, refuse);
    return { kind: 'device', device };
  }
  if (volumeNamePattern.test(text)) return { kind: 'replica', name: text };
  throw refuse(`'${text}' is no member: expected the name of a --replica, ${deviceForms}, or ${remoteForm}`);
}

const remoteForm = 'tcp://HOST:PORT/nqn.2026-11.dev.ballast:replica:UUID';

function parseRemote(text: string, refuse: Refuse): MirrorMemberSpec {
  const { host, port, nqn } = parseTargetAddress(text);
  const uuid = nqn === undefined ? undefined : replicaUuidOf(nqn);
  if (uuid === undefined) throw refuse(`'${text}' does not name a replica: expected ${remoteForm}`);
  return { kind: 'remote', uuid, address: { host, port } };
}

function checkMembers(members: readonly MirrorMemberSpec[], refuse: Refuse): void {
  if (members.length < 2 || members.length > membersMax) {
    throw refuse(
      `it has ${members.length === 1 ? 'one member' : `${members.length} members`}; 2 to 8 can be`,
    );
  }
  if (members.filter(({ kind }) => kind === 'device').length > 1) {
    throw refuse('one replica is made for it at most; name further ones of this daemon by --replica');
  }
  const seen = new Set<string>();
  for (const member of members) {
    if (member.kind === 'device') continue;
    const key = member.kind === 'replica' ? `replica '${member.name}'` : `replica ${member.uuid}`;
    if (seen.has(key)) throw refuse(`${key} is given twice`);
    seen.add(key);
  }
}

function parseOptions(texts: readonly string[], refuse: Refuse): Options {
  const options: Options = { hosts: [] };
  for (const [key, value] of optionsOf(texts, refuse)) applyOption(options, key, value, refuse);
  if (options.qos !== undefined) checkQos(options.qos);
  return options;
}

/** `100MiB`, `100MiB/s`: bytes a second, above zero. Throws InvalidSizeError. */
export function parseResyncRate(text: string): bigint {
  const bytesPerSecond = parseSize(text.replace(/\/s$/, ''));
  if (bytesPerSecond === 0n) throw new InvalidSizeError(text, 'is zero');
  return bytesPerSecond;
}

function applyOption(options: Options, key: string, value: string, refuse: Refuse): void {
  const whole = (least: number, most: number) => parseWhole(key, value, least, most, refuse);
  switch (key) {
    case 'min-in-sync':
      options.minInSync = whole(1, membersMax);
      return;
    case 'lease':
      options.leaseMs = whole(leaseMsMin, leaseMsMax);
      return;
    case 'latency-budget':
      options.latencyBudgetMs = whole(latencyBudgetMsMin, latencyBudgetMsMax);
      return;
    case 'resync-rate':
      options.resyncBytesPerSecond = parseResyncRate(value);
      return;
    case 'below-min':
      if (value !== 'wait' && value !== 'fail') throw refuse('below-min must be wait or fail');
      options.belowMin = value;
      return;
    case 'block':
      options.blockSizeBytes = parseBlock(value, refuse);
      return;
    case 'nqn':
      options.nqn = checkSubsystemNqn(value);
      return;
    case 'uuid':
      options.uuid = parseUuid(value, refuse);
      return;
    case 'allow-host':
      options.hosts.push(checkNqn(value));
      return;
    default: {
      const word = qosOptions.get(key);
      if (word === undefined) throw refuse(`unknown option '${key}', expected one of ${optionNames}`);
      options.qos = { ...options.qos, [word]: parseQosNumber(word, value) };
    }
  }
}

function parseWhole(key: string, text: string, least: number, most: number, refuse: Refuse): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw refuse(`${key} must be a whole number from ${least} to ${most}; got '${text}'`);
  }
  return value;
}
