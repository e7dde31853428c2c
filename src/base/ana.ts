// How good a path to a namespace is, in nvme-cli's words. NVMe Base Specification 2.1, "Asymmetric Namespace
// Access states".
import { InvalidArgumentError } from './errors.js';

export const anaStates = ['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change'] as const;
export type AnaState = (typeof anaStates)[number];

export function parseAnaState(text: string): AnaState {
  const state = anaStates.find((known) => known === text);
  if (state === undefined) {
    throw new InvalidArgumentError('ana', `one of ${anaStates.join(', ')}; got '${text}'`);
  }
  return state;
}
