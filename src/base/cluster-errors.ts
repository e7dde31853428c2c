// The errors of a cluster's records and of what is asked of its nodes and volumes. Their codes stand in the
// catalogue of errors.ts.
import { DomainError } from './errors.js';

/** What the store keeps of the cluster cannot be read: nothing is guessed from it. */
export class ClusterRecordError extends DomainError {
  readonly code = 'CLUSTER_RECORD_DAMAGED';
  constructor(
    readonly key: string,
    readonly reason: string,
  ) {
    super(`record ${key} ${reason}`);
  }
}

export class NodeNotFoundError extends DomainError {
  readonly code = 'NODE_NOT_FOUND';
  constructor(readonly node: string) {
    super(`the cluster has no node '${node}'`);
  }
}

export class NodeStateError extends DomainError {
  readonly code = 'NODE_STATE';
  constructor(
    readonly node: string,
    readonly reason: string,
  ) {
    super(`node '${node}' ${reason}`);
  }
}

export class ClusterVolumeStateError extends DomainError {
  readonly code = 'CLUSTER_VOLUME_STATE';
  constructor(
    readonly volume: string,
    readonly reason: string,
  ) {
    super(`volume '${volume}' ${reason}`);
  }
}

/** Nodes have seen more than the store says: it is the copy of an earlier one, or of another cluster. */
export class StoreRestoredError extends DomainError {
  readonly code = 'STORE_RESTORED';
  constructor(readonly reason: string) {
    super(`the store of the cluster is refused: ${reason}`);
  }
}

export class ClusterUnsupportedError extends DomainError {
  readonly code = 'CLUSTER_UNSUPPORTED';
  /** `what`: in the plural, such as "snapshots". */
  constructor(readonly what: string) {
    super(`a cluster cannot have ${what} yet`);
  }
}

export class NoPlacementError extends DomainError {
  readonly code = 'NO_PLACEMENT';
  constructor(
    readonly volume: string,
    /** For each node that was looked at, why it cannot. */
    readonly refusals: readonly { readonly node: string; readonly reason: string }[],
    missing: number,
  ) {
    const each = refusals.map(({ node, reason }) => `${node}: ${reason}`).join('; ');
    const replicas = missing === 1 ? 'one replica' : `${missing} replicas`;
    super(`volume '${volume}': there is no node for ${replicas}${each === '' ? '' : ` (${each})`}`);
  }
}
