// The certificate of the authority that a join token means, from who answers at an address: found by the hash
// of its key among those that the server sends. Nothing is sent to the server here, and nothing that it says
// is believed but this; that it has a certificate of the authority for its address is proved by the
// connection that is made with it afterwards.
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { formatHost, type HostPort } from '../base/address.js';
import { UnreachableError } from '../base/errors.js';
import { WrongAuthorityError } from '../base/trust-errors.js';
import { keyHashOf } from './x509.js';

const answerMsMax = 5_000;
/** The server's own and that of the authority, and some that others may have put between. */
const certificatesMax = 4;

/** PEM. `keyHash`: SHA-256 of its public key. */
export async function pinnedAuthority(address: HostPort, keyHash: Buffer): Promise<string> {
  const name = `${formatHost(address.host)}:${address.port}`;
  const sent = await certificatesAt(address, name);
  const found = sent.find((one) => one.ca && keyHashOf(one).equals(keyHash));
  if (found !== undefined) return found.toString();
  throw new WrongAuthorityError(name, 'has no certificate of the authority that the token names');
}

function certificatesAt({ host, port }: HostPort, name: string): Promise<readonly X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(host) === 0 && { servername: host }),
      rejectUnauthorized: false, // judged above, by the hash
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
    });
    const fail = (reason: string) => {
      socket.destroy();
      reject(new UnreachableError(name, reason));
    };
    socket.setTimeout(answerMsMax, () => fail('does not answer'));
    socket.once('error', (error) => fail(error.message));
    socket.once('close', () => fail('closed the connection'));
    socket.once('secureConnect', () => {
      resolve(chainOf(socket.getPeerCertificate(true)));
      socket.destroy();
    });
  });
}

function chainOf(first: DetailedPeerCertificate): readonly X509Certificate[] {
  const found: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = first;
  while (next?.raw !== undefined && found.length < certificatesMax) {
    found.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return found;
}
