// One pool under the load of a durability test: two volumes that are written to, and what is done to them by
// the REST API meanwhile. Knows what was acknowledged and what was under way when the daemon was killed, and
// compares that with what the next one has. For test/e2e/pool-durability.test.ts.
import { expect } from 'vitest';
import { DomainError } from '../../src/base/errors.js';
import type { Engine, Namespace } from '../../src/native/index.js';
import { type ApiAnswer, callApi } from './api-client.js';
import { type EventClock, ImageModel, never, VolumeModel } from './durability-model.js';

const mib = 1 << 20;
const blocksCount = 1024; // of each volume; the rest is not written to
const writersPerVolume = 8;
const blocksPerWriter = blocksCount / writersPerVolume;
const snapshotsMax = 4; // of each volume
const clonesMax = 2;

export type Pick = (below: number) => number;

interface VolumeState {
  readonly model: VolumeModel;
  sizes: number[]; // allowed ones, in MiB; the first was acknowledged
}

/** What must be there, or (`maybe`) was being made or deleted. Those of a group are all there or none is. */
interface Kept {
  readonly image: ImageModel;
  readonly group: object;
  maybe: boolean;
}

export class PoolUnderTest {
  readonly #volumes = new Map<string, VolumeState>();
  readonly #snapshots = new Map<string, Kept>(); // by VOLUME/SNAPSHOT
  readonly #clones = new Map<string, Kept>();
  #serial = 0;

  constructor(
    readonly name: string,
    private readonly api: string,
    private readonly engine: Engine,
    private readonly clock: EventClock,
    private readonly pick: Pick,
    private readonly checksums: boolean,
  ) {}

  async create(path: string): Promise<void> {
    const devices = [{ path, sizeBytes: 512 * mib }];
    await this.#call('POST', 'pools', { name: this.name, devices, checksums: this.checksums });
    for (const [index, encrypted] of [false, true].entries()) {
      const name = `${this.name}-${index}`;
      await this.#call('POST', 'volumes', { name, pool: this.name, sizeBytes: 64 * mib, encrypted });
      const tag = name.split('').reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0;
      const model = new VolumeModel(name, tag, blocksCount, this.clock);
      this.#volumes.set(name, { model, sizes: [64] });
    }
  }

