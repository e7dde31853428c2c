// The certificate authority of a cluster: its key and its certificate in the state directory of the
// controller that nodes join at, made when they are first asked for. It signs certificates of nodes and of
// the controller itself. Constructed by src/main after the store is open, so that one process at a time has
// it.
//
// A crash while it is made leaves a key without a certificate, and the next start makes one of that key. A
// certificate without its key is refused: nobody could join any more, and the nodes trust that certificate.
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { writeFileAtomically } from '../base/atomic-file.js';
import { type Clock, systemClock } from '../base/clock.js';
import { StateDirectoryError } from '../base/errors.js';
import { readPrivateFile } from '../base/private-file.js';
import { makeStateDirectory } from '../base/state-directory.js';
import { nodeUri } from './node-identity.js';
import { keyHashOf, newKey, publicKeyIn, publicKeyOf, selfSigned, sign } from './x509.js';

const dayMs = 86_400_000;
const authorityDays = 3650;
const certificateDays = 365;
/** Clocks of nodes may be behind that of the authority by so much. */
const skewMs = 3_600_000;
const fileBytesMax = 64 * 1024;

/** PEM. */
export interface SignedCertificate {
  readonly certificate: string;
  readonly notAfter: Date;
}

/** PEM. */
export interface ServerIdentity {
  /** With that of the authority after it: who joins finds the pinned key there. */
  readonly certificate: Buffer;
  readonly key: Buffer;
}

export class Authority {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #key: string;
  /** PEM. */
  readonly certificate: string;
  /** What join tokens pin. */
  readonly keyHash: Buffer;

  private constructor(directory: string, clock: Clock, key: string, certificate: string) {
    this.#directory = directory;
    this.#clock = clock;
    this.#key = key;
    this.certificate = certificate;
    this.keyHash = keyHashOf(new X509Certificate(certificate));
  }

  static async open(directory: string, clock: Clock = systemClock): Promise<Authority> {
    await makeStateDirectory(directory);
    const certificatePath = join(directory, 'ca.pem');
    const keyPath = join(directory, 'ca.key');
    const found = await readText(certificatePath);
    const key = await readPrivateFile(
      keyPath,
      fileBytesMax,
      'make a new authority, and join all nodes again',
    );
    if (found !== undefined) {
      if (key === undefined) {
        throw new StateDirectoryError(keyPath, 'is gone, and ca.pem is there; restore it from a copy');
      }
      checkPair(certificatePath, found, key);
      return new Authority(directory, clock, key, found);
    }
    const made = key ?? (await newKey());
    const certificate = await selfSigned(
      made,
      `Ballast cluster ${randomUUID()}`,
      validity(clock, authorityDays),
    );
    if (key === undefined) await write(keyPath, made, 0o600);
    await write(certificatePath, certificate);
    return new Authority(directory, clock, made, certificate);
  }

  /** `request`: PKCS #10 in DER, of which only the key is taken. The node is a client and a server. */
  async signNode(nodeId: string, request: Uint8Array): Promise<SignedCertificate> {
    const uri = nodeUri(nodeId);
    const { notBefore, notAfter } = validity(this.#clock, certificateDays);
    const certificate = await sign(this.#issuer, await publicKeyIn(request), {
      // No host can be called so: a node cannot be taken for a server by the name of its certificate.
      commonName: uri,
      names: [{ type: 'url', value: uri }],
      usages: ['client', 'server'],
      notBefore,
      notAfter,
    });
    return { certificate, notAfter };
  }

  /**
   * Of this process as a server, under these names and addresses. The one that is kept in the directory,
   * unless that has other names or half of its time has passed.
   */
  async serverIdentity(names: readonly string[]): Promise<ServerIdentity> {
    const path = join(this.#directory, 'server.pem');
    const text = await readPrivateFile(path, fileBytesMax, 'remove it to have a new one made');
    const kept = text === undefined ? undefined : this.#usable(text, names);
    if (kept !== undefined) return kept;
    const key = await newKey();
    const certificate = await sign(this.#issuer, publicKeyOf(key), {
      commonName: 'Ballast controller',
      names: [...new Set(names)].map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      usages: ['server'],
      ...validity(this.#clock, certificateDays),
    });
    await write(path, `${key}${certificate}`, 0o600); // one file: a key and its certificate change together
    return this.#identity(key, certificate);
  }

  get #issuer() {
    return { certificate: this.certificate, key: this.#key };
  }

  #identity(key: string, certificate: string): ServerIdentity {
    return { key: Buffer.from(key), certificate: Buffer.from(certificate + this.certificate) };
  }

  #usable(text: string, names: readonly string[]): ServerIdentity | undefined {
    const start = text.indexOf('-----BEGIN CERTIFICATE-----');
    const [key, pem] = [text.slice(0, start), text.slice(start)];
    try {
      const certificate = new X509Certificate(pem);
      const halfMs = (Date.parse(certificate.validFrom) + Date.parse(certificate.validTo)) / 2;
      const isOurs = certificate.verify(new X509Certificate(this.certificate).publicKey);
      const isFresh = this.#clock.date().getTime() < halfMs;
      return isOurs && isFresh && hasNames(certificate, names) ? this.#identity(key, pem) : undefined;
    } catch {
      return undefined; // damaged: it is made anew
    }
  }
}

function validity(clock: Clock, days: number) {
  const nowMs = clock.date().getTime();
  return { notBefore: new Date(nowMs - skewMs), notAfter: new Date(nowMs + days * dayMs) };
}

function checkPair(path: string, certificate: string, key: string): void {
  let fits = false;
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    // One of them is damaged, so they do not fit either.
  }
  if (!fits)
    throw new StateDirectoryError(path, 'is not the certificate of ca.key; restore both from a copy');
}

/** These and no others. */
function hasNames(certificate: X509Certificate, names: readonly string[]): boolean {
  const has = (name: string) =>
    isIP(name) === 0 ? certificate.checkHost(name, { subject: 'never' }) : certificate.checkIP(name);
  const count = certificate.subjectAltName?.split(', ').length ?? 0;
  return count === new Set(names).size && names.every((name) => has(name) !== undefined);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StateDirectoryError(path, 'cannot be read', { cause });
  }
}

async function write(path: string, text: string, mode?: number): Promise<void> {
  try {
    await writeFileAtomically(path, text, mode);
  } catch (cause) {
    throw new StateDirectoryError(path, 'cannot be written', { cause });
  }
}
