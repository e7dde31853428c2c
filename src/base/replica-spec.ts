// NAME=SPEC of `serve --replica` and of the configuration: file:PATH[:SIZE] or pool:POOL/VOLUME, then options
// after commas: block=512|4096, uuid=UUID, allow-host=NQN (repeatable). Pure text work, as volume-spec.ts.
import { DomainError } from './errors.js';
import { InvalidReplicaSpecError } from './mirror-errors.js';
import { checkNqn } from './nqn.js';
import { type FileSpec, parseFile, uuidPattern, volumeNamePattern } from './volume-spec.js';

export interface PoolVolumeSpec {
  readonly kind: 'pool';
  readonly pool: string;
  readonly volume: string;
}

/** Where the data of a replica is. */
export type ReplicaDevice = FileSpec | PoolVolumeSpec;

export interface ReplicaSpec {
  readonly name: string;
  readonly device: ReplicaDevice;
  readonly blockSizeBytes: 512 | 4096;
  /** Of a replica that is to be made; one that is there has its own, which must be this. */
  readonly uuid?: string;
  /** Heads that may use it; empty: any host. */
  readonly allowedHosts: readonly string[];
}

type Refuse = (reason: string) => DomainError;

export const deviceForms = 'file:PATH[:SIZE] or pool:POOL/VOLUME';

export function parseReplicaOption(text: string): ReplicaSpec {
  const equals = text.indexOf('=');
  if (equals < 0) {
    throw new InvalidReplicaSpecError(text, 'expected NAME=SPEC, such as r1=file:/srv/r1.img:10GiB');
  }
  return parseReplicaSpec(text.slice(0, equals), text.slice(equals + 1));
}

export function parseReplicaSpec(name: string, spec: string): ReplicaSpec {
  const refuse = (reason: string) => new InvalidReplicaSpecError(`${name}=${spec}`, reason);
  return refusing(refuse, () => {
    checkSpecName(name, refuse);
    const [deviceText = '', ...texts] = spec.split(',');
    let blockSizeBytes: 512 | 4096 | undefined;
    let uuid: string | undefined;
    const allowedHosts: string[] = [];
    for (const [key, value] of optionsOf(texts, refuse)) {
      if (key === 'block') blockSizeBytes = parseBlock(value, refuse);
      else if (key === 'uuid') uuid = parseUuid(value, refuse);
      else if (key === 'allow-host') allowedHosts.push(checkNqn(value));
      else throw refuse(`unknown option '${key}', expected one of block, uuid, allow-host`);
    }
    const device = parseReplicaDevice(deviceText, blockSizeBytes ?? 4096, refuse);
    if (device === undefined) throw refuse(`'${deviceText}' is not ${deviceForms}`);
    checkBlockOf(device, blockSizeBytes, refuse);
    return {
      name,
      device,
      blockSizeBytes: blockSizeBytes ?? 4096,
      allowedHosts,
      ...(uuid !== undefined && { uuid }),
    };
  });
}

/** Undefined: it is neither. */
export function parseReplicaDevice(
  text: string,
  blockSizeBytes: number,
  refuse: Refuse,
): ReplicaDevice | undefined {
  if (text.startsWith('file:')) return parseFile(text.slice('file:'.length), blockSizeBytes, refuse);
  if (!text.startsWith('pool:')) return undefined;
  const [pool = '', volume = '', ...more] = text.slice('pool:'.length).split('/');
  if (!volumeNamePattern.test(pool) || !volumeNamePattern.test(volume) || more.length > 0) {
    throw refuse(`'${text}' is not pool:POOL/VOLUME`);
  }
  return { kind: 'pool', pool, volume };
}

export function checkBlockOf(
  device: ReplicaDevice,
  blockSizeBytes: number | undefined,
  refuse: Refuse,
): void {
  if (device.kind === 'pool' && blockSizeBytes === 512) throw refuse('block must be 4096 in a pool');
}

export function checkSpecName(name: string, refuse: Refuse): void {
  if (!volumeNamePattern.test(name)) {
    throw refuse('the name must be 1 to 63 letters, digits, dots, dashes or underscores');
  }
}

/** KEY=VALUE of each; allow-host alone may be there more than once. */
export function optionsOf(texts: readonly string[], refuse: Refuse): readonly (readonly [string, string])[] {
  const seen = new Set<string>();
  return texts.map((text) => {
    const equals = text.indexOf('=');
    if (equals < 0) throw refuse(`option '${text}' has no value`);
    const key = text.slice(0, equals);
    if (seen.has(key) && key !== 'allow-host') throw refuse(`option ${key} is given twice`);
    seen.add(key);
    return [key, text.slice(equals + 1)];
  });
}

export function parseBlock(value: string, refuse: Refuse): 512 | 4096 {
  if (value !== '512' && value !== '4096') throw refuse('block must be 512 or 4096');
  return value === '512' ? 512 : 4096;
}

export function parseUuid(value: string, refuse: Refuse): string {
  if (!uuidPattern.test(value)) throw refuse(`uuid '${value}' is not a UUID`);
  return value.toLowerCase();
}

/** What is wrong with a part is told with the whole. */
export function refusing<T>(refuse: Refuse, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof DomainError) || error.code === refuse('').code) throw error;
    throw refuse(error.message);
  }
}

const dataPrefix = 'replica.';

/** What a pool's volume is called that was made for a replica of a cluster, by the UUID of the replica. */
export function replicaDataName(replica: string): string {
  return dataPrefix + replica;
}

/** What a pool's hidden volume is called with what a replica notes beside its data, by the replica's name. */
export function replicaMetadataName(replica: string): string {
  return replicaMetadataPrefix + replica;
}

export const replicaMetadataPrefix = '.replica.';

/** The UUID in the name of a volume that was made for a replica of a cluster: its data, or what it notes. */
export function replicaOfData(volume: string): string | undefined {
  const prefix = [dataPrefix, replicaMetadataPrefix].find((one) => volume.startsWith(one));
  const uuid = volume.slice(prefix?.length ?? 0);
  return prefix !== undefined && uuidPattern.test(uuid) ? uuid : undefined;
}