  /** Until the daemon is gone. `acknowledged` is called for each operation that was. */
  async load(port: number, acknowledged: () => void): Promise<void> {
    const writers = [...this.#volumes].flatMap(([name, { model }]) =>
      this.#connected(port, name, async (namespace) => {
        const one = (index: number) => this.#write(namespace, model, index, acknowledged);
        await Promise.all(Array.from({ length: writersPerVolume }, (_, index) => one(index)));
      }),
    );
    await Promise.all([...writers, this.#change(acknowledged)]);
  }

  /** The daemon is back: all that was acknowledged is there. */
  async verify(port: number): Promise<void> {
    const { body: pool } = await this.#call('GET', `pools/${this.name}`);
    expect(pool).toMatchObject({ state: 'open' });
    const { volumes } = (await this.#call('GET', 'volumes')).body;
    const here = volumes.filter((volume: { pool?: string }) => volume.pool === this.name);
    const sizes = new Map<string, number>();
    for (const { name, state, sizeBytes } of here) {
      expect([name, state]).toEqual([name, 'serving']);
      sizes.set(name, sizeBytes / mib);
    }
    const snapshots = new Set<string>();
    for (const [name, state] of this.#volumes) {
      expect(state.sizes, `size of ${name}`).toContain(sizes.get(name));
      state.sizes = [sizes.get(name)!];
      for (const one of (await this.#call('GET', `volumes/${name}/snapshots`)).body.snapshots)
        snapshots.add(`${name}/${one.name}`);
    }
    const clones = new Set([...sizes.keys()].filter((name) => !this.#volumes.has(name)));
    settleNames(this.#snapshots, snapshots);
    settleNames(this.#clones, clones);

    for (const [snapshot, { image }] of this.#snapshots) {
      const [volume, name] = snapshot.split('/');
      const copy = this.#fresh('read');
      const source = { volume, snapshot: name };
      await this.#call('POST', 'volumes', { name: copy, source });
      image.verify(await this.#read(port, copy, snapshot));
      await this.#call('DELETE', `volumes/${copy}`);
    }
    for (const [clone, { image }] of this.#clones) image.verify(await this.#read(port, clone));
    for (const [name, { model }] of this.#volumes) model.settle(await this.#read(port, name));
    if (this.checksums) await this.#scrub();
  }

  /** Deletes all; what the pool then still holds is lost room. */
  async empty(): Promise<void> {
    for (const snapshot of this.#snapshots.keys())
      await this.#call('DELETE', `volumes/${snapshot.replace('/', '/snapshots/')}`);
    for (const name of [...this.#clones.keys(), ...this.#volumes.keys()])
      await this.#call('DELETE', `volumes/${name}`);
    const used = async () => (await this.#call('GET', `pools/${this.name}`)).body.usedBytes;
    await expect.poll(used, { timeout: 20_000, interval: 20 }).toBe(0);
  }

  async #scrub(): Promise<void> {
    await this.#call('POST', `pools/${this.name}/scrub`, {});
    const scrub = async () => (await this.#call('GET', `pools/${this.name}`)).body.scrub;
    await expect.poll(scrub, { timeout: 20_000, interval: 20 }).toMatchObject({ running: false, errors: 0 });
  }

  async #write(namespace: Namespace, model: VolumeModel, index: number, acknowledged: () => void) {
    for (;;) {
      const count = 1 + this.pick(this.pick(4) === 0 ? 32 : 4);
      const first = index * blocksPerWriter + this.pick(blocksPerWriter - count);
      const kind = this.pick(10);
      const operation = model.begin(first, count, kind < 2);
      try {
        if (kind === 0) await namespace.deallocate(BigInt(first), count);
        else if (kind === 1) await namespace.writeZeroes(BigInt(first), count);
        else await namespace.write(BigInt(first), operation.data);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
        expect((error as DomainError).code).toMatch(/^(?:CONNECTION_LOST|CLOSED)$/);
        return;
      }
      operation.acknowledged();
      acknowledged();
    }
  }

  async #change(acknowledged: () => void): Promise<void> {
    while (await this.#changeOnce()) acknowledged();
  }

  /** One change by the API; false when the daemon is gone. */
  async #changeOnce(): Promise<boolean> {
    const volumes = [...this.#volumes.keys()];
    const volume = volumes[this.pick(volumes.length)]!;
    const own = [...this.#snapshots.keys()].filter((name) => name.startsWith(`${volume}/`));
    const snapshot = own[this.pick(own.length)];
    const clone = [...this.#clones.keys()][this.pick(this.#clones.size)];
    const kind = this.pick(8);
    if (snapshot !== undefined && (kind === 0 || own.length >= snapshotsMax)) {
      return this.#remove(this.#snapshots, snapshot, `volumes/${snapshot.replace('/', '/snapshots/')}`);
    }
    if (clone !== undefined && (kind === 1 || this.#clones.size > clonesMax)) {
      return this.#remove(this.#clones, clone, `volumes/${clone}`);
    }
    if (snapshot !== undefined && kind === 2) {
      const name = this.#fresh('clone');
      const { image } = this.#snapshots.get(snapshot)!;
      const kept = { image, group: {}, maybe: true };
      this.#clones.set(name, kept);
      const source = { volume, snapshot: snapshot.slice(volume.length + 1) };
      const done = await this.#tried('POST', 'volumes', { name, source });
      kept.maybe = !done;
      return done;
    }
    if (kind === 3) {
      const state = this.#volumes.get(volume)!;
      const size = 16 * (1 + this.pick(8));
      state.sizes.push(size);
      const done = await this.#tried('PATCH', `volumes/${volume}`, { sizeBytes: size * mib });
      if (done) state.sizes = [size];
      return done;
    }
    return this.#snapshot(kind < 6 ? volumes : [volume]);
  }

  async #snapshot(volumes: readonly string[]): Promise<boolean> {
    const name = this.#fresh('s');
    const moment = { from: this.clock.next(), to: never };
    const group = {};
    const kept = volumes.map((volume) => {
      const image = new ImageModel(this.#volumes.get(volume)!.model, moment);
      const one = { image, group, maybe: true };
      this.#snapshots.set(`${volume}/${name}`, one);
      return one;
    });
    const snapshots = volumes.map((volume) => ({ volume, name }));
    const done =
      volumes.length > 1
        ? await this.#tried('POST', 'snapshots', { snapshots })
        : await this.#tried('POST', `volumes/${volumes[0]}/snapshots`, { name });
    if (done) {
      moment.to = this.clock.next();
      for (const one of kept) one.maybe = false;
    }
    return done;
  }

  async #remove(from: Map<string, Kept>, name: string, path: string): Promise<boolean> {
    const kept = from.get(name)!;
    from.set(name, { image: kept.image, group: {}, maybe: true });
    const done = await this.#tried('DELETE', path);
    if (done) from.delete(name);
    return done;
  }

  #fresh(what: string): string {
    this.#serial += 1;
    return `${this.name}-${what}${this.#serial}`;
  }

  async #connected<T>(port: number, volume: string, use: (namespace: Namespace) => Promise<T>): Promise<T> {
    const { nqn } = (await this.#call('GET', `volumes/${volume}`)).body;
    const controller = await this.engine.connect({ host: '127.0.0.1', port, nqn, ctrlLossTimeoutMs: 0 });
    try {
      return await use(controller.namespaces[0]!);
    } finally {
      await controller.close();
    }
  }

  /** Says which block of it cannot be read. */
  #read(port: number, volume: string, what = volume): Promise<Buffer> {
    return this.#connected(port, volume, async (namespace) => {
      try {
        return await namespace.read(0n, blocksCount);
      } catch {
        for (let block = 0; block < blocksCount; block += 1) {
          await namespace.read(BigInt(block), 1).catch((error: Error) => {
            throw new Error(`${what}, block ${block}: ${error.message}`, { cause: error });
          });
        }
        throw new Error(`${what} could not be read at once, but block by block`);
      }
    });
  }

  async #call(method: string, path: string, payload?: object): Promise<ApiAnswer> {
    const answer = await callApi(this.api, `/v1/${path}`, { method, ...(payload && { payload }) });
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer;
  }

  /** False when the daemon went away before it answered. */
  async #tried(method: string, path: string, payload?: object): Promise<boolean> {
    const answer = await callApi(this.api, `/v1/${path}`, { method, ...(payload && { payload }) }).catch(
      () => undefined,
    );
    if (answer === undefined) return false;
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return true;
  }
}

/** Leaves in `expected` what was found, once that is what may be there. */
function settleNames(expected: Map<string, Kept>, found: ReadonlySet<string>): void {
  for (const name of found) expect([...expected.keys()], 'what was found').toContain(name);
  const groups = new Map<object, boolean>();
  for (const [name, kept] of expected) {
    const there = found.has(name);
    if (!kept.maybe) expect(there, `${name} is there`).toBe(true);
    expect(groups.get(kept.group) ?? there, `the group of ${name} is there as a whole`).toBe(there);
    groups.set(kept.group, there);
    if (there) expected.set(name, { image: kept.image, group: {}, maybe: false });
    else expected.delete(name);
  }
}
