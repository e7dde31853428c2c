// An etcd for tests, in a directory that goes with it; stores in it with a prefix of their own each; what a
// test does to it beside that.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd, hasEtcd } from '../../scripts/etcd.mjs';
import type { HostPort } from '../../src/base/address.js';
import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from '../../src/store/etcd/etcd-store.js';
import type { TlsFiles } from './certificates.js';

export const withoutEtcd = !hasEtcd;
export const needsEtcd = '(needs the package etcd-server)';

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
