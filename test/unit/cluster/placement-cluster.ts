// Clusters, requests and volumes for the tests of placement, by a few words each.
import type { NodeFacts, PoolFacts } from '../../../src/cluster/model/facts.js';
import type { NodeRecord, NodeState } from '../../../src/cluster/model/node.js';
import type { PlacementWishes, VolumeRecord } from '../../../src/cluster/model/volume.js';
import { candidatesOf } from '../../../src/cluster/placement/candidates.js';
import type { PlacementRequest } from '../../../src/cluster/placement/place.js';

export const gib = 1n << 30n;
export const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

export interface Spec {
  readonly state: NodeState;
  readonly lost: boolean;
  readonly zone?: string;
  readonly labels: Record<string, string>;
  readonly pools: readonly PoolFacts[];
}

export function nodeOf(number: number, { state, zone, labels }: Spec): NodeRecord {
  const address = { host: `10.0.0.${number}`, port: 4420 };
  return {
    id: id(number),
    name: `node${String(number).padStart(3, '0')}`,
    addresses: { nvme: address, replication: { ...address, port: 4430 } },
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${id(number)}`,
    labels,
    ...(zone !== undefined && { zone }),
    state,
    slot: number % 63,
    joined: '2026-11-22T10:00:00.000Z',
  };
}

export function poolOf(name: string, capacityGib: number, more: Partial<PoolFacts> = {}): PoolFacts {
  const capacityBytes = BigInt(capacityGib) * gib;
  return { name, uuid: id(1), capacityBytes, freeBytes: capacityBytes, ...more };
}

export const good: Spec = { state: 'active', lost: false, labels: {}, pools: [poolOf('p', 100)] };

export interface Cluster {
  readonly nodes: readonly NodeRecord[];
  readonly facts: ReadonlyMap<string, NodeFacts>;
}

export function clusterOf(specs: readonly Spec[]): Cluster {
  const nodes = specs.map((spec, index) => nodeOf(index + 1, spec));
  const facts = new Map<string, NodeFacts>();
  specs.forEach(({ lost, pools }, index) => {
    const started = '2026-11-22T10:00:00.000Z';
    if (!lost) facts.set(id(index + 1), { version: '1', started, pools });
  });
  return { nodes, facts };
}

export const wishes: PlacementWishes = { replicas: 3, minInSync: 2, thick: false, spread: 'prefer-zone' };

export function requestOf(
  more: Partial<Omit<PlacementRequest, 'wishes'>> & { wishes?: Partial<PlacementWishes> } = {},
) {
  const request = { name: 'v', sizeBytes: 10n * gib, minIops: 0, keep: [], ...more };
  return { ...request, wishes: { ...wishes, ...more.wishes } };
}

export function volumeOf(
  name: string,
  request: PlacementRequest,
  nodes: readonly { node: string; pool: string }[],
): VolumeRecord {
  const { sizeBytes, minIops, wishes: wanted } = request;
  return {
    name,
    uuid: id(500),
    nqn: 'nqn.2026-11.dev.ballast:volume:x',
    sizeBytes,
    blockSizeBytes: 4096,
    replicas: nodes.map((one, index) => ({ ...one, uuid: id(600 + index) })),
    wishes: wanted,
    qos: { minIops },
    state: 'ready',
    created: '2026-11-22T10:00:00.000Z',
  };
}

export const nodes = (specs: readonly Spec[]) => {
  const { nodes: records, facts } = clusterOf(specs);
  return candidatesOf(records, facts, []);
};
