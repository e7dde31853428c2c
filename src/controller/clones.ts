// A volume of a cluster that begins as a snapshot of another one: of which, how large, and on which of the
// nodes that have it. Each of its first replicas is made of the snapshot on its own node, so that nothing is
// copied; they are equal, and all of them in sync, because a snapshot of one UUID is the same wherever it is
// complete, and never changes (docs/replication.md).

import { ClusterVolumeStateError, NoPlacementError } from '../base/cluster-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import { SnapshotNotFoundError } from '../base/pool-errors.js';
import { volumeKey } from '../cluster/model/keys.js';
import type { PlacedReplica, PlacementWishes, VolumeOrigin, VolumeRecord } from '../cluster/model/volume.js';
import type { Candidate } from '../cluster/placement/candidates.js';
import { type PlacementRequest, place } from '../cluster/placement/place.js';
import type { Stored } from '../cluster/view/cluster-view.js';
import {
  baseSnapshotName,
  decodeSnapshot,
  encodeSnapshot,
  type NamedSnapshot,
  type StoredSnapshot,
  snapshotKey,
} from '../mirrors/snapshot-records.js';
import type { Compare, Store, Write } from '../store/types.js';
import type { ClusterSnapshot } from './cluster-state.js';

/** Of one snapshot, volumes that are not made yet. */
const clonesAtOnceMax = 128;

export interface CloneSource {
  readonly volume: Stored<VolumeRecord>;
  readonly named: NamedSnapshot;
}

/** Of a volume as it was found. Fails when there is no such snapshot, or it is being taken or deleted. */
export function sourceOf(cluster: ClusterSnapshot, { name }: VolumeRecord, snapshot: string): CloneSource {
  const volume = cluster.volumes.get(name);
  const named = cluster.snapshots.get(name)?.get(snapshot);
  if (volume === undefined || named?.snapshot.state !== 'complete') {
    throw new SnapshotNotFoundError(name, snapshot);
  }
  return { volume, named };
}

/** As large as the snapshot, or larger. */
export function cloneBytes({ named }: CloneSource, wantedBytes: bigint | undefined): bigint {
  const { sizeBytes } = named.snapshot;
  if (wantedBytes === undefined || wantedBytes >= sizeBytes) return wantedBytes ?? sizeBytes;
  throw new InvalidArgumentError('sizeBytes', `at least the ${sizeBytes} bytes of the snapshot`);
}

/** What was not said is wished as of its origin, but for which volumes it is to be apart from. */
export function cloneWishes({ volume }: CloneSource): PlacementWishes {
  const { apartGroup: _, ...wishes } = volume.record.wishes;
  return wishes;
}

/**
 * Where its first replicas are, without their UUIDs: as many as are wished for, as far as nodes have the
 * snapshot and may keep one more; fails where fewer have it than must be in sync.
 */
export function placeClone(
  { volume, named }: CloneSource,
  request: PlacementRequest,
  candidates: readonly Candidate[],
): readonly Omit<PlacedReplica, 'uuid'>[] {
  const { members } = named.snapshot;
  const isHolder = ({ uuid }: PlacedReplica) => members.includes(uuid);
  const { replicas } = volume.record;
  const holders = new Map(replicas.filter(isHolder).map((one) => [one.node, one]));
  const places = candidates.flatMap((candidate) => {
    const holder = holders.get(candidate.node.id);
    if (holder === undefined) return [];
    return [{ ...candidate, pools: candidate.pools.filter(({ name }) => name === holder.pool) }];
  });
  const { chosen, refusals } = place(request, places);
  const missing = request.wishes.minInSync - chosen.length;
  if (missing > 0) {
    const lacking = replicas.filter((one) => !isHolder(one));
    const nameOf = (node: string) => candidates.find((one) => one.node.id === node)?.node.name ?? node;
    const reason = 'it does not have the snapshot yet';
    const others = lacking.map(({ node }) => ({ node: nameOf(node), reason }));
    throw new NoPlacementError(request.name, [...refusals, ...others], missing);
  }
  return chosen.flatMap(({ node, pool }) => {
    const origin = holders.get(node)?.uuid;
    return origin === undefined ? [] : [{ node, pool, origin }];
  });
}

/**
 * What is to be so while it is made, together with its record: the snapshot is there, on the nodes that it is
 * made on, and stays until it is made (snapshot-reconciler.ts). Fails when the snapshot has gone.
 */
export async function holdSource(
  store: Pick<Store, 'get'>,
  record: VolumeRecord,
  { volume, named }: CloneSource,
): Promise<{ readonly looked: readonly Compare[]; readonly writes: readonly Write[] }> {
  const { name, replicas } = record;
  const { name: of } = volume.record;
  const key = snapshotKey(of, named.name);
  const stored = await store.get(key);
  const found = stored && decodeSnapshot(stored).snapshot;
  const isThere = replicas.every(({ origin = '' }) => found?.members.includes(origin));
  if (found?.uuid !== named.snapshot.uuid || found.state !== 'complete' || !isThere) {
    throw new SnapshotNotFoundError(of, named.name);
  }
  if ((found.cloning?.length ?? 0) >= clonesAtOnceMax) {
    const reason = `has ${clonesAtOnceMax} volumes that are being made of '${named.name}'; try again`;
    throw new ClusterVolumeStateError(of, reason);
  }
  const base = snapshotKey(name, baseSnapshotName);
  const cloning = [...new Set([...(found.cloning ?? []), name])];
  return {
    looked: [
      { key, revision: found.revision },
      // One that is about to leave is not cloned.
      { key: volumeKey(of), revision: volume.revision },
      { key: base, revision: 0n },
    ],
    writes: [
      { type: 'put', key, value: encodeSnapshot({ ...found, cloning }) },
      { type: 'put', key: base, value: encodeSnapshot(baseOf(record, found)) },
    ],
  };
}

/** What its first replicas have in common; see baseSnapshotName. */
function baseOf({ uuid, sizeBytes, replicas }: VolumeRecord, { createdAt }: StoredSnapshot): StoredSnapshot {
  return {
    ...{ revision: 0n, begun: 0n, uuid, state: 'complete', createdAt, sizeBytes },
    ...{ members: replicas.map((one) => one.uuid), carrying: [], rests: [] },
  };
}

export function originOf({ volume, named }: CloneSource, asVolume = false): VolumeOrigin {
  const origin = { volume: volume.record.uuid, snapshot: named.snapshot.uuid };
  return asVolume ? { ...origin, asVolume: true } : origin;
}
