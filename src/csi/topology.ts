// Where volumes are, for clusters that say it. Without segments volumes can be reached from every node: then
// every requirement is met. With segments they can be reached where no segment says otherwise.
import { RpcError } from '../rpc/status.js';
import type { Topology, TopologyRequirement } from './messages.js';

export type Segments = Readonly<Record<string, string>>;

export function checkTopology(ours: Segments | undefined, requirement: TopologyRequirement | null): void {
  if (ours === undefined || requirement === null || requirement.requisite.length === 0) return;
  if (requirement.requisite.some((wanted) => isReachable(ours, wanted))) return;
  throw new RpcError('RESOURCE_EXHAUSTED', 'accessibility_requirements: this daemon is in none of them');
}

export function isReachable(ours: Segments | undefined, { segments }: Topology): boolean {
  if (ours === undefined) return true;
  return Object.entries(ours).every(
    ([key, value]) => !Object.hasOwn(segments, key) || segments[key] === value,
  );
}
