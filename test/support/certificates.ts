// Certificates for tests, by an authority of their own (needs openssl: Node.js cannot make them).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority, and certificates by it, for 127.0.0.1 and for clients. */
export class Certificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'ballast-tls-'));
  readonly ca = join(this.directory, 'ca.pem');

  constructor() {
    const subject = ['-subj', '/CN=Ballast test authority', '-days', '2'];
    this.#openssl(['req', '-x509', ...this.#newKey('ca'), '-out', this.ca, ...subject]);
  }

  issue(name: string): TlsFiles {
    const path = (ending: string) => join(this.directory, `${name}.${ending}`);
    writeFileSync(path('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
    this.#openssl(['req', '-new', ...this.#newKey(name), '-out', path('csr'), '-subj', `/CN=${name}`]);
    const signer = [
      '-CA',
      this.ca,
      '-CAkey',
      join(this.directory, 'ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
    ];
    this.#openssl([
      'x509',
      '-req',
      '-in',
      path('csr'),
      ...signer,
      '-extfile',
      path('ext'),
      '-out',
      path('pem'),
    ]);
    return { ca: this.ca, certificate: path('pem'), key: path('key') };
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }

  #newKey(name: string): readonly string[] {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    return [...curve, '-keyout', join(this.directory, `${name}.key`)];
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}
