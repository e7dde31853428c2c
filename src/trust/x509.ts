// Certificates made and judged: the only file that knows the X.509 library. Keys are ECDSA P-256, as PKCS #8
// in PEM; certificates are PEM. RFC 5280 says what the extensions mean.
import 'reflect-metadata'; // before the library, whose parts are registered by it
import { createHash, createPrivateKey, createPublicKey, webcrypto, type X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { InvalidArgumentError } from '../base/errors.js';

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const requestBytesMax = 8 * 1024;

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Issuer {
  readonly certificate: string;
  readonly key: string;
}

export interface Leaf extends Validity {
  readonly commonName: string;
  readonly names: readonly { readonly type: 'dns' | 'ip' | 'url'; readonly value: string }[];
  readonly usages: readonly ('server' | 'client')[];
}

export async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}

/** Of an authority that signs for ends only, not for other authorities. */
export async function selfSigned(key: string, commonName: string, validity: Validity): Promise<string> {
  const keys = await keysOf(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    ...validity,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pem(certificate);
}

/** `publicKey`: as SubjectPublicKeyInfo, in DER. */
export async function sign(issuer: Issuer, publicKey: Uint8Array, leaf: Leaf): Promise<string> {
  const authority = new x509.X509Certificate(issuer.certificate);
  const { privateKey } = await keysOf(issuer.key);
  const usages = leaf.usages.map((usage) => x509.ExtendedKeyUsage[`${usage}Auth`]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [leaf.commonName] }],
    issuer: authority.subjectName,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    publicKey: new x509.PublicKey(publicKey),
    signingKey: privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      new x509.SubjectAlternativeNameExtension([...leaf.names]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return pem(certificate);
}

/** A request (PKCS #10) for the key's certificate, in DER. What it is to say is for whoever signs it. */
export async function requestOf(key: string): Promise<Uint8Array> {
  const keys = await keysOf(key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm });
  return new Uint8Array(request.rawData);
}

/** The public key of a request whose sender has the private one. Nothing else of it is looked at. */
export async function publicKeyIn(request: Uint8Array): Promise<Uint8Array> {
  const refusal = new InvalidArgumentError('request', 'a certificate request (PKCS #10) of a key on P-256');
  if (request.byteLength === 0 || request.byteLength > requestBytesMax) throw refusal;
  try {
    const parsed = new x509.Pkcs10CertificateRequest(new Uint8Array(request));
    const publicKey = new Uint8Array(parsed.publicKey.rawData);
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({
      key: Buffer.from(publicKey),
      format: 'der',
      type: 'spki',
    });
    const isOurs = asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';
    if (isOurs && (await parsed.verify())) return publicKey;
  } catch {
    // Whatever is wrong with it, it is none.
  }
  throw refusal;
}

/** As SubjectPublicKeyInfo, in DER. */
export function publicKeyOf(key: string): Uint8Array {
  return createPublicKey(createPrivateKey(key)).export({ format: 'der', type: 'spki' });
}

/** Of the public key of a certificate: what join tokens pin. SHA-256 of its SubjectPublicKeyInfo. */
export function keyHashOf(certificate: X509Certificate): Buffer {
  const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
  return createHash('sha256').update(spki).digest();
}

async function keysOf(key: string) {
  const { subtle } = webcrypto;
  const pkcs8 = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' });
  return {
    privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await subtle.importKey('spki', publicKeyOf(key), algorithm, true, ['verify']),
  };
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
