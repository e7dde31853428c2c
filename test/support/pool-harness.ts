// A daemon's pools with a fake engine: disks, store and key files stay when it is started again, after an
// orderly end or a crash.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { KeyFile } from '../../src/keys/key-file.js';
import type { KeyProvider } from '../../src/keys/types.js';
import { VolumeKeys } from '../../src/keys/volume-keys.js';
import type { Ensured } from '../../src/pools/ensure.js';
import { type OtherVolume, PoolService } from '../../src/pools/pool-service.js';
import type { ReplicaData } from '../../src/pools/replica-volumes.js';
import { openMemoryStore } from '../../src/store/memory/memory-store.js';
import { FakeClock } from './fake-clock.js';
import { FakeEngine } from './fake-engine.js';
import { FakeDisks, type Verb } from './fake-pools.js';

export const mib = 1n << 20n;
export const gib = 1n << 30n;

export class PoolHarness {
  readonly directory = mkdtempSync(join(tmpdir(), 'ballast-pools-'));
  readonly clock = new FakeClock();
  readonly store = openMemoryStore(this.clock);
  readonly disks = new FakeDisks();
  readonly lines: string[] = [];
  readonly log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
  provider: KeyProvider = new KeyFile(join(this.directory, 'volume-keys'));
  others: OtherVolume[] = [];
  replicas: ReplicaData[] = [];
  engine = new FakeEngine(this.disks);
  service = this.#newService();
  #crash: Verb | undefined;

  /** As `ballast serve` does. */
  async start(ensured: Ensured = {}): Promise<PoolService> {
    this.engine = new FakeEngine(this.disks);
    if (this.#crash !== undefined) this.engine.crashAfter(this.#crash);
    this.#crash = undefined;
    this.service = this.#newService();
    await this.service.open(ensured);
    return this.service;
  }

  /** Of the engine of the next start. */
  crashNext(verb: Verb): void {
    this.#crash = verb;
  }

  #newService(): PoolService {
    const { engine, store, log, others, replicas, clock } = this;
    const keys = new VolumeKeys(this.provider);
    return new PoolService({ engine, store, keys, log, others, replicas, clock });
  }

  /** A sparse file; the fake engine takes its size for granted. */
  disk(name: string, sizeBytes = gib): string {
    const path = join(this.directory, name);
    writeFileSync(path, '');
    truncateSync(path, Number(sizeBytes));
    this.disks.blank.set(path, sizeBytes);
    return path;
  }

  /** A pool on one disk, `NAME.disk`. */
  async pool(name = 'p'): Promise<void> {
    await this.service.pools.create({ name, devices: [{ path: this.disk(`${name}.disk`) }] });
  }

  async volume(name: string, options: { pool?: string; encrypted?: boolean } = {}): Promise<void> {
    await this.service.volumes.create({ name, sizeBytes: 16n * mib, ...options });
  }

  served(): readonly string[] {
    return this.engine.volumes.map(({ name }) => name).sort();
  }

  /** What was asked of the engine since the last call, without looking. */
  changes(): readonly string[] {
    const looks = /^(?:poolInfo|poolVolumes|poolSnapshots|poolRanges|poolAllocations|hosts) /;
    return this.engine.calls.splice(0).filter((call) => !looks.test(call));
  }

  /** Resolves when the engine stopped answering: the daemon is as good as dead. */
  async crashed(): Promise<void> {
    while (!this.engine.calls.includes('crash')) await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    await this.store.close();
    rmSync(this.directory, { recursive: true });
  }
}
