// Which volumes of pools are of replicas of this daemon: the one with a replica's data, and the hidden one
// beside it with what the replica notes. Neither is served to hosts, listed, or changed.
import { replicaMetadataName, replicaMetadataPrefix, replicaOfData } from '../base/replica-spec.js';

/** What a replica of this daemon has: a file, or a volume of a pool. */
export type ReplicaData =
  | { readonly replica: string; readonly path: string }
  | { readonly replica: string; readonly pool: string; readonly volume: string };

export function isReplicaMetadata(volume: string): boolean {
  return volume.startsWith(replicaMetadataPrefix);
}

export class ReplicaVolumes {
  readonly #owners = new Map<string, string>();

  constructor(replicas: readonly ReplicaData[]) {
    for (const one of replicas) {
      if (!('pool' in one)) continue;
      this.#owners.set(key(one.pool, one.volume), one.replica);
      this.#owners.set(key(one.pool, replicaMetadataName(one.replica)), one.replica);
    }
  }

  /** Name of the replica that has this volume. */
  ownerOf(pool: string, volume: string): string | undefined {
    return replicaOfData(volume) ?? this.#owners.get(key(pool, volume));
  }
}

// No name of a pool has a slash.
function key(pool: string, volume: string): string {
  return `${pool}/${volume}`;
}
