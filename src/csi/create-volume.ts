// CreateVolume: empty, of a snapshot, of a volume; once for a name, whoever asks how often. What the same
// name asked for before is read from the volume itself. No host may use it until it is published.
import type { QosWords } from '../base/qos.js';
import { RemoteError } from '../client/remote-error.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { checkCapabilities } from './capabilities.js';
import { isWithin, parseRange, type Range, sizeFor } from './capacity.js';
import { required, requiredName } from './checks.js';
import { type CloneSource, fromSnapshot, fromVolume, parseSource, sourceDifference } from './clone-source.js';
import { isClusterPool } from './cluster.js';
import type { CreateVolumeRequest, CreateVolumeResponse } from './messages.js';
import { parseMutableParameters, sameQos } from './mutable-parameters.js';
import { storageName } from './names.js';
import { differenceOf, parseParameters, type VolumeParameters } from './parameters.js';
import { type Parts, withName } from './parts.js';
import { freeBytesOf, openPools } from './pools.js';
import type { StoragePool, StorageVolume } from './storage.js';
import { checkTopology, isWhereWanted, zonesWanted } from './topology.js';
import { volumeMessage } from './volume-directory.js';

export interface WantedVolume {
  readonly name: string;
  readonly range: Range;
  readonly parameters: VolumeParameters;
  readonly source: CloneSource | undefined;
  /** Undefined: nothing was said about it. */
  readonly qos: QosWords | undefined;
  /** Of a cluster: where replicas may be; undefined: anywhere. */
  readonly zones: readonly string[] | undefined;
}

export async function createVolume(
  parts: Parts,
  request: CreateVolumeRequest,
  call: Call,
): Promise<{ volume: CreateVolumeResponse['volume'] }> {
  const wanted = wantedOf(parts, request);
  const volume = await withName(parts, wanted.name, call, () => ensure(parts, wanted, call));
  const message = volumeMessage(volume, parts);
  return { volume: { ...message, volumeContext: {}, contentSource: request.volumeContentSource } };
}

function wantedOf(parts: Parts, request: CreateVolumeRequest): WantedVolume {
  const name = storageName(requiredName('name', request.name));
  const capabilities = required('volumeCapabilities', request.volumeCapabilities);
  checkCapabilities('volumeCapabilities', capabilities);
  const parameters = parseParameters(request.parameters);
  const qos = parseMutableParameters(request.mutableParameters);
  const range = parseRange(request.capacityRange);
  const source = parseSource(request.volumeContentSource);
  checkTopology(parts.topology, request.accessibilityRequirements);
  const zones = zonesWanted(parts, request.accessibilityRequirements);
  return { name, range, parameters, source, qos, zones };
}

async function ensure(parts: Parts, wanted: WantedVolume, call: Call): Promise<StorageVolume> {
  const existing = await parts.volumes.findByName(wanted.name);
  if (existing !== undefined) return same(parts, wanted, existing);
  try {
    return await make(parts, wanted, call);
  } catch (error) {
    if (!(error instanceof RemoteError) || error.code !== 'DUPLICATE_VOLUME') throw error;
    // An earlier controller asked for it and is gone; the daemon is still at it, or has just made it.
    const made = await parts.volumes.findByName(wanted.name);
    if (made === undefined) throw new RpcError('ABORTED', 'it is being made', { cause: error });
    return same(parts, wanted, made);
  }
}

async function same(parts: Parts, wanted: WantedVolume, existing: StorageVolume): Promise<StorageVolume> {
  const difference =
    (existing.kind === 'pool' ? undefined : 'kind') ??
    (isWithin(wanted.range, BigInt(existing.sizeBytes)) ? undefined : 'capacity_range') ??
    differenceOf(wanted.parameters, existing) ??
    (isWhereWanted(wanted.zones, existing) ? undefined : 'accessibility_requirements') ??
    (wanted.qos === undefined || sameQos(wanted.qos, existing.qos) ? undefined : 'mutable_parameters') ??
    (await sourceDifference(parts, wanted, existing));
  if (difference === undefined) return existing;
  throw new RpcError('ALREADY_EXISTS', `there is a volume of this name with another ${difference}`);
}

function make(parts: Parts, wanted: WantedVolume, call: Call): Promise<StorageVolume> {
  const { source } = wanted;
  if (source === undefined) return makeEmpty(parts, wanted);
  return source.type === 'snapshot'
    ? fromSnapshot(parts, wanted, source.snapshotId, call)
    : fromVolume(parts, wanted, source.volumeId, call);
}

async function makeEmpty(
  { storage }: Parts,
  { name, range, parameters, qos, zones }: WantedVolume,
): Promise<StorageVolume> {
  const sizeBytes = sizeFor(range);
  const pools = parameters.pool === undefined || zones !== undefined ? await storage.pools() : [];
  const { pool = roomiest(pools), ...rest } = parameters;
  return storage.createVolume({
    ...{ name, sizeBytes: sizeBytes.toString(), hosts: [], ...rest },
    ...(pool !== undefined && { pool }),
    ...(qos !== undefined && { qos }),
    ...(zones !== undefined && pools.some(isClusterPool) && { zones }),
  });
}

/** Of pools that nobody chose between: the one with the most room. A cluster chooses itself: undefined. */
export function roomiest(pools: readonly StoragePool[]): string | undefined {
  const [first, ...others] = openPools(pools);
  if (pools.some(isClusterPool)) return undefined;
  if (first === undefined) throw new RpcError('RESOURCE_EXHAUSTED', 'this daemon has no pool that is open');
  return others.reduce((best, pool) => (freeBytesOf(pool) > freeBytesOf(best) ? pool : best), first).name;
}
