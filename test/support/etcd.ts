// An etcd for tests, in a directory that goes with it; stores in it with a prefix of their own each; what a
// test does to it beside that.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd, hasEtcd } from '../../scripts/etcd.mjs';
import type { HostPort } from '../../src/base/address.js';
import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from '../../src/store/etcd/etcd-store.js';

export const withoutEtcd = !hasEtcd;
export const needsEtcd = '(needs the package etcd-server)';

export interface TlsFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export class EtcdHarness {
  readonly directory = mkdtempSync(join(tmpdir(), 'ballast-etcd-'));
  readonly server: Etcd;
  #prefixes = 0;

  constructor(options: { readonly tls?: TlsFiles; readonly arguments?: string[] } = {}) {
    this.server = new Etcd(join(this.directory, 'data'), options);
  }

  async start(): Promise<this> {
    await this.server.start();
    return this;
  }

  get address(): HostPort {
    if (this.server.address === undefined) throw new Error('etcd was not started');
    return this.server.address;
  }

  /** A store of its own; nothing is in it. */
  open(options: Partial<EtcdStoreOptions> = {}): Promise<EtcdStore> {
    this.#prefixes += 1;
    return openEtcdStore({ endpoints: [this.address], prefix: `test${this.#prefixes}/`, ...options });
  }

  /** By its JSON gateway; bytes are base64 there. */
  async post(path: string, body: object): Promise<Record<string, unknown>> {
    const { host, port } = this.address;
    const init = { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(`http://${host}:${port}/v3/${path}`, init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Forgets all changes before the newest. */
  async compact(store: EtcdStore): Promise<void> {
    const { revision } = await store.commit([], [{ type: 'put', key: 'compacted', value: new Uint8Array() }]);
    await this.post('kv/compaction', { revision: revision.toString() });
  }

  async close(): Promise<void> {
    this.server.signal('SIGCONT');
    await this.server.kill();
    rmSync(this.directory, { recursive: true });
  }
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
