// Volumes that begin as a copy. The daemon makes clones of snapshots; a clone of a volume is one of a
// snapshot that is taken for it and goes when the clone is there (clones stay when their snapshot goes).
import { type SnapshotBody, toBytes, type VolumeBody } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { sizeFor } from './capacity.js';
import { required } from './checks.js';
import { isClusterPool } from './cluster.js';
import type { WantedVolume } from './create-volume.js';
import type { VolumeContentSource } from './messages.js';
import { cloneSnapshotName, isCloneSnapshot, parseSnapshotId } from './names.js';
import { type Parts, withVolumeKept } from './parts.js';

export type CloneSource =
  | { readonly type: 'snapshot'; readonly snapshotId: string }
  | { readonly type: 'volume'; readonly volumeId: string };

export function parseSource(source: VolumeContentSource | null): CloneSource | undefined {
  if (source === null) return undefined;
  const { type, snapshot, volume } = source;
  required('volumeContentSource', type);
  return type === 'snapshot'
    ? { type, snapshotId: required('snapshotId', snapshot?.snapshotId) }
    : { type: 'volume', volumeId: required('volumeId', volume?.volumeId) };
}

/** A clone says of which snapshot it is one, and of which volume where a volume was asked for. */
export async function sourceDifference(
  parts: Pick<Parts, 'volumes' | 'storage'>,
  { name, source }: WantedVolume,
  { originUuid, cloneOf }: VolumeBody,
): Promise<'volume_content_source' | undefined> {
  const different = 'volume_content_source';
  if (source === undefined) return originUuid === undefined ? undefined : different;
  if (source.type === 'snapshot') {
    const same = cloneOf === undefined && parseSnapshotId(source.snapshotId)?.uuid === originUuid;
    return same && originUuid !== undefined ? undefined : different;
  }
  if (cloneOf !== source.volumeId.toLowerCase()) return different;
  const origin = await parts.volumes.find(source.volumeId);
  if (origin !== undefined) await dropNamed(parts, origin, cloneSnapshotName(name));
  return undefined;
}

export function fromSnapshot(
  parts: Parts,
  wanted: WantedVolume,
  snapshotId: string,
  call: Call,
): Promise<VolumeBody> {
  const volumeUuid = parseSnapshotId(snapshotId)?.volumeUuid ?? '';
  return withVolumeKept(parts, volumeUuid, call, async () => {
    const { snapshot } = await parts.snapshots.get(snapshotId);
    return makeClone(parts, wanted, snapshot, false);
  });
}

export function fromVolume(
  parts: Parts,
  wanted: WantedVolume,
  volumeId: string,
  call: Call,
): Promise<VolumeBody> {
  return withVolumeKept(parts, volumeId.toLowerCase(), call, async () => {
    const { storage, log } = parts;
    const origin = await parts.volumes.get(volumeId);
    sizeFor(wanted.range, toBytes(origin.sizeBytes)); // refused before anything is made
    const name = cloneSnapshotName(wanted.name);
    // Of an attempt that was cut off: what it holds is older than this call.
    await dropNamed(parts, origin, name);
    const [taken] = await storage.createSnapshots([{ volume: origin.uuid, name }]);
    if (taken === undefined) throw new RpcError('INTERNAL', 'the daemon told of no snapshot');
    try {
      return await makeClone(parts, wanted, taken, true);
    } finally {
      // Deleting the volume that it is of takes it away too: see deleteVolume().
      await dropSnapshot(parts, taken).catch((error: unknown) =>
        log.warn({ room: 'csi', err: error }, `snapshot ${taken.volume}/${name} is left behind`),
      );
    }
  });
}

/** What attempts that were cut off left in a volume; nobody else may be using it now. */
export async function dropCloneSnapshots(parts: Pick<Parts, 'storage'>, volume: VolumeBody): Promise<void> {
  const snapshots = await parts.storage.snapshots(volume.uuid);
  for (const snapshot of snapshots) {
    if (isCloneSnapshot(snapshot.name)) await dropSnapshot(parts, snapshot);
  }
}

async function makeClone(
  { storage }: Parts,
  { name, range, parameters, qos, zones }: WantedVolume,
  snapshot: SnapshotBody,
  asVolume: boolean,
): Promise<VolumeBody> {
  const sizeBytes = sizeFor(range, toBytes(snapshot.sizeBytes)).toString();
  const source = { volume: snapshot.volumeUuid, snapshot: snapshot.name, asVolume };
  const limits = qos === undefined ? {} : { qos };
  const isZoned = zones !== undefined && (await storage.pools()).some(isClusterPool);
  const where = isZoned ? { zones } : {};
  return storage.createVolume({ name, sizeBytes, source, hosts: [], ...parameters, ...limits, ...where });
}

async function dropNamed(parts: Pick<Parts, 'storage'>, volume: VolumeBody, name: string): Promise<void> {
  const snapshots = await parts.storage.snapshots(volume.uuid);
  await dropSnapshot(
    parts,
    snapshots.find((one) => one.name === name),
  );
}

async function dropSnapshot(
  { storage }: Pick<Parts, 'storage'>,
  snapshot: SnapshotBody | undefined,
): Promise<void> {
  if (snapshot === undefined) return;
  try {
    await storage.deleteSnapshot({ volume: snapshot.volumeUuid, name: snapshot.name });
  } catch (error) {
    const gone = error instanceof RemoteError && /^(?:SNAPSHOT|VOLUME)_NOT_FOUND$/.test(error.code);
    if (!gone) throw error;
  }
}
