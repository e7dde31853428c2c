// An etcd for tests, in a directory that goes with it; stores in it with a prefix of their own each; what a
// test does to it beside that.
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd, freePorts, hasEtcd } from '../../scripts/etcd.mjs';
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

  /** A backup of its files, as `name`; it is stopped meanwhile. */
  async copyAs(name: string): Promise<void> {
    await this.server.kill();
    cpSync(join(this.directory, 'data'), join(this.directory, name), { recursive: true });
    await this.server.start();
  }

  /** It has what the backup `name` has, at the same address; what it had last is the backup `last`. */
  async putBack(name: string, last: string): Promise<void> {
    await this.server.kill();
    renameSync(join(this.directory, 'data'), join(this.directory, last));
    cpSync(join(this.directory, name), join(this.directory, 'data'), { recursive: true });
    await this.server.start();
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

/** Three members of one cluster. */
export class EtcdCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'ballast-etcd-'));
  members: readonly Etcd[] = [];

  async start(): Promise<this> {
    const ports = await freePorts(3);
    const members = Object.fromEntries(ports.map((port, index) => [`m${index}`, `http://127.0.0.1:${port}`]));
    this.members = Object.keys(members).map(
      (name) => new Etcd(join(this.directory, name), { name, members }),
    );
    // Each answers when most of them are there.
    await Promise.all(this.members.map((member) => member.start()));
    return this;
  }

  get addresses(): readonly HostPort[] {
    return this.members.flatMap(({ address }) => address ?? []);
  }

  async leader(): Promise<Etcd> {
    for (const member of this.members) {
      const text = await fetch(`http://127.0.0.1:${member.metricsPort}/metrics`).then((answer) =>
        answer.text(),
      );
      if (/^etcd_server_is_leader 1$/m.test(text)) return member;
    }
    throw new Error('there is no leader');
  }

  async close(): Promise<void> {
    for (const member of this.members) member.signal('SIGCONT');
    await Promise.all(this.members.map((member) => member.kill()));
    rmSync(this.directory, { recursive: true });
  }
}
