// Where volumes are, for clusters that say it. Without segments volumes can be reached from every node: then
// every requirement is met. With segments they can be reached where no segment says otherwise. With a key the
// zones of a storage cluster are segments under it: a volume is kept in those that are asked for, and answers
// them as long as it lives, whichever of them its replicas go to.
import { zonesMax } from '../base/volume-spec.js';
import { RpcError } from '../rpc/status.js';
import { invalid } from './checks.js';
import type { Topology, TopologyRequirement } from './messages.js';
import type { StorageVolume } from './storage.js';

export type Segments = Readonly<Record<string, string>>;

export interface Places {
  /** Of everything; none: from everywhere. */
  readonly topology: Segments | undefined;
  /** Label under which zones of the cluster are told; none: they are not. */
  readonly zoneKey: string | undefined;
}

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

/**
 * Zones that replicas of a volume may be in, those that are preferred first. Undefined: any, as nothing is
 * asked for, or one of what is says nothing of zones.
 */
export function zonesWanted(
  { topology, zoneKey }: Places,
  requirement: TopologyRequirement | null,
): readonly string[] | undefined {
  if (zoneKey === undefined || requirement === null) return undefined;
  const { requisite, preferred } = requirement;
  const ours = (all: readonly Topology[]) => all.filter((one) => isReachable(topology, one));
  const zoneOf = ({ segments }: Topology) => segments[zoneKey];
  const allowed = ours(requisite.length > 0 ? requisite : preferred).map(zoneOf);
  if (allowed.length === 0 || allowed.includes(undefined)) return undefined;
  const first = ours(preferred)
    .map(zoneOf)
    .filter((zone) => allowed.includes(zone));
  const zones = [...new Set([...first, ...allowed])].filter((zone) => zone !== undefined);
  if (zones.length > zonesMax) throw invalid('accessibilityRequirements', `at most ${zonesMax} zones`);
  return zones;
}

/** From where a volume can be reached; empty: from everywhere. */
export function topologiesOf({ topology, zoneKey }: Places, volume: StorageVolume): Topology[] {
  const { zones } = volume.cluster ?? {};
  if (zoneKey !== undefined && zones !== undefined) {
    return zones.map((zone) => ({ segments: { ...topology, [zoneKey]: zone } }));
  }
  return topology === undefined ? [] : [{ segments: { ...topology } }];
}

/** Whether a volume that is there can be reached from one of what is asked for. */
export function isWhereWanted(wanted: readonly string[] | undefined, volume: StorageVolume): boolean {
  const { zones } = volume.cluster ?? {};
  return wanted === undefined || zones === undefined || wanted.some((zone) => zones.includes(zone));
}
