// The SnapshotMetadata service: what of a snapshot is allocated, and in what two of a volume differ, as
// ranges in order. The daemon is asked for a page when the reader wants one, so that nothing piles up here.
import { toBytes } from '../client/api-client.js';
import type { Handlers } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { invalid, required } from './checks.js';
import type { BlockMetadata, BlockMetadataType, SnapshotMetadataService } from './messages.js';
import type { Parts } from './parts.js';
import type { FoundSnapshot } from './snapshot-directory.js';

/** Ranges in a message where the caller sets no bound, and the most that the daemon gives at once. */
const rangesDefault = 1024;
const rangesMax = 4096;

interface Wanted {
  readonly startingOffset: string;
  readonly maxResults: number;
}

interface Message {
  readonly blockMetadataType: BlockMetadataType;
  readonly volumeCapacityBytes: string;
  readonly blockMetadata: readonly BlockMetadata[];
}

export function snapshotMetadata(parts: Parts): Handlers<SnapshotMetadataService> {
  return {
    GetMetadataAllocated: async function* (request) {
      required('snapshotId', request.snapshotId);
      checkBounds(request);
      yield* rangesOf(parts, await parts.snapshots.get(request.snapshotId), undefined, request);
    },
    GetMetadataDelta: async function* (request) {
      const { baseSnapshotId, targetSnapshotId } = request;
      required('baseSnapshotId', baseSnapshotId);
      required('targetSnapshotId', targetSnapshotId);
      checkBounds(request);
      const base = await parts.snapshots.get(baseSnapshotId);
      const target = await parts.snapshots.get(targetSnapshotId);
      if (base.volume.uuid !== target.volume.uuid)
        throw invalid('targetSnapshotId', 'one of the same volume');
      await checkOrder(parts, base, target);
      yield* rangesOf(parts, target, base.snapshot.name, request);
    },
  };
}

async function* rangesOf(
  { storage }: Parts,
  { volume, snapshot }: FoundSnapshot,
  since: string | undefined,
  { startingOffset, maxResults }: Wanted,
): AsyncGenerator<Message> {
  const sizeBytes = toBytes(snapshot.sizeBytes);
  if (BigInt(startingOffset) > sizeBytes) throw outOfRange();
  const limit = String(maxResults === 0 ? rangesDefault : Math.min(maxResults, rangesMax));
  let offset: string | undefined = startingOffset;
  while (offset !== undefined) {
    const page = await storage.extents(volume.uuid, { snapshot: snapshot.name, since, offset, limit });
    const blockMetadata = page.extents.map(({ offsetBytes, lengthBytes }) => ({
      byteOffset: String(offsetBytes),
      sizeBytes: String(lengthBytes),
    }));
    if (blockMetadata.length > 0) {
      yield {
        blockMetadataType: 'VARIABLE_LENGTH',
        volumeCapacityBytes: sizeBytes.toString(),
        blockMetadata,
      };
    }
    offset = page.nextOffsetBytes === undefined ? undefined : String(page.nextOffsetBytes);
  }
}

/** The daemon lists the snapshots of a volume in the order in which they were taken. */
async function checkOrder({ snapshots }: Parts, base: FoundSnapshot, target: FoundSnapshot): Promise<void> {
  const uuids = (await snapshots.ofVolume(target.volume)).map(({ snapshot }) => snapshot.uuid);
  if (uuids.indexOf(base.snapshot.uuid) >= uuids.indexOf(target.snapshot.uuid)) {
    throw invalid('targetSnapshotId', 'one that was taken after that of base_snapshot_id');
  }
}

function checkBounds({ startingOffset, maxResults }: Wanted): void {
  if (maxResults < 0) throw invalid('maxResults', '0 or more');
  if (BigInt(startingOffset) < 0n) throw outOfRange();
}

function outOfRange(): RpcError {
  return new RpcError('OUT_OF_RANGE', 'starting_offset: expected a place within the snapshot');
}
