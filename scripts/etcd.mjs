// A member of etcd on loopback, in a directory of its own, for tests and for trying `serve --store`:
//   node scripts/etcd.mjs [DIRECTORY]     prints its address, runs until it is interrupted
// Its data goes with it unless a directory is given. It needs the package etcd-server, not its service.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const readyMsMax = 20_000;
const portAttemptsMax = 5;

export const hasEtcd = spawnSync('etcd', ['--version']).status === 0;

export class Etcd {
  #child;
  #output = '';

  /**
   * @param {string} directory its data; made if need be
   * @param {{
   *   tls?: { ca: string, certificate: string, key: string },
   *   name?: string,
   *   members?: Record<string, string>,
   *   arguments?: string[],
   * }} options tls: files; clients then have to have a certificate by the same authority. members: peer URLs
   *   by name, of a cluster of which it is `name`; without it is alone
   */
  constructor(directory, options = {}) {
    this.directory = directory;
    this.options = options;
    /** @type {{ host: string, port: number } | undefined} the same after a restart */
    this.address = undefined;
    this.metricsPort = 0;
  }

  /** Resolves when it answers. */
  async start() {
    const { address } = this;
    for (let attempts = 1; ; attempts += 1) {
      const [client = 0, peer = 0, metrics = 0] = await freePorts(3);
      this.metricsPort = metrics;
      this.address ??= { host: '127.0.0.1', port: client };
      this.#output = '';
      this.#child = spawn('etcd', this.#arguments(`http://127.0.0.1:${peer}`), {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [this.#child.stdout, this.#child.stderr]) {
        stream.on('data', (text) => {
          this.#output = (this.#output + text).slice(-20_000);
        });
      }
      if (await this.#answers()) return this;
      await this.kill();
      this.address = address; // a port that nobody knows yet may be another one at the next attempt
      const taken = this.#output.includes('address already in use');
      if (!taken || attempts === portAttemptsMax) throw new Error(`etcd does not start:\n${this.#output}`);
    }
  }

  signal(name) {
    this.#child?.kill(name);
  }

  /** As a crash does; start() goes on with what it had. */
  async kill() {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  #arguments(ownPeer) {
    const { tls, name = 'one', members = { [name]: ownPeer } } = this.options;
    const peer = members[name] ?? ownPeer;
    const all = Object.entries(members).map(([member, url]) => `${member}=${url}`);
    const client = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.address?.port}`;
    return [
      ...['--name', name, '--data-dir', this.directory, '--initial-cluster', all.join()],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--listen-metrics-urls', `http://127.0.0.1:${this.metricsPort}`],
      // Loopback answers at once: no need to take a second to find out that somebody is gone.
      ...[
        '--heartbeat-interval',
        '50',
        '--election-timeout',
        '500',
        '--logger',
        'zap',
        '--log-level',
        'warn',
      ],
      ...(tls === undefined
        ? []
        : [
            ...['--cert-file', tls.certificate, '--key-file', tls.key],
            ...['--client-cert-auth', '--trusted-ca-file', tls.ca],
          ]),
      ...(this.options.arguments ?? []),
    ];
  }

  async #answers() {
    const untilMs = performance.now() + readyMsMax;
    while (performance.now() < untilMs && this.#child?.exitCode === null) {
      const answer = await fetch(`http://127.0.0.1:${this.metricsPort}/health`).catch(() => undefined);
      if (answer?.ok && (await answer.json()).health === 'true') return true;
      await sleep(20);
    }
    return false;
  }
}

export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) {
  if (!hasEtcd) {
    console.error('etcd: not installed; the Debian package is etcd-server');
    process.exit(1);
  }
  const given = process.argv[2];
  const directory = given ?? mkdtempSync(join(tmpdir(), 'ballast-etcd-'));
  const etcd = await new Etcd(directory).start();
  console.log(`etcd://${etcd.address.host}:${etcd.address.port}`);
  for (const name of ['SIGINT', 'SIGTERM']) {
    process.once(name, async () => {
      await etcd.kill();
      if (given === undefined) rmSync(directory, { recursive: true });
      process.exit(0);
    });
  }
}
