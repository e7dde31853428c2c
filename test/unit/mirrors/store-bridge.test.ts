import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { nobody } from '../../../src/mirrors/record.js';
import { MirrorRecords } from '../../../src/mirrors/records.js';
import { StoreBridge, storeTimeoutMs } from '../../../src/mirrors/store-bridge.js';
import type { MirrorRecord, StoreAnswer } from '../../../src/native/mirror-types.js';
import { openLevelStore } from '../../../src/store/level/level-store.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const volumeUuid = uuid('9');
const first: MirrorRecord = {
  revision: 0n,
  epoch: 0n,
  head: nobody,
  headStopped: true,
  members: [uuid('a'), uuid('b')].map((member, i) => ({ uuid: member, inSync: i === 0, sealedEpoch: 0n })),
  minInSync: 1,
  blockSizeBytes: 4096,
  blocksCount: 1024n,
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A store of which commits can be made to fail, to wait, and to lose their answer when they are done. */
class Harness {
  readonly clock = new FakeClock();
  readonly answers: StoreAnswer[] = [];
  readonly lines: { msg: string; level: number }[] = [];
  readonly records: MirrorRecords;
  readonly bridge: StoreBridge;
  known = first;
  commits = 0;
  most = 0;
  #inStore = 0;
  before: () => Promise<void> = async () => undefined;
  after: () => Promise<void> = async () => undefined;

  constructor(readonly store: Store) {
    this.records = new MirrorRecords({
      ...{ get: (key) => store.get(key), list: (prefix) => store.list(prefix) },
      ...{ watch: (...args) => store.watch(...args), lease: (ms) => store.lease(ms) },
      close: () => store.close(),
      commit: async (compare, write) => {
        this.commits += 1;
        this.#inStore += 1;
        this.most = Math.max(this.most, this.#inStore);
        try {
          await this.before();
          const result = await store.commit(compare, write);
          await this.after();
          return result;
        } finally {
          this.#inStore -= 1;
        }
      },
    });
    const { clock, records } = this;
    const log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(JSON.parse(line)) });
    const answer = (_volume: string, one: StoreAnswer) => void this.answers.push(one);
    this.bridge = new StoreBridge({ records, log, clock, answer });
  }

  async start(): Promise<this> {
    const stored = await this.records.swap('db', { volumeUuid, record: first });
    this.known = stored ?? first;
    this.bridge.serve('db', volumeUuid, this.known);
    this.commits = 0;
    return this;
  }

  ask(change: Partial<MirrorRecord>): void {
    const wanted = { ...this.known, ...change };
    this.bridge.request({ volume: 'db', expectedRevision: this.known.revision, wanted });
  }

  /** Until the answer is called, commits wait before they are done. */
  hang(): () => void {
    let go = () => {};
    const waiting = new Promise<void>((resolve) => {
      go = resolve;
    });
    this.before = () => waiting;
    return go;
  }

  async answer(): Promise<StoreAnswer> {
    while (this.answers.length === 0) await settled();
    return this.answers.shift() as StoreAnswer;
  }

  text(): string {
    return this.lines.map(({ msg }) => msg).join('\n');
  }
}

const claim = { epoch: 1n, head: uuid('c') };
const directories: string[] = [];
const open = {
  memory: async () => openMemoryStore(),
  level: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ballast-bridge-'));
    directories.push(directory);
    return openLevelStore(join(directory, 'store'));
  },
};
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

describe.each(['memory', 'level'] as const)('the bridge to a %s store', (kind) => {
  const start = async () => new Harness(await open[kind]()).start();

  it('says stored with the revision that it has then', async () => {
    const world = await start();
    world.ask(claim);
    const answer = await world.answer();
    const { record } = (await world.records.get('db')) ?? {};
    expect(answer).toEqual({ kind: 'stored', current: record });
    expect(record).toMatchObject(claim);
    await world.store.close();
  });

  it('says differs, with what is there, and changes nothing', async () => {
    const world = await start();
    const other = { ...world.known, epoch: 5n, head: uuid('d') };
    const theirs = await world.records.swap('db', { volumeUuid, record: other });
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'differs', current: theirs });
    expect((await world.records.get('db'))?.record).toEqual(theirs);
    await world.store.close();
  });
});

