// Which hosts may use a volume of a cluster: what a grant and its end make of the record, and which nodes do
// not keep to that record yet. Pure.
import { ClusterVolumeStateError } from '../base/cluster-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import { HostConflictError } from '../base/pool-errors.js';
import { hostsMax } from '../base/volume-spec.js';
import { leavingOf, type PlacedReplica, type VolumeRecord } from '../cluster/model/volume.js';
import { type ClusterSnapshot, saidOf } from './cluster-state.js';

/** The first grant closes a volume that any host may use to all others. `exclusive`: no second one. */
export function withHost(volume: VolumeRecord, nqn: string, exclusive: boolean): VolumeRecord {
  const { exclusive: isAlone = false, hosts = [], name, state, ...rest } = volume;
  if (state === 'deleting') throw new ClusterVolumeStateError(name, 'is being deleted');
  const others = hosts.filter((host) => host !== nqn);
  if (isAlone && others.length > 0) throw new HostConflictError(name, `${others[0]} has it exclusively`);
  if (exclusive && others.length > 0) {
    const who = others.length === 1 ? `${others[0]} has it` : `${others.length} hosts have it`;
    throw new HostConflictError(name, `it cannot be given to one host alone: ${who}`);
  }
  if (others.length >= hostsMax) throw new HostConflictError(name, `${hostsMax} hosts have it, no more can`);
  if (hosts.includes(nqn) && isAlone === exclusive) return volume;
  const next = hosts.includes(nqn) ? hosts : [...hosts, nqn];
  return { ...rest, name, state, hosts: next, ...(exclusive && { exclusive }) };
}

/** Without any granted nobody may use it. */
export function withoutHost(volume: VolumeRecord, nqn: string): VolumeRecord {
  const { exclusive: _exclusive, ...rest } = volume;
  if (volume.hosts === undefined) {
    const expected = 'a volume with a list of hosts; any host may use this one, grant it to some first';
    throw new InvalidArgumentError('volume', expected);
  }
  if (!volume.hosts.includes(nqn)) return volume;
  const hosts = volume.hosts.filter((host) => host !== nqn);
  // One that was granted alone was the only one.
  return hosts.length === 0 ? { ...rest, hosts } : { ...volume, hosts };
}

/**
 * Names of nodes at which I/O of a host may still take effect that the record of this revision lets in no
 * more. A node that is away counts while it is the head: I/O at another one has none, as its replicas are the
 * head's.
 */
export function nodesBehind(volume: VolumeRecord, revision: bigint, snapshot: ClusterSnapshot): string[] {
  const mirror = snapshot.mirrors.get(volume.name)?.record;
  const isBehind = ({ uuid, node }: PlacedReplica) => {
    if (!snapshot.facts.has(node))
      return mirror === undefined || (!mirror.headStopped && mirror.head === node);
    const said = saidOf(snapshot, node, volume.name);
    if (said?.replica !== uuid) return true; // it has not said anything of it yet
    return said.state !== 'discarded' && (said.hostsRevision ?? 0n) < revision;
  };
  const nameOf = (node: string) => snapshot.nodes.get(node)?.record.name ?? node;
  return [...volume.replicas, ...leavingOf(volume)].filter(isBehind).map(({ node }) => nameOf(node));
}
