// Three members of etcd, of which one or two are taken away: row D17, and what its users see of an election.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EtcdStore, openEtcdStore } from '../../../../src/store/etcd/etcd-store.js';
import type { ChangeSet } from '../../../../src/store/types.js';
import { EtcdCluster, EtcdHarness, needsEtcd, withoutEtcd } from '../../../support/etcd.js';
import { content, put } from '../contract.js';

const failure = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe.skipIf(withoutEtcd)(`an etcd of three members ${needsEtcd}`, () => {
  let etcd: EtcdCluster;
  let store: EtcdStore;
  let stop: AbortController;
  beforeEach(async () => {
    etcd = await new EtcdCluster().start();
    store = await openEtcdStore({ endpoints: etcd.addresses, prefix: 'p/' });
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await store.close();
    await etcd.close();
  });

  /** Counts up by compare-and-swap; what is in doubt is read. Resolves with how often it was. */
  async function count(upTo: number): Promise<number> {
    let doubts = 0;
    for (let number = 1; number <= upTo; ) {
      try {
        const found = await store.get('counter');
        const value = String(number);
        const stored = found === undefined ? '0' : Buffer.from(found.value).toString();
        if (stored === value) {
          number += 1; // made, although it was in doubt
          continue;
        }
        expect(stored).toBe(String(number - 1));
        const compare = [{ key: 'counter', revision: found?.revision ?? 0n }];
        const { ok } = await store.commit(compare, [put('counter', value)]);
        expect(ok).toBe(true);
        number += 1;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === 'STORE_IN_DOUBT') doubts += 1;
        else if (code !== 'STORE_UNAVAILABLE') throw error;
      }
    }
    return doubts;
  }

  it.each(['SIGKILL', 'SIGSTOP'])(
    'goes on after %s of its leader: nothing is lost, made twice or out of order',
    async (signal) => {
      const seen: ChangeSet[] = [];
      const watching = (async () => {
        for await (const set of store.watch('counter', 0n, stop.signal)) seen.push(set);
      })();
      const counting = count(300);
      await sleep(150);
      const leader = await etcd.leader();
      expect(seen.length).toBeLessThan(300);
      if (signal === 'SIGKILL') await leader.kill();
      else leader.signal(signal);
      await counting;
      expect(await content(store)).toEqual({ counter: '300' });
      await expect.poll(() => seen.length, { timeout: 15_000 }).toBe(300);
      const values = seen.map(({ changes: [change] }) =>
        change?.type === 'put' ? Number(Buffer.from(change.value).toString()) : undefined,
      );
      expect(values).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
      stop.abort();
      await watching;
    },
    60_000,
  );

  it('says that it cannot be reached, or that nobody knows, while most of it is gone', async () => {
    await store.commit([], [put('a', '1')]);
    const [first, second] = etcd.members;
    await Promise.all([first?.kill(), second?.kill()]);
    await expect(store.get('a')).rejects.toThrow(failure('STORE_UNAVAILABLE'));
    const commit = await store.commit([], [put('a', '2')]).catch((error: { code: string }) => error.code);
    expect(['STORE_UNAVAILABLE', 'STORE_IN_DOUBT']).toContain(commit);
    await Promise.all([first?.start(), second?.start()]);
    expect(['1', '2']).toContain((await content(store)).a);
    expect((await store.commit([], [put('a', '3')])).ok).toBe(true);
  }, 60_000);
});

describe.skipIf(withoutEtcd)(`an etcd without room ${needsEtcd}`, () => {
  it('D6: refuses to write, which is no doubt, and is read as before', async () => {
    const etcd = await new EtcdHarness({ arguments: ['--quota-backend-bytes', String(8 << 20)] }).start();
    const store = await etcd.open();
    const value = new Uint8Array(1_000_000);
    let error: unknown;
    for (let written = 0; written < 40 && error === undefined; written += 1) {
      error = await store.commit([], [{ type: 'put', key: `k${written}`, value }]).then(
        () => undefined,
        (reason: unknown) => reason,
      );
    }
    expect(error).toEqual(failure('STORE_UNAVAILABLE', 'database space exceeded'));
    expect((await store.get('k0'))?.value.byteLength).toBe(1_000_000);
    await store.close();
    await etcd.close();
  });
});