describe('the bridge to a store that is not well', () => {
  const start = () => new Harness(openMemoryStore()).start();

  it('never says stored when the store fails', async () => {
    const world = await start();
    world.before = () => Promise.reject(new Error('the disk is full'));
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    expect(world.text()).toContain('cannot be changed now: Error: the disk is full');
    world.before = async () => undefined;
    world.ask(claim);
    expect((await world.answer()).kind).toBe('stored');
  });

  it('says unavailable when the answer is lost, and what was done at the next time', async () => {
    const world = await start();
    world.after = () => Promise.reject(new Error('connection lost'));
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    world.after = async () => undefined;
    world.ask(claim);
    expect(await world.answer()).toMatchObject({ kind: 'differs', current: claim });
  });

  it('answers nobody for a head before, and asks for the next one when that has ended', async () => {
    const world = await start();
    const go = world.hang();
    world.ask({ ...claim, minInSync: 2 });
    await settled();
    world.bridge.serve('db', volumeUuid, world.known); // another head in its place
    world.ask(claim);
    await settled();
    expect(world.commits).toBe(1);
    go();
    // The earlier one was done first, so this is of another record than it expected.
    expect(await world.answer()).toMatchObject({ kind: 'differs', current: { minInSync: 2 } });
    expect(world.most).toBe(1);
    await settled();
    expect(world.answers).toEqual([]);
  });

  it('says unavailable after its time, and does nothing late that nobody waits for', async () => {
    const world = await start();
    const go = world.hang();
    world.ask(claim);
    await settled();
    world.clock.advance(storeTimeoutMs - 1);
    await settled();
    expect(world.answers).toEqual([]);
    world.clock.advance(1);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    // The head asks again while the first is still in the store: that one goes first, alone.
    world.ask({ ...claim, minInSync: 2 });
    await settled();
    expect(world.commits).toBe(1);
    world.clock.advance(storeTimeoutMs);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    go();
    while ((await world.records.get('db'))?.record.epoch === 0n) await settled();
    await settled();
    expect(world.commits).toBe(1);
    expect((await world.records.get('db'))?.record).toMatchObject(claim);
    expect(world.answers).toEqual([]);
  });

  it('asks for one thing of a volume at a time, and answers the last', async () => {
    const world = await start();
    const go = world.hang();
    world.ask(claim);
    await settled();
    world.clock.advance(storeTimeoutMs);
    await world.answer();
    world.ask(claim);
    await settled();
    world.before = async () => undefined;
    go();
    expect(await world.answer()).toMatchObject({ kind: 'differs', current: claim });
    expect([world.commits, world.most]).toEqual([2, 1]);
  });

  it('does not guess from a record that is damaged or gone', async () => {
    const world = await start();
    const key = 'mirrors/db';
    await world.store.commit([], [{ type: 'put', key, value: Buffer.from('{}') }]);
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    expect(world.text()).toContain("mirror 'db': its record is of version");
    await world.store.commit([], [{ type: 'delete', key }]);
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    expect(world.text()).toContain('its record is gone from the store');
    expect(await world.records.get('db')).toBeUndefined();
  });

  it('answers who it does not know, and everybody once it is closed', async () => {
    const world = await start();
    world.bridge.request({ volume: 'other', expectedRevision: 0n, wanted: first });
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    await world.bridge.close();
    world.ask(claim);
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
    expect(world.commits).toBe(0);
  });

  it('closes when what is in the store has ended', async () => {
    const world = await start();
    const go = world.hang();
    world.ask(claim);
    await settled();
    const steps: string[] = [];
    const closing = world.bridge.close().then(() => steps.push('closed'));
    await settled();
    steps.push('go');
    go();
    await closing;
    expect(steps).toEqual(['go', 'closed']);
    expect((await world.answer()).kind).toBe('stored');
  });

  it('closes after its time when the store hangs', async () => {
    const world = await start();
    world.before = () => new Promise(() => undefined);
    world.ask(claim);
    await settled();
    const closing = world.bridge.close();
    world.clock.advance(storeTimeoutMs);
    await closing;
    expect(await world.answer()).toEqual({ kind: 'unavailable' });
  });
});

describe('the log of the bridge', () => {
  it('tells who leaves and who is back', async () => {
    const world = await new Harness(openMemoryStore()).start();
    const set = async (both: readonly boolean[], epoch: bigint) => {
      const members = first.members.map((member, i) => ({ ...member, inSync: both[i] ?? false }));
      world.ask({ head: uuid('c'), epoch, members });
      const answer = await world.answer();
      if (answer.kind === 'stored') world.known = answer.current;
    };
    await set([true, true], 1n);
    await set([false, true], 1n);
    await set([true, true], 2n);
    expect(world.lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      "20 volume 'db': epoch 1, 2 of 2 in sync",
      `30 volume 'db': member ${uuid('b')} is in sync again; 2 of 2 in sync`,
      `40 volume 'db': member ${uuid('a')} left the in-sync set; 1 of 2 in sync`,
      "20 volume 'db': epoch 2, 2 of 2 in sync",
      `30 volume 'db': member ${uuid('a')} is in sync again; 2 of 2 in sync`,
    ]);
  });
});
