// The words that nodes, zones, pools and labels are called by, and how many of each there may be. Names are
// those of Kubernetes where it has the same thing, so that labels and zones of its nodes can be taken as they
// are.
import { InvalidArgumentError } from '../../base/errors.js';

/** Of a node, a zone. */
export const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
/** An optional domain, a slash, a name: topology.kubernetes.io/zone. */
export const labelKeyPattern =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
export const labelValuePattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

export const labelsMax = 64;

export type Labels = Readonly<Record<string, string>>;

export function checkName(what: string, name: string): string {
  if (namePattern.test(name)) return name;
  throw new InvalidArgumentError(what, '1 to 63 letters, digits, dots, dashes or underscores');
}

export function checkLabels(labels: Labels): Labels {
  const entries = Object.entries(labels);
  if (entries.length > labelsMax) throw new InvalidArgumentError('labels', `at most ${labelsMax}`);
  for (const [key, value] of entries) {
    if (!labelKeyPattern.test(key)) {
      throw new InvalidArgumentError('labels', `keys such as disk or example.org/disk; got '${key}'`);
    }
    if (!labelValuePattern.test(value)) {
      throw new InvalidArgumentError(
        'labels',
        `values of up to 63 letters, digits, dots, dashes or underscores`,
      );
    }
  }
  return labels;
}

/** Whether all of `wanted` are there, with these values. */
export function labelsMatch(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}
