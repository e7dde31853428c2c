// Why a volume is as it is, for a person: what is so, what is needed for it to be used, what is safe to do,
// and what would be lost. From its view alone. Pure.
import { formatSize } from '../base/sizes.js';
import type { ClusterVolumeView } from './types.js';

export interface Explanation {
  readonly health: string;
  /** A sentence each. */
  readonly reasons: readonly string[];
  readonly waitingFor?: string;
  /** What may be done without losing data or access. */
  readonly safe: readonly string[];
  /** What would. */
  readonly unsafe: readonly string[];
}

export function explainVolume(volume: ClusterVolumeView): Explanation {
  const { health, waitingFor } = volume;
  return {
    health,
    reasons: reasonsOf(volume),
    ...(waitingFor !== undefined && { waitingFor }),
    safe: safeOf(volume),
    unsafe: unsafeOf(volume),
  };
}

function reasonsOf(volume: ClusterVolumeView): readonly string[] {
  const { replicas, wishes, head, wantedHead, state } = volume;
  const inSync = replicas.filter((replica) => replica.inSync);
  const reasons = [
    `${inSync.length} of ${wishes.replicas} replicas are in sync; writes need ${wishes.minInSync}`,
    ...(head === undefined ? [] : [`its head is on '${head}'`]),
    ...replicas.filter((replica) => replica.state !== 'in-sync').map(replicaText),
  ];
  if (volume.wantedSizeBytes !== undefined) {
    const sizes = `${formatSize(volume.sizeBytes)}, and is to have ${formatSize(volume.wantedSizeBytes)}`;
    reasons.push(`it has ${sizes}: its head makes all replicas larger when all of them are in sync`);
  }
  if (state === 'ready' && head === undefined) {
    reasons.push('no node is its head: one with a replica in sync has to answer');
  }
  if (head !== undefined && wantedHead !== undefined && head !== wantedHead) {
    reasons.push(`its head is to go to '${wantedHead}'`);
  }
  if (volume.health === 'unavailable' && inSync.length < wishes.minInSync) {
    const missing = wishes.minInSync - inSync.length;
    reasons.push(`writes wait for ${missing} more: what was acknowledged is complete on those in sync`);
  }
  return reasons;
}

function replicaText({ node, state, error }: ClusterVolumeView['replicas'][number]): string {
  const why = error === undefined ? '' : `: ${error}`;
  switch (state) {
    case 'away':
      return `the node '${node}' does not answer`;
    case 'stale':
      return `the replica on '${node}' misses writes; they are copied to it${why}`;
    case 'absent':
      return `the replica on '${node}' is not served${why}`;
    case 'leaving':
      return `the replica on '${node}' is about to go${why}`;
    default:
      return `the replica on '${node}' is ${state}${why}`;
  }
}

function safeOf({ replicas, wishes, head }: ClusterVolumeView): readonly string[] {
  const up = replicas.filter(({ inSync, state }) => inSync && state === 'in-sync');
  const spare = up.length - wishes.minInSync;
  if (spare <= 0) return [];
  const others = up.filter(({ node }) => node !== head).map(({ node }) => node);
  return [
    `${spare} more of the nodes ${up.map(({ node }) => `'${node}'`).join(', ')} may fail or be restarted`,
    ...(others.length === 0 ? [] : [`its head may move: ballast volume move-head NAME ${others[0]}`]),
  ];
}

function unsafeOf({ replicas, wishes }: ClusterVolumeView): readonly string[] {
  const inSync = replicas.filter((replica) => replica.inSync);
  const up = inSync.filter(({ state }) => state === 'in-sync');
  const unsafe = [];
  if (up.length > 0 && up.length <= wishes.minInSync) {
    unsafe.push(
      `without one of ${up.map(({ node }) => `'${node}'`).join(', ')} writes wait until it is back`,
    );
  }
  const [only] = inSync;
  if (inSync.length === 1 && only !== undefined) {
    unsafe.push(
      `the disk of '${only.node}' has the only complete copy: if it is lost, so is what was written`,
    );
  }
  return unsafe;
}
