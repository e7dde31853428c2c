// The parts of the etcd store that need no etcd: which commits are whole, what a failed call means, in which
// order commits go out, whether etcd went back.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { typesOf } from '../../../../proto/types.mjs';
import { CallFailure } from '../../../../src/rpc/connection.js';
import type { StatusName } from '../../../../src/rpc/status.js';
import { CommitOrder } from '../../../../src/store/commit-order.js';
import { ChangeSets } from '../../../../src/store/etcd/change-sets.js';
import { changeFailed, isPassing } from '../../../../src/store/etcd/failures.js';
import { EtcdKeys } from '../../../../src/store/etcd/keys.js';
import { Lineage } from '../../../../src/store/lineage.js';

describe('src/store/etcd/messages.ts', () => {
  it('is what proto/types.mjs makes of the proto', () => {
    const file = new URL('../../../../src/store/etcd/messages.ts', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(typesOf('etcd'));
  });
});

describe('commits of a watch', () => {
  const keys = new EtcdKeys('p/');
  const event = (key: string, revision: number) => ({
    type: 'PUT' as const,
    kv: { key: Buffer.from(`p/${key}`), value: Buffer.from('v'), modRevision: String(revision) },
  });
  const shape = (sets: readonly { revision: bigint; changes: readonly { key: string }[] }[]) =>
    sets.map(({ revision, changes }) => `${revision}:${changes.map(({ key }) => key).join()}`);

  it('come out of one answer one by one', () => {
    const sets = new ChangeSets(keys);
    const events = [event('a', 5), event('b', 5), event('a', 7)];
    expect(shape(sets.add({ events, fragment: false }))).toEqual(['5:a,b', '7:a']);
    expect(sets.isWaiting).toBe(false);
  });

  it('are held until their last part has come', () => {
    const sets = new ChangeSets(keys);
    expect(shape(sets.add({ events: [event('a', 5), event('a', 6)], fragment: true }))).toEqual(['5:a']);
    expect(sets.isWaiting).toBe(true);
    expect(shape(sets.add({ events: [event('b', 6)], fragment: true }))).toEqual([]);
    expect(shape(sets.add({ events: [event('c', 6), event('a', 7)], fragment: false }))).toEqual([
      '6:a,b,c',
      '7:a',
    ]);
  });

  it('end with an answer that ends exactly there', () => {
    const sets = new ChangeSets(keys);
    expect(shape(sets.add({ events: [event('a', 5)], fragment: true }))).toEqual([]);
    expect(shape(sets.add({ events: [event('a', 6)], fragment: false }))).toEqual(['5:a', '6:a']);
  });
});

describe('a change that failed', () => {
  it.each<[StatusName, string, string]>([
    ['INVALID_ARGUMENT', 'etcdserver: too many operations in txn request', 'STORE_UNAVAILABLE'],
    ['RESOURCE_EXHAUSTED', 'etcdserver: mvcc: database space exceeded', 'STORE_UNAVAILABLE'],
    ['PERMISSION_DENIED', 'etcdserver: permission denied', 'STORE_UNAVAILABLE'],
    // What the network or HTTP/2 says of it leaves open how far it came; so does a proposal that timed out.
    ['RESOURCE_EXHAUSTED', 'Bandwidth exhausted', 'STORE_IN_DOUBT'],
    ['UNAVAILABLE', 'etcdserver: request timed out', 'STORE_IN_DOUBT'],
    ['UNAVAILABLE', 'etcdserver: leader changed', 'STORE_IN_DOUBT'],
    ['UNAVAILABLE', 'Connection dropped', 'STORE_IN_DOUBT'],
    ['DEADLINE_EXCEEDED', '', 'STORE_IN_DOUBT'],
    ['CANCELLED', '', 'STORE_IN_DOUBT'],
    ['INTERNAL', 'Received RST_STREAM with code 2', 'STORE_IN_DOUBT'],
    ['UNKNOWN', 'etcdserver: something new', 'STORE_IN_DOUBT'],
  ])('with %s, %s is %s', (status, details, code) => {
    expect(changeFailed('commit', new CallFailure(status, details))).toMatchObject({ code });
  });

  it('of etcd being full is not tried again, of too many requests is', () => {
    expect(
      isPassing(new CallFailure('RESOURCE_EXHAUSTED', 'etcdserver: mvcc: database space exceeded')),
    ).toBe(false);
    expect(isPassing(new CallFailure('RESOURCE_EXHAUSTED', 'etcdserver: too many requests'))).toBe(true);
  });
});

describe('the order of commits', () => {
  it('is that of asking where keys are the same, and free elsewhere', async () => {
    const order = new CommitOrder();
    const log: string[] = [];
    let open: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      open = resolve;
    });
    const work =
      (name: string, wait: Promise<void> = Promise.resolve()) =>
      async () => {
        log.push(`${name} begins`);
        await wait;
        log.push(`${name} ends`);
      };
    const first = order.after(['a', 'b'], work('ab', held));
    const second = order.after(['b', 'c'], work('bc'));
    const third = order.after(['c'], work('c'));
    await order.after(['d'], work('d'));
    expect(log).toEqual(['ab begins', 'd begins', 'd ends']);
    open();
    await Promise.all([first, second, third]);
    expect(log.slice(3)).toEqual(['ab ends', 'bc begins', 'bc ends', 'c begins', 'c ends']);
  });

  it('goes on after one that failed, and is idle when nothing is left', async () => {
    const order = new CommitOrder();
    const failed = order.after(['a'], () => Promise.reject(new Error('lost')));
    const next = order.after(['a'], async () => 'done');
    await expect(failed).rejects.toThrow('lost');
    expect(await next).toBe('done');
    await order.idle();
  });
});

describe('the lineage of a store', () => {
  const mark = (revision: bigint, identity = 'a') => ({ identity, revision });

  it('takes answers that come out of order, of questions that were asked before', () => {
    const lineage = new Lineage('it');
    const floor = lineage.floor;
    lineage.note(mark(7n), floor);
    expect(lineage.note(mark(5n), floor)).toBe(5n);
    expect(lineage.note(mark(6n))).toBe(6n); // a member that is behind
    expect(lineage.mark).toEqual(mark(7n));
  });

  it('refuses everything from the first answer on that went back, or is of another store', () => {
    for (const bad of [mark(6n), mark(9n, 'b')]) {
      const lineage = new Lineage('it');
      lineage.note(mark(7n), 0n);
      expect(() => lineage.note(bad, lineage.floor)).toThrow(
        expect.objectContaining({ code: 'STORE_FAILED' }),
      );
      expect(() => lineage.note(mark(10n), lineage.floor)).toThrow();
      expect(() => lineage.check()).toThrow();
    }
  });
});
