// The parameters of a VolumeAttributesClass: limits, guarantees and weight of a volume, in the words of the
// REST API. A class says all of it: what it does not name is without a limit afterwards, so that a volume
// which changes its class keeps nothing of the one before.
import { parseQosNumber, type QosWords, qosBounds, qosClassPattern } from '../base/qos.js';
import { invalid } from './checks.js';

/** Undefined where there are none. */
export function parseMutableParameters(parameters: Readonly<Record<string, string>>): QosWords | undefined {
  const entries = Object.entries(parameters).map(([key, value]) => entryOf(key, value));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function entryOf(key: string, value: string): readonly [string, string | number] {
  if (key === 'qosClass') {
    if (!qosClassPattern.test(value)) throw invalid('mutableParameters', 'the name of a class for qosClass');
    return ['class', value];
  }
  if (!Object.hasOwn(qosBounds, key)) {
    throw invalid('mutableParameters', `only ${[...Object.keys(qosBounds), 'qosClass'].join(', ')}`);
  }
  return [key, parseQosNumber(key as keyof typeof qosBounds, value, `mutable_parameters: ${key}`)];
}

/** Whether a volume has what was asked for. */
export function sameQos(wanted: QosWords, found: QosWords = {}): boolean {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)]) as Set<keyof QosWords>;
  return [...keys].every((key) => wanted[key] === found[key]);
}
