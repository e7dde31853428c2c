// What a controller told of a volume, as what is attached; and attaching it.
import type { Attached, AttachTarget } from '../../attach/types.js';
import { parseHostPort } from '../../base/address.js';
import { DomainError } from '../../base/errors.js';
import { checkSubsystemNqn } from '../../base/nqn.js';
import type { Call } from '../../rpc/handlers.js';
import { RpcError } from '../../rpc/status.js';
import { invalid, required } from '../checks.js';
import { isVolumeId } from '../names.js';
import { attachMsMax, type NodeParts } from './parts.js';

type Texts = Readonly<Record<string, string>>;
export type TargetPlace = Pick<AttachTarget, 'uuid' | 'nqn' | 'nsid' | 'addresses'>;

const addressesMax = 16;

/** Of a request: the id has to be the UUID that the context names. */
export function targetOf(volumeId: string, publishContext: Texts): TargetPlace {
  required('publishContext', Object.keys(publishContext));
  if (!isVolumeId(volumeId)) throw new RpcError('NOT_FOUND', 'there is no volume of this id');
  const { transport, addresses = '', nqn = '', nsid = '', uuid = '' } = publishContext;
  if (transport !== 'tcp') throw invalid('publishContext', 'tcp for transport');
  if (uuid.toLowerCase() !== volumeId.toLowerCase()) {
    throw invalid('publishContext', 'the uuid of the volume that volume_id names');
  }
  return placeOf(uuid, nqn, nsid, addresses.split(','));
}

export function placeOf(uuid: string, nqn: string, nsid: string, addresses: readonly string[]): TargetPlace {
  if (addresses.length > addressesMax) throw invalid('publishContext', `at most ${addressesMax} addresses`);
  const number = /^[1-9]\d{0,9}$/.test(nsid) ? Number(nsid) : Number.NaN;
  if (!(number <= 0xfffffffe)) throw invalid('publishContext', 'the number of a namespace for nsid');
  try {
    return {
      uuid: uuid.toLowerCase(),
      nqn: checkSubsystemNqn(nqn),
      nsid: number,
      addresses: addresses.map((address) => parseHostPort(address)),
    };
  } catch (error) {
    if (error instanceof DomainError)
      throw invalid('publishContext', 'an NQN for nqn, HOST:PORT for addresses');
    throw error;
  }
}

export async function attach(
  { attacher, hostNqn, hostId }: NodeParts,
  place: TargetPlace,
  readOnly: boolean,
  { signal }: Call,
): Promise<Attached> {
  const attached = await attacher.attach(
    { ...place, hostNqn, hostId, ...(readOnly && { readOnly }) },
    { signal, deadlineMs: attachMsMax },
  );
  checkIdentity(attached, place.uuid);
  return attached;
}

/** A device that is another namespace is never touched, whatever it is called. */
export function checkIdentity({ uuid, state }: Attached, expected: string): void {
  if (uuid.toLowerCase() !== expected) {
    throw new RpcError('INTERNAL', 'the device that was attached is another namespace');
  }
  if (state !== 'live') throw new RpcError('UNAVAILABLE', `the device is ${state}`);
}
