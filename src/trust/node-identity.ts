// Who a node is by its certificate: the URI urn:uuid:ID (RFC 9562, "UUIDs in URNs") as a name of its subject.
import type { X509Certificate } from 'node:crypto';
import { InvalidArgumentError } from '../base/errors.js';
import { uuidPattern } from '../base/volume-spec.js';

const prefix = 'urn:uuid:';

export function nodeUri(nodeId: string): string {
  if (!uuidPattern.test(nodeId)) throw new InvalidArgumentError('node ID', 'a UUID');
  return prefix + nodeId.toLowerCase();
}

/** Undefined: it is no certificate of a node. */
export function nodeIdIn({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string | undefined {
  return nodeIdInNames(subjectAltName);
}

/** Of names as Node.js writes them: `URI:urn:uuid:ID`, of which a node has one and nothing else. */
export function nodeIdInNames(names: string | undefined): string | undefined {
  const id = names?.startsWith(`URI:${prefix}`) ? names.slice(`URI:${prefix}`.length) : '';
  return uuidPattern.test(id) ? id : undefined;
}
