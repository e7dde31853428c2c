// ValidateVolumeCapabilities: whether a volume can be used as somebody wants to.
import { unsupported } from './capabilities.js';
import { required } from './checks.js';
import type { ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse } from './messages.js';
import { parseMutableParameters, sameQos } from './mutable-parameters.js';
import { differenceOf, parseParameters } from './parameters.js';
import type { Parts } from './parts.js';

export async function validateCapabilities(
  { volumes }: Parts,
  request: ValidateVolumeCapabilitiesRequest,
): Promise<ValidateVolumeCapabilitiesResponse> {
  const { volumeId, volumeCapabilities, volumeContext, parameters, mutableParameters } = request;
  required('volumeId', volumeId);
  required('volumeCapabilities', volumeCapabilities);
  const problem = unsupported('volumeCapabilities', volumeCapabilities);
  const wanted = parseParameters(parameters);
  const qos = parseMutableParameters(mutableParameters);
  const volume = await volumes.get(volumeId);
  const given = (map: object) => Object.keys(map).length > 0;
  const difference = given(parameters) ? differenceOf(wanted, volume) : undefined;
  const message =
    (problem === undefined ? '' : `volume_capabilities: expected ${problem}`) ||
    (given(volumeContext) ? 'volume_context: the volume has none' : '') ||
    (difference === undefined ? '' : `parameters: the volume has another ${difference}`) ||
    (qos === undefined || sameQos(qos, volume.qos) ? '' : 'mutable_parameters: the volume has others');
  if (message !== '') return { confirmed: null, message };
  return { confirmed: { volumeCapabilities, volumeContext, parameters, mutableParameters }, message };
}
