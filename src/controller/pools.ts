// The pools of all nodes, by their names, and what one more volume may have of each. Pure.
import { takesReplicas } from '../cluster/model/node.js';
import type { Candidate, CandidatePool } from '../cluster/placement/candidates.js';
import { roomFor } from '../cluster/placement/fit.js';
import type { ClusterPoolNodeView, ClusterPoolView } from './types.js';

/** In the order of their names. */
export function poolViews(candidates: readonly Candidate[]): readonly ClusterPoolView[] {
  const all = candidates
    .filter(({ node }) => node.state !== 'decommissioned')
    .flatMap((candidate) =>
      candidate.pools.map((pool) => ({ name: pool.name, view: viewOf(candidate, pool) })),
    );
  const names = [...new Set(all.map(({ name }) => name))].sort();
  return names.map((name) => ({
    name,
    nodes: all
      .flatMap((one) => (one.name === name ? [one.view] : []))
      .sort((one, other) => (one.node < other.node ? -1 : 1)),
  }));
}

function viewOf({ node, lost }: Candidate, pool: CandidatePool): ClusterPoolNodeView {
  const { capacityBytes, freeBytes, error } = pool;
  const isOpen = takesReplicas(node) && !lost;
  const { thinBytes, thickBytes } = isOpen ? roomFor(pool) : { thinBytes: 0n, thickBytes: 0n };
  return {
    ...{ node: node.name, labels: node.labels, up: !lost, capacityBytes, freeBytes, thinBytes, thickBytes },
    ...(node.zone !== undefined && { zone: node.zone }),
    ...(error !== undefined && { error }),
  };
}
