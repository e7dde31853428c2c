// What becomes of calls, watches and leases when etcd dies, stands still, forgets or is replaced, or when its
// answer is lost: rows D17 to D20 of the list of faults that this project keeps.
import { cpSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdStore } from '../../../../src/store/etcd/etcd-store.js';
import type { ChangeSet } from '../../../../src/store/types.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../../../support/etcd.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { TcpProxy } from '../../../support/tcp-proxy.js';
import { bytes, content, put, take, text } from '../contract.js';

const failure = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
const short = { requestMs: 2_000, attemptMs: 600 };

describe.skipIf(withoutEtcd)(`the etcd store ${needsEtcd}`, () => {
  let etcd: EtcdHarness;
  let stop: AbortController;
  const closing: { close(): Promise<void> }[] = [];
  const opened = async (options: Parameters<EtcdHarness['open']>[0] = {}): Promise<EtcdStore> => {
    const store = await etcd.open(options);
    closing.push(store);
    return store;
  };
  const proxied = async (): Promise<TcpProxy> => {
    const proxy = await new TcpProxy(etcd.address).open();
    closing.push(proxy);
    return proxy;
  };
  beforeEach(async () => {
    etcd = await new EtcdHarness().start();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    etcd.server.signal('SIGCONT');
    for (const one of closing.splice(0)) await one.close();
    await etcd.close();
  });

  describe('when etcd is killed (D17)', () => {
    it('says that nothing was changed while it is down, and goes on when it is back', async () => {
      const store = await opened(short);
      await store.commit([], [put('a', '1')]);
      await etcd.server.kill();
      // The connection may still be thought to stand for the first of them.
      await store.get('a').catch(() => undefined);
      await expect(store.get('a')).rejects.toThrow(failure('STORE_UNAVAILABLE', 'ECONNREFUSED'));
      await expect(store.commit([], [put('a', '2')])).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      await expect(store.lease(1000)).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      await etcd.server.start();
      expect(text((await store.get('a'))?.value)).toBe('1');
      expect((await store.commit([], [put('a', '3')])).ok).toBe(true);
    });

    it('waits for one that comes back in time', async () => {
      const store = await opened();
      await store.commit([], [put('a', '1')]);
      await etcd.server.kill();
      const got = store.get('a');
      await etcd.server.start();
      expect(text((await got)?.value)).toBe('1');
    });

    it('loses no commit for a watcher, and tells none twice', async () => {
      const store = await opened();
      const { revision } = await store.list('');
      const seen: ChangeSet[] = [];
      const watching = (async () => {
        for await (const set of store.watch('', revision, stop.signal)) seen.push(set);
      })();
      const writer = await opened({ prefix: 'other/' });
      for (let round = 0; round < 3; round += 1) {
        await store.commit([], [put('a', `${round}`), put('b', `${round}`)]);
        await etcd.server.kill();
        await etcd.server.start();
        await writer.commit([], [put('unrelated', '')]);
        await store.commit([], [put('c', `${round}`)]);
      }
      while (seen.length < 6) await sleep(5);
      expect(seen.map(({ changes }) => changes.map(({ key }) => key).join())).toEqual([
        ...['a,b', 'c', 'a,b', 'c', 'a,b', 'c'],
      ]);
      stop.abort();
      await watching;
    });

    it('keeps a lease that was renewed in time, and the keys under it', async () => {
      const store = await opened();
      const lease = await store.lease(20_000);
      await store.commit([], [{ type: 'put', key: 'a', value: bytes('1'), lease: lease.id }]);
      await etcd.server.kill();
      await etcd.server.start();
      await lease.renew();
      expect(lease.ended.aborted).toBe(false);
      expect(await content(store)).toEqual({ a: '1' });
      await lease.revoke();
      expect(await content(store)).toEqual({});
    });
  });

  describe('when etcd stands still (D15, D19)', () => {
    it('says of a commit that nobody knows, and of a read that it failed', async () => {
      const store = await opened(short);
      await store.commit([], [put('a', '1')]);
      etcd.server.signal('SIGSTOP');
      const commit = store.commit([], [put('a', '2')]);
      await expect(commit).rejects.toThrow(failure('STORE_IN_DOUBT'));
      await expect(store.get('a')).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      etcd.server.signal('SIGCONT');
      // It was sent, so it may be there now.
      expect(['1', '2']).toContain(text((await store.get('a'))?.value));
    });

    it('ends a lease for its holder before anybody else could have its key', async () => {
      const clock = new FakeClock();
      const store = await opened({ ...short, clock });
      const rival = await opened({ ...short, prefix: 'test1/' });
      const lease = await store.lease(1000);
      const mine = { type: 'put', key: 'leader', value: bytes('1'), lease: lease.id } as const;
      await store.commit([{ key: 'leader', revision: 0n }], [mine]);
      etcd.server.signal('SIGSTOP');
      clock.advance(500);
      await expect(lease.renew()).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      expect(lease.ended.aborted).toBe(false);
      clock.advance(500);
      expect(lease.ended.aborted).toBe(true);
      await expect(lease.renew()).rejects.toThrow(failure('LEASE_EXPIRED'));
      await expect(store.commit([], [mine])).rejects.toThrow(failure('LEASE_EXPIRED'));
      etcd.server.signal('SIGCONT');
      const { revision } = await rival.list('');
      const absent = [{ key: 'leader', revision: 0n }];
      if (!(await rival.commit(absent, [put('leader', '2')])).ok) {
        await take(rival.watch('leader', revision, stop.signal), 1);
        expect((await rival.commit(absent, [put('leader', '2')])).ok).toBe(true);
      }
    });

    it('counts the time of a lease from before it was asked for', async () => {
      const clock = new FakeClock();
      const store = await opened({ clock });
      etcd.server.signal('SIGSTOP');
      const asked = store.lease(1000);
      clock.advance(900);
      etcd.server.signal('SIGCONT');
      const lease = await asked;
      clock.advance(99);
      expect(lease.ended.aborted).toBe(false);
      clock.advance(1);
      expect(lease.ended.aborted).toBe(true);
    });

    it('asks another member', async () => {
      const proxy = await proxied();
      const store = await opened({ endpoints: [proxy.address, etcd.address], attemptMs: 200 });
      await store.commit([], [put('a', '1')]);
      proxy.loseAnswers();
      expect(text((await store.get('a'))?.value)).toBe('1');
      // It is known now which one is silent: a commit is not sent there.
      expect((await store.commit([], [put('a', '2')])).ok).toBe(true);
    });
  });

  describe('when an answer is lost', () => {
    it('says of a commit that was made that nobody knows', async () => {
      const proxy = await proxied();
      const store = await opened({ ...short, endpoints: [proxy.address] });
      await store.commit([], [put('a', '1')]);
      proxy.loseAnswers();
      await expect(store.commit([], [put('a', '2')])).rejects.toThrow(failure('STORE_IN_DOUBT'));
      proxy.cut();
      expect(text((await store.get('a'))?.value)).toBe('2');
    });

    it('says the same when the connection breaks meanwhile', async () => {
      const proxy = await proxied();
      const store = await opened({ endpoints: [proxy.address] });
      await store.commit([], [put('a', '1')]);
      proxy.loseAnswers();
      const commit = store.commit([], [put('a', '2')]);
      await sleep(100);
      proxy.cut();
      await expect(commit).rejects.toThrow(failure('STORE_IN_DOUBT'));
      expect(text((await store.get('a'))?.value)).toBe('2');
    });

    it('sends a commit with comparisons once, so that it cannot lose against itself', async () => {
      const proxy = await proxied();
      const store = await opened({ ...short, endpoints: [proxy.address, etcd.address] });
      proxy.loseAnswers();
      const claim = await store
        .commit([{ key: 'a', revision: 0n }], [put('a', 'me')])
        .catch((error) => error);
      if (claim instanceof Error) expect(claim).toEqual(failure('STORE_IN_DOUBT'));
      else expect(claim.ok).toBe(true);
      expect(text((await store.get('a'))?.value)).toBe('me');
    });

    it('refuses what follows on a connection that is refused, without a doubt', async () => {
      const proxy = await proxied();
      const store = await opened({ ...short, endpoints: [proxy.address] });
      await proxy.close();
      await sleep(50);
      await expect(store.commit([], [put('a', '1')])).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      await proxy.open();
      expect(await content(store)).toEqual({});
    });
  });

  describe('when etcd forgets', () => {
    it('has a gap for a watcher that was away meanwhile', async () => {
      const proxy = await proxied();
      const store = await opened({ endpoints: [proxy.address] });
      const direct = await opened({ prefix: 'test1/' });
      const { revision } = await store.list('');
      await store.commit([], [put('a', '1')]);
      const watch = store.watch('', revision, stop.signal)[Symbol.asyncIterator]();
      expect((await watch.next()).value.changes).toHaveLength(1);
      await proxy.close();
      const waiting = watch.next();
      waiting.catch(() => undefined);
      await direct.commit([], [put('a', '2')]);
      await etcd.compact(direct);
      await proxy.open();
      await expect(waiting).rejects.toThrow(failure('STORE_GAP', 'etcd keeps changes from'));
    });

    it('lists again when the revision of a page is gone', async () => {
      const store = await opened();
      for (let batch = 0; batch < 10; batch += 1) {
        const keys = Array.from({ length: 128 }, (_, index) => put(`k${batch}-${index}`, 'v'));
        await store.commit([], keys);
      }
      const listed = store.list('k');
      const compacted = etcd.compact(store);
      expect((await listed).entries).toHaveLength(1280);
      await compacted;
    });
  });

  describe('when etcd is not what it was (D18)', () => {
    it('refuses one that was restored from an old copy', async () => {
      const store = await opened();
      await store.commit([], [put('a', '1')]);
      await etcd.server.kill();
      const data = etcd.server.directory;
      cpSync(data, `${data}.copy`, { recursive: true });
      await etcd.server.start();
      for (const value of ['2', '3']) await store.commit([], [put('a', value)]);
      const { mark } = store;
      const watching = take(store.watch('', (await store.list('')).revision, stop.signal), 1);
      watching.catch(() => undefined);
      await etcd.server.kill();
      rmSync(data, { recursive: true });
      cpSync(`${data}.copy`, data, { recursive: true });
      await etcd.server.start();
      const old = failure('STORE_FAILED', 'it was restored from an old copy');
      await expect(store.get('a')).rejects.toThrow(old);
      await expect(store.commit([], [put('a', '4')])).rejects.toThrow(old);
      await expect(watching).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_(?:FAILED|GAP)$/) });
      await expect(etcd.open({ mark: mark! })).rejects.toThrow(old);
    });

    it('refuses another cluster', async () => {
      const store = await opened();
      const { mark } = store;
      const other = await new EtcdHarness().start();
      closing.push(other);
      await expect(other.open({ mark: mark! })).rejects.toThrow(
        failure('STORE_FAILED', 'this is etcd cluster'),
      );
      const again = await opened({ mark: mark! });
      expect(again.mark?.identity).toBe(mark?.identity);
    });
  });

  it('lists values that are too large for one answer', async () => {
    const store = await opened();
    const value = new Uint8Array(900_000).fill(7);
    for (let count = 10; count < 40; count += 1) {
      await store.commit([], [{ type: 'put', key: `large/${count}`, value }]);
    }
    const { entries } = await store.list('large/');
    expect(entries.map(({ key }) => key)).toEqual(
      Array.from({ length: 30 }, (_, index) => `large/${index + 10}`),
    );
    expect(entries.every((entry) => Buffer.from(entry.value).equals(value))).toBe(true);
  });

  it('keeps the prefixes of others apart', async () => {
    const one = await opened({ prefix: 'p' });
    const other = await opened({ prefix: 'p/' });
    await one.commit([], [put('x', '1')]);
    await other.commit([], [put('x', '2')]);
    expect(await content(other)).toEqual({ x: '2' });
    await expect(etcd.open({ prefix: '' })).rejects.toThrow(failure('INVALID_ARGUMENT'));
  });
});
