// NAME=SPEC of `serve --volume` and of the configuration: mem:SIZE, null:SIZE or file:PATH[:SIZE], then
// options after commas: block=512|4096, nqn=NQN, uuid=UUID, write-cache=volatile|none, read-only,
// ana=STATE, allow-host=NQN (repeatable), iops=N and other limits of qos.ts. Pure text work: whether the path
// exists is for the engine to find out.
import { type AnaState, parseAnaState } from './ana.js';
import { DomainError, InvalidVolumeSpecError } from './errors.js';
import { checkNqn, checkSubsystemNqn } from './nqn.js';
import { checkQos, kebab, parseQosNumber, type QosWord, type QosWords, qosWords } from './qos.js';
import { looksLikeSize, parseDeviceSize } from './sizes.js';

export interface FileSpec {
  readonly kind: 'file';
  readonly path: string;
  readonly sizeBytes?: bigint;
}

export type DeviceSpec = { readonly kind: 'memory' | 'null'; readonly sizeBytes: bigint } | FileSpec;

export interface VolumeSpec {
  readonly name: string;
  readonly device: DeviceSpec;
  readonly blockSizeBytes: 512 | 4096;
  readonly nqn?: string;
  readonly uuid?: string;
  readonly volatileWriteCache: boolean;
  readonly readOnly: boolean;
  /** Absent: optimized. */
  readonly anaState?: AnaState;
  readonly allowedHosts: readonly string[];
  /** Absent: none. */
  readonly qos?: QosWords;
}

interface Options {
  block?: 512 | 4096;
  nqn?: string;
  uuid?: string;
  volatileWriteCache?: boolean;
  readOnly?: boolean;
  anaState?: AnaState;
  allowedHosts: string[];
  qos?: { [K in QosWord]?: number };
}

/** Of one volume: who may be on the list of its hosts. */
export const hostsMax = 256;
/** Zones that replicas of a volume may be in. */
export const zonesMax = 64;
export const volumeNamePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
export const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const qosOptions = new Map(qosWords.map((word) => [kebab(word), word]));
const optionNames = ['block, nqn, uuid, write-cache, read-only, ana, allow-host', ...qosOptions.keys()].join(
  ', ',
);

export function parseVolumeOption(text: string): VolumeSpec {
  const equals = text.indexOf('=');
  if (equals < 0) throw new InvalidVolumeSpecError(text, 'expected NAME=SPEC, such as demo=mem:512MiB');
  return parseVolumeSpec(text.slice(0, equals), text.slice(equals + 1));
}

export function parseVolumeSpec(name: string, spec: string): VolumeSpec {
  const whole = `${name}=${spec}`;
  const refuse = (reason: string) => new InvalidVolumeSpecError(whole, reason);
  if (!volumeNamePattern.test(name)) {
    throw refuse('the name must be 1 to 63 letters, digits, dots, dashes or underscores');
  }
  try {
    const [deviceText = '', ...optionTexts] = spec.split(',');
    const options = parseOptions(optionTexts, refuse);
    const blockSizeBytes = options.block ?? 4096;
    checkQos(options.qos ?? {});
    const device = parseDevice(deviceText, blockSizeBytes, refuse);
    if (options.volatileWriteCache && device.kind !== 'file') {
      throw refuse(`write-cache=volatile is for files; ${device.kind} volumes keep nothing anyway`);
    }
    return {
      name,
      device,
      blockSizeBytes,
      volatileWriteCache: options.volatileWriteCache ?? false,
      readOnly: options.readOnly ?? false,
      allowedHosts: options.allowedHosts,
      ...(options.qos !== undefined && { qos: options.qos }),
      ...(options.anaState !== undefined && { anaState: options.anaState }),
      ...(options.nqn !== undefined && { nqn: options.nqn }),
      ...(options.uuid !== undefined && { uuid: options.uuid }),
    };
  } catch (error) {
    if (error instanceof DomainError && !(error instanceof InvalidVolumeSpecError))
      throw refuse(error.message);
    throw error;
  }
}

type Refuse = (reason: string) => DomainError;

function parseDevice(text: string, blockSizeBytes: number, refuse: Refuse): DeviceSpec {
  const colon = text.indexOf(':');
  const scheme = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? '' : text.slice(colon + 1);
  switch (scheme) {
    case 'mem':
      return { kind: 'memory', sizeBytes: parseDeviceSize(rest, blockSizeBytes) };
    case 'null':
      return { kind: 'null', sizeBytes: parseDeviceSize(rest, blockSizeBytes) };
    case 'file':
      return parseFile(rest, blockSizeBytes, refuse);
    default:
      throw refuse(`unknown kind '${scheme}', expected mem:SIZE, null:SIZE or file:PATH[:SIZE]`);
  }
}

/** PATH[:SIZE]. What follows the last colon is a size if it looks like one, even a wrong one. */
export function parseFile(text: string, blockSizeBytes: number, refuse: Refuse): FileSpec {
  const colon = text.lastIndexOf(':');
  const tail = colon < 0 ? '' : text.slice(colon + 1);
  const hasSize = colon >= 0 && (looksLikeSize(tail) || /^[+-]?\d+[a-z]*$/i.test(tail));
  const path = hasSize ? text.slice(0, colon) : text;
  if (path === '') throw refuse('the path is empty');
  return hasSize
    ? { kind: 'file', path, sizeBytes: parseDeviceSize(tail, blockSizeBytes) }
    : { kind: 'file', path };
}

function parseOptions(texts: readonly string[], refuse: Refuse): Options {
  const options: Options = { allowedHosts: [] };
  const seen = new Set<string>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    if (seen.has(key) && key !== 'allow-host') throw refuse(`option ${key} is given twice`);
    seen.add(key);
    applyOption(options, key, value, refuse);
  }
  return options;
}

function applyOption(options: Options, key: string, value: string | undefined, refuse: Refuse): void {
  switch (key) {
    case 'block':
      if (value !== '512' && value !== '4096') throw refuse('block must be 512 or 4096');
      options.block = value === '512' ? 512 : 4096;
      return;
    case 'nqn':
      options.nqn = checkSubsystemNqn(value ?? '');
      return;
    case 'uuid':
      if (!uuidPattern.test(value ?? '')) throw refuse(`uuid '${value ?? ''}' is not a UUID`);
      options.uuid = value?.toLowerCase() ?? '';
      return;
    case 'write-cache':
      if (value !== 'volatile' && value !== 'none') throw refuse('write-cache must be volatile or none');
      options.volatileWriteCache = value === 'volatile';
      return;
    case 'read-only':
      if (value !== undefined && value !== 'true' && value !== 'false')
        throw refuse('read-only takes true or false');
      options.readOnly = value !== 'false';
      return;
    case 'ana':
      options.anaState = parseAnaState(value ?? '');
      return;
    case 'allow-host':
      options.allowedHosts.push(checkNqn(value ?? ''));
      return;
    default: {
      const word = qosOptions.get(key);
      if (word !== undefined) {
        options.qos = { ...options.qos, [word]: parseQosNumber(word, value ?? '') };
        return;
      }
      throw refuse(`unknown option '${key}', expected one of ${optionNames}`);
    }
  }
}
