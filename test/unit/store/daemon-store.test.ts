// The store of a daemon in etcd beside its state directory: whose a prefix is, which start is refused.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdSource } from '../../../src/base/store-source.js';
import { type DaemonStore, openDaemonStore } from '../../../src/store/daemon-store.js';
import { openLevelStore } from '../../../src/store/level/level-store.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../../support/etcd.js';
import { FakeClock } from '../../support/fake-clock.js';
import { content, put, text } from './contract.js';

const log = pino({ level: 'silent' });
const failure = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe.skipIf(withoutEtcd)(`the store of a daemon in etcd ${needsEtcd}`, () => {
  let etcd: EtcdHarness;
  let top: string;
  let prefixes = 0;
  let source: EtcdSource;
  const opened: DaemonStore[] = [];
  beforeAll(async () => {
    etcd = await new EtcdHarness().start();
  });
  afterAll(() => etcd.close());
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'ballast-daemon-store-'));
    prefixes += 1;
    source = { kind: 'etcd', endpoints: [etcd.address], prefix: `daemon${prefixes}/` };
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    rmSync(top, { recursive: true });
  });

  const open = async (name = 'one', from: EtcdSource = source, clock?: FakeClock): Promise<DaemonStore> => {
    const store = await openDaemonStore(join(top, name), from, log, clock);
    opened.push(store);
    return store;
  };
  const closeAll = async () => {
    for (const one of opened.splice(0)) await one.close();
  };

  it('is there again after a restart', async () => {
    const { store } = await open();
    await store.commit([], [put('pools/a', '1')]);
    await closeAll();
    const again = await open();
    expect(await content(again.store, 'pools/')).toEqual({ 'pools/a': '1' });
  });

  it('has the state directory to itself, as without etcd', async () => {
    await open();
    await expect(open()).rejects.toThrow(failure('STATE_DIRECTORY', 'another process uses it'));
  });

  it('is of one state directory', async () => {
    await open();
    await expect(open('two')).rejects.toThrow(failure('STORE_FAILED', 'is of another daemon'));
    const { store } = await open('two', { ...source, prefix: `${source.prefix}two/` });
    expect(Object.keys(await content(store))).toEqual(['owner']);
  });

  it('is not begun where there are keys of others', async () => {
    await etcd.post('kv/put', { key: Buffer.from(`${source.prefix}theirs`).toString('base64') });
    await expect(open()).rejects.toThrow(failure('STORE_FAILED', 'keys of others'));
  });

  it('is not hidden by a start without it, nor by another prefix', async () => {
    await open();
    await closeAll();
    const level = openDaemonStore(join(top, 'one'), { kind: 'level' }, log);
    await expect(level).rejects.toThrow(failure('STATE_DIRECTORY', `/${source.prefix}; start it with that`));
    await expect(open('one', { ...source, prefix: 'elsewhere/' })).rejects.toThrow(
      failure('STATE_DIRECTORY', 'choose another --data'),
    );
    await open();
  });

  it('does not hide what a daemon without etcd has', async () => {
    const local = await openLevelStore(join(top, 'one'));
    await local.commit([], [put('pools/a', '1')]);
    await local.close();
    await expect(open()).rejects.toThrow(
      failure('STATE_DIRECTORY', 'has 1 entries of a daemon without --store'),
    );
    const again = await openDaemonStore(join(top, 'one'), { kind: 'level' }, log);
    opened.push(again);
    expect(await content(again.store)).toEqual({ 'pools/a': '1' });
  });

  it('is refused when it has lost its content', async () => {
    await open();
    await closeAll();
    const range = { key: source.prefix, range_end: `${source.prefix.slice(0, -1)}0` };
    const encoded = Object.entries(range).map(([name, text]) => [name, Buffer.from(text).toString('base64')]);
    await etcd.post('kv/deleterange', Object.fromEntries(encoded));
    await expect(open()).rejects.toThrow(failure('STORE_FAILED', 'has lost its content'));
  });

  it('D18: is refused at the next start when etcd was restored from an old copy meanwhile', async () => {
    const clock = new FakeClock();
    const { store } = await open('one', source, clock);
    await etcd.server.kill();
    const data = etcd.server.directory;
    cpSync(data, `${data}.copy`, { recursive: true });
    await etcd.server.start();
    await store.commit([], [put('a', '1')]);
    const { revision } = await store.commit([], [put('a', '2')]);
    // As a crash leaves it: what was written down at the last tick of the clock.
    clock.advance(10_000);
    const crashed = join(top, 'crashed');
    const marked = async () => {
      rmSync(crashed, { recursive: true, force: true });
      cpSync(join(top, 'one'), crashed, { recursive: true });
      const local = await openLevelStore(crashed);
      const { revision } = JSON.parse(text((await local.get('store/etcd'))?.value) ?? '');
      await local.close();
      return revision;
    };
    await expect.poll(marked).toBe(revision.toString());
    await closeAll();
    await etcd.server.kill();
    rmSync(data, { recursive: true });
    cpSync(`${data}.copy`, data, { recursive: true });
    await etcd.server.start();
    for (const name of ['one', 'crashed']) {
      await expect(open(name)).rejects.toThrow(failure('STORE_FAILED', 'restored from an old copy'));
    }
  });

  it('says which file cannot be read, and never what is in it', async () => {
    const user = { name: 'u', passwordFile: join(top, 'none') };
    await expect(open('one', { ...source, user })).rejects.toThrow(
      failure('INVALID_ARGUMENT', 'a file that can be read'),
    );
    writeFileSync(user.passwordFile, '\n');
    await expect(open('one', { ...source, user })).rejects.toThrow(failure('INVALID_ARGUMENT', 'is empty'));
  });
});
