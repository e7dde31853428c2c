// ControllerPublishVolume and its end, and whether a volume can be used as somebody wants to. A node is known
// by the NQN of its host. The daemon keeps no list of the hosts that may use a volume of a pool: publishing
// says where the volume is, and cannot keep a second node out.
import { formatHost } from '../base/address.js';
import { checkNqn } from '../base/nqn.js';
import type { VolumeBody } from '../client/api-client.js';
import { RpcError } from '../rpc/status.js';
import { checkCapabilities, unsupported } from './capabilities.js';
import { invalid, required } from './checks.js';
import type {
  ControllerPublishVolumeRequest,
  ControllerUnpublishVolumeRequest,
  ValidateVolumeCapabilitiesRequest,
  ValidateVolumeCapabilitiesResponse,
} from './messages.js';
import { checkMutableParameters } from './mutable-parameters.js';
import { differenceOf, parseParameters } from './parameters.js';
import type { Parts } from './parts.js';

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
): Promise<{ publishContext: Readonly<Record<string, string>> }> {
  required('volumeId', volumeId);
  required('nodeId', nodeId);
  checkCapabilities('volumeCapability', [required('volumeCapability', volumeCapability)]);
  if (readonly) throw invalid('readonly', 'false: mounts are made read-only by the node');
  const volume = await parts.volumes.get(volumeId);
  if (!isHostNqn(nodeId)) throw new RpcError('NOT_FOUND', 'node_id: there is no such node');
  checkServed(volume);
  const context: PublishContext = {
    transport: 'tcp',
    addresses: (await addressesOf(parts)).join(','),
    nqn: volume.nqn,
    nsid: String(volume.nsid),
    uuid: volume.uuid,
  };
  return { publishContext: { ...context } };
}

/** Nothing was granted, so nothing is taken back: also of volumes and nodes that are gone. */
export async function unpublishVolume({ volumeId }: ControllerUnpublishVolumeRequest): Promise<object> {
  required('volumeId', volumeId);
  return {};
}

export async function validateCapabilities(
  { volumes }: Parts,
  request: ValidateVolumeCapabilitiesRequest,
): Promise<ValidateVolumeCapabilitiesResponse> {
  const { volumeId, volumeCapabilities, volumeContext, parameters, mutableParameters } = request;
  required('volumeId', volumeId);
  required('volumeCapabilities', volumeCapabilities);
  const problem = unsupported('volumeCapabilities', volumeCapabilities);
  const wanted = parseParameters(parameters);
  checkMutableParameters(mutableParameters);
  const volume = await volumes.get(volumeId);
  const given = (map: object) => Object.keys(map).length > 0;
  const difference = given(parameters) ? differenceOf(wanted, volume) : undefined;
  const message =
    (problem === undefined ? '' : `volume_capabilities: expected ${problem}`) ||
    (given(volumeContext) ? 'volume_context: the volume has none' : '') ||
    (difference === undefined ? '' : `parameters: the volume has another ${difference}`) ||
    (given(mutableParameters) ? 'mutable_parameters: the volume has none' : '');
  if (message !== '') return { confirmed: null, message };
  return { confirmed: { volumeCapabilities, volumeContext, parameters, mutableParameters }, message };
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

async function addressesOf({ storage, targetAddresses }: Parts): Promise<readonly string[]> {
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
