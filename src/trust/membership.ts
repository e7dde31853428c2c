// With what a node belongs to a cluster, in its state directory: cluster/node.key, node.pem, ca.pem and
// controllers.json. Read by whoever connects; written by joining and by renewal. node.pem is written last, so
// that a node without one has not joined; the key stays the same, so that each file is right by itself.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatHost, type HostPort, parseHostPort } from '../base/address.js';
import { writeFileAtomically } from '../base/atomic-file.js';
import { StateDirectoryError } from '../base/errors.js';
import { parseFields } from '../base/json-fields.js';
import { readPrivateFile } from '../base/private-file.js';
import { statePaths } from '../base/state-directory.js';
import type { ClientTls } from '../rpc/connection.js';
import { nodeIdIn } from './node-identity.js';

const fileBytesMax = 64 * 1024;
const remedy = 'remove the directory, and join again';

export interface Membership {
  readonly nodeId: string;
  /** Where the store is; not empty. */
  readonly controllers: readonly HostPort[];
  readonly tls: Required<ClientTls>;
  readonly validFrom: Date;
  readonly validTo: Date;
}

export interface MembershipFiles {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
  readonly controllers: string;
}

export function membershipFiles(stateDirectory: string): MembershipFiles {
  const directory = statePaths(stateDirectory).membership;
  return {
    key: join(directory, 'node.key'),
    certificate: join(directory, 'node.pem'),
    authority: join(directory, 'ca.pem'),
    controllers: join(directory, 'controllers.json'),
  };
}

/** Undefined: this node has joined no cluster. Fails when what is there does not fit together. */
export async function readMembership(stateDirectory: string): Promise<Membership | undefined> {
  const files = membershipFiles(stateDirectory);
  const pem = await readText(files.certificate);
  if (pem === undefined) return undefined;
  const [key, authority, controllers] = [
    await readNodeKey(files),
    await readText(files.authority),
    await readText(files.controllers),
  ];
  if (key === undefined) throw new StateDirectoryError(files.key, `is missing; ${remedy}`);
  const certificate = checkedCertificate(pem, key, authority);
  if (certificate === undefined) {
    throw new StateDirectoryError(files.certificate, `does not fit node.key and ca.pem; ${remedy}`);
  }
  return {
    nodeId: nodeIdIn(certificate) ?? '',
    controllers: readControllers(files.controllers, controllers),
    tls: {
      certificateAuthority: Buffer.from(authority ?? ''),
      own: { certificate: Buffer.from(pem), key: Buffer.from(key) },
    },
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
  };
}

/** Undefined: there is none. */
export async function readNodeKey(files: MembershipFiles): Promise<string | undefined> {
  return readPrivateFile(files.key, fileBytesMax, remedy);
}

/** Undefined: it is not a node's certificate of this key by this authority. Its time is not looked at. */
export function checkedCertificate(
  pem: string,
  key: string,
  authority: string | undefined,
): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const isOurs = certificate.verify(new X509Certificate(authority ?? '').publicKey);
    const fits = isOurs && certificate.checkPrivateKey(createPrivateKey(key));
    return fits && nodeIdIn(certificate) !== undefined ? certificate : undefined;
  } catch {
    return undefined;
  }
}

export function encodeControllers(controllers: readonly HostPort[]): string {
  const texts = controllers.map(({ host, port }) => `${formatHost(host)}:${port}`);
  return `${JSON.stringify({ version: 1, controllers: texts })}\n`;
}

export async function writeMember(path: string, text: string, mode?: number): Promise<void> {
  try {
    await writeFileAtomically(path, text, mode);
  } catch (cause) {
    throw new StateDirectoryError(path, 'cannot be written', { cause });
  }
}

function readControllers(path: string, text: string | undefined): readonly HostPort[] {
  const fields = parseFields(Buffer.from(text ?? ''));
  const { version, controllers } = fields ?? {};
  try {
    if (version === 1 && Array.isArray(controllers) && controllers.length > 0) {
      return controllers.map((one) => parseHostPort(String(one)));
    }
  } catch {
    // An address that is none: told below.
  }
  throw new StateDirectoryError(path, `does not say where the controller is; ${remedy}`);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StateDirectoryError(path, 'cannot be read', { cause });
  }
}
