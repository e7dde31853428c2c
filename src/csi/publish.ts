// ControllerPublishVolume and its end. A node is known by the NQN of its host; publishing grants the host
// the volume, for a single node exclusively, so that a second node is kept out by the target and not by a
// promise. Unpublishing answers when none of the host's I/O can take effect any more, whatever became of
// the node.
import { formatHost } from '../base/address.js';
import { checkNqn } from '../base/nqn.js';
import type { VolumeBody } from '../client/api-client.js';
import { RemoteError } from '../client/remote-error.js';
import type { Call } from '../rpc/handlers.js';
import { RpcError } from '../rpc/status.js';
import { checkCapabilities, isForOneNode } from './capabilities.js';
import { invalid, required } from './checks.js';
import type { ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest } from './messages.js';
import { isVolumeId } from './names.js';
import { type Parts, withVolumes } from './parts.js';
import type { StorageVolume } from './storage.js';

/** What a node needs to attach a volume: it finds the device by `uuid`, never by a name. */
export interface PublishContext {
  readonly transport: 'tcp';
  /** HOST:PORT, several with commas between. */
  readonly addresses: string;
  readonly nqn: string;
  readonly nsid: string;
  readonly uuid: string;
}

export async function publishVolume(
  parts: Parts,
  { volumeId, nodeId, volumeCapability, readonly }: ControllerPublishVolumeRequest,
  call: Call,
): Promise<{ publishContext: Readonly<Record<string, string>> }> {
  required('volumeId', volumeId);
  required('nodeId', nodeId);
  const capability = required('volumeCapability', volumeCapability);
  checkCapabilities('volumeCapability', [capability]);
  if (readonly) throw invalid('readonly', 'false: mounts are made read-only by the node');
  return withVolumes(parts, [volumeId.toLowerCase()], call, async () => {
    const volume = await parts.volumes.get(volumeId);
    if (!isHostNqn(nodeId)) throw new RpcError('NOT_FOUND', 'node_id: there is no such node');
    checkServed(volume);
    const addresses = (await addressesOf(parts, volume)).join(',');
    await grant(parts, volume, nodeId, isForOneNode(capability));
    const { nqn, nsid, uuid } = volume;
    const context: PublishContext = { transport: 'tcp', addresses, nqn, nsid: String(nsid), uuid };
    return { publishContext: { ...context } };
  });
}

async function grant(
  { storage }: Parts,
  { uuid, hosts = [] }: VolumeBody,
  nodeId: string,
  exclusive: boolean,
): Promise<void> {
  const mine = hosts.find(({ nqn }) => nqn === nodeId);
  if (mine !== undefined && mine.exclusive !== exclusive) {
    throw new RpcError('ALREADY_EXISTS', 'it is published at this node with another access mode');
  }
  const other = hosts.find((host) => host.nqn !== nodeId && (exclusive || host.exclusive));
  if (other !== undefined) {
    throw new RpcError('FAILED_PRECONDITION', `it is published at another node, ${other.nqn}`);
  }
  if (mine === undefined) await storage.grantHost(uuid, nodeId, { exclusive });
}

/** Of one node, or of all where none is named. What is not published or not there is unpublished already. */
export async function unpublishVolume(
  parts: Parts,
  { volumeId, nodeId }: ControllerUnpublishVolumeRequest,
  call: Call,
): Promise<object> {
  if (!isVolumeId(required('volumeId', volumeId))) return {};
  return withVolumes(parts, [volumeId.toLowerCase()], call, async () => {
    const volume = await parts.volumes.find(volumeId);
    // Without a list any host may use it: nothing was granted by us.
    if (volume?.hosts === undefined) return {};
    if (nodeId !== '' && !isHostNqn(nodeId)) return {};
    // Also who is not on the list any more: an earlier call may have been cut off while I/O was finishing.
    const nodes = nodeId === '' ? await nodesOf(parts, volume) : [nodeId];
    for (const node of nodes) await revoke(parts, volume, node);
    return {};
  });
}

async function nodesOf({ storage }: Parts, { uuid }: VolumeBody): Promise<ReadonlySet<string>> {
  try {
    const { granted = [], connected } = await storage.hosts(uuid);
    return new Set([...granted.map(({ nqn }) => nqn), ...connected]);
  } catch (error) {
    if (isGone(error)) return new Set();
    throw error;
  }
}

async function revoke({ storage }: Parts, { uuid }: VolumeBody, nodeId: string): Promise<void> {
  try {
    await storage.revokeHost(uuid, nodeId);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof RemoteError && error.code === 'VOLUME_NOT_FOUND';
}

function checkServed({ state, error = '' }: VolumeBody): void {
  if (state === 'serving') return;
  // Its key may be there in a moment; what is stopped or erased needs somebody.
  const status = state === 'locked' ? 'UNAVAILABLE' : 'FAILED_PRECONDITION';
  throw new RpcError(status, `the volume is ${state}: ${error}`);
}

function isHostNqn(text: string): boolean {
  try {
    checkNqn(text);
    return true;
  } catch {
    return false;
  }
}

/** Where nodes reach the target: a volume of a cluster says it itself. */
export async function addressesOf(
  { storage, targetAddresses }: Pick<Parts, 'storage' | 'targetAddresses'>,
  { addresses }: Pick<StorageVolume, 'addresses'>,
): Promise<readonly string[]> {
  if (addresses !== undefined) return addresses.map(({ host, port }) => `${formatHost(host)}:${port}`);
  if (targetAddresses.length > 0) return targetAddresses;
  const listeners = (await storage.node()).listeners.filter(
    ({ host }) => host !== '0.0.0.0' && host !== '::',
  );
  if (listeners.length > 0) return listeners.map(({ host, port }) => `${formatHost(host)}:${port}`);
  throw new RpcError(
    'FAILED_PRECONDITION',
    'the daemon listens on every address of its machine: the driver has to be told the one that nodes use',
  );
}
