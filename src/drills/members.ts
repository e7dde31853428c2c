// Are all members of a volume equal, byte for byte? Looked at on their disks, when their nodes have ended.
import { replicaDataName } from '../base/replica-spec.js';
import type { ClusterVolume } from './cluster/api.js';
import { type DrillNode, poolName } from './cluster/drill-cluster.js';
import type { DrillHost } from './host.js';
import type { DrillReport } from './report/report.js';

const digestOfBytes = 1 << 20;

export async function compareMembers(
  host: Pick<DrillHost, 'digests'>,
  { replicas, sizeBytes }: Pick<ClusterVolume, 'replicas' | 'sizeBytes'>,
  nodeOf: (name: string) => Pick<DrillNode, 'disk'>,
): Promise<NonNullable<DrillReport['members']>> {
  const members: { readonly node: string; readonly digests: readonly string[] }[] = [];
  for (const { uuid, node } of replicas) {
    members.push({ node, digests: await host.digests(nodeOf(node).disk, poolName, replicaDataName(uuid)) });
  }
  const bytes = Number(sizeBytes);
  const [first, ...others] = members;
  for (const { node, digests } of others) {
    const length = Math.max(digests.length, first?.digests.length ?? 0);
    const at = Array.from({ length }, (_, index) => index).filter(
      (index) => digests[index] !== first?.digests[index],
    );
    if (at[0] === undefined) continue;
    const text =
      `the replicas of ${first?.node} and ${node} are not equal: ${at.length} MiB of them, ` +
      `the first at byte ${at[0] * digestOfBytes}`;
    return { equal: false, bytes, text };
  }
  const names = members.map(({ node }) => node).join(', ');
  return { equal: true, bytes, text: `the replicas of ${names} are equal in all ${bytes} bytes` };
}
