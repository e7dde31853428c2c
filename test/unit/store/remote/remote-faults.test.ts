// The store of another process when that process or the network between fails: what is known afterwards, what
// goes on by itself, what is bounded, who is let in.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { typesOf } from '../../../../proto/types.mjs';
import { StoreFailedError } from '../../../../src/base/control-errors.js';
import { openLevelStore } from '../../../../src/store/level/level-store.js';
import { openMemoryStore } from '../../../../src/store/memory/memory-store.js';
import { storeHandlers } from '../../../../src/store/remote/handlers.js';
import type { WatchResponse } from '../../../../src/store/remote/messages.js';
import type { RemoteStore } from '../../../../src/store/remote/remote-store.js';
import { RevisionStore } from '../../../../src/store/revision-store.js';
import type { ChangeSet, Store } from '../../../../src/store/types.js';
import { Certificates } from '../../../support/certificates.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { StoreServer } from '../../../support/store-server.js';
import { TcpProxy } from '../../../support/tcp-proxy.js';
import { bytes, content, put, take, text } from '../contract.js';

const failure = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
const short = { requestMs: 2_000, attemptMs: 600 };

let store: Store;
let clock: FakeClock;
let server: StoreServer;
let stop: AbortController;
const closing: { close(): unknown }[] = [];
beforeEach(async () => {
  clock = new FakeClock();
  store = openMemoryStore(clock);
  server = await StoreServer.open(store);
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  for (const one of closing.splice(0)) await one.close();
  await server.close();
  await store.close();
});

function client(options: Parameters<StoreServer['client']>[0] = {}, of = server): RemoteStore {
  const made = of.client({ clock, ...options });
  closing.push(made);
  return made;
}

async function proxied(): Promise<TcpProxy> {
  const proxy = await new TcpProxy(server.address).open();
  closing.push(proxy);
  return proxy;
}

async function restart(): Promise<void> {
  const { address } = server;
  await server.close();
  server = await StoreServer.open(store, { address });
}

describe('messages.ts', () => {
  it('is what proto/types.mjs makes of the proto', () => {
    const file = new URL('../../../../src/store/remote/messages.ts', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(typesOf('store'));
  });
});

describe('a process that uses the store of another', () => {
  it('hears that nothing was changed while the other is away, and goes on when it is back', async () => {
    const remote = client(short);
    await remote.commit([], [put('a', '1')]);
    const { address } = server;
    await server.close();
    await remote.get('a').catch(() => undefined);
    await expect(remote.commit([], [put('a', '2')])).rejects.toThrow(
      failure('STORE_UNAVAILABLE', 'ECONNREFUSED'),
    );
    await expect(remote.list('')).rejects.toThrow(failure('STORE_UNAVAILABLE'));
    server = await StoreServer.open(store, { address });
    expect(await content(remote)).toEqual({ a: '1' });
  });

  it('misses no commit and sees none twice, over restarts and cut connections', async () => {
    const proxy = await proxied();
    const remote = client({ address: proxy.address });
    const seen: ChangeSet[] = [];
    const watching = (async () => {
      for await (const set of remote.watch('', 0n, stop.signal)) seen.push(set);
    })();
    for (let round = 0; round < 4; round += 1) {
      await store.commit([], [put('a', `${round}`), put('b', `${round}`)]);
      await sleep(round * 20);
      if (round % 2 === 0) proxy.cut();
      else await restart();
      await store.commit([], [put('c', `${round}`)]);
    }
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(8);
    expect(seen.map(({ revision }) => revision)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
    expect(seen[0]?.changes).toHaveLength(2);
    stop.abort();
    await watching;
  });

  it('has a gap after a restart of an embedded store, which has forgotten what was before', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ballast-remote-'));
    let level = await openLevelStore(join(directory, 'store'));
    let other = await StoreServer.open(level);
    const remote = client({}, other);
    await remote.commit([], [put('a', '1')]);
    const watch = remote.watch('', 0n, stop.signal)[Symbol.asyncIterator]();
    expect((await watch.next()).value.revision).toBe(1n);
    const waiting = watch.next();
    waiting.catch(() => undefined);
    const { address } = other;
    await other.close();
    await level.commit([], [put('a', '2')]);
    await level.close();
    level = await openLevelStore(join(directory, 'store'));
    other = await StoreServer.open(level, { address });
    await expect(waiting).rejects.toThrow(
      failure('STORE_GAP', 'watch after revision 1: these changes are no longer'),
    );
    await remote.close();
    await other.close();
    await level.close();
    await rm(directory, { recursive: true });
  });

  it('D18: refuses a store that was restored from an old copy', async () => {
    const remote = client();
    await remote.commit([], [put('a', '1')]);
    const { revision } = await remote.commit([], [put('a', '2')]);
    const watching = take(remote.watch('', revision, stop.signal), 1);
    watching.catch(() => undefined);
    const { address } = server;
    await server.close();
    const old = openMemoryStore(clock);
    await old.commit([], [put('a', '1')]);
    server = await StoreServer.open(old, { address });
    closing.push(old);
    await expect(watching).rejects.toThrow(failure('STORE_GAP'));
    await expect(remote.list('')).rejects.toThrow(failure('STORE_FAILED', 'restored from an old copy'));
    await expect(remote.commit([{ key: 'a', revision: 1n }], [put('a', '3')])).rejects.toThrow(
      failure('STORE_FAILED'),
    );
    await expect(remote.get('a')).rejects.toThrow(failure('STORE_FAILED'));
    expect(await content(old)).toEqual({ a: '1' });
  });

  it('D18: watches from nothing that another store had, once it was taken for another one', async () => {
    const remote = client();
    await remote.commit([], [put('a', '1')]);
    const watching = take(remote.watch('', 0n, stop.signal), 2);
    watching.catch(() => undefined);
    remote.forgetLineage();
    await expect(watching).rejects.toThrow(failure('STORE_GAP', 'it may be another store now'));
    // From now on as ever.
    expect(await take(remote.watch('', 0n, stop.signal), 1)).toHaveLength(1);
  });

  it('hears of a commit whose answer is lost that nobody knows, and it is made once', async () => {
    const proxy = await proxied();
    const remote = client({ ...short, address: proxy.address });
    await remote.commit([], [put('a', '1')]);
    proxy.loseAnswers();
    await expect(remote.commit([], [put('a', '2')])).rejects.toThrow(failure('STORE_IN_DOUBT'));
    proxy.cut();
    expect(text((await remote.get('a'))?.value)).toBe('2');
    expect((await remote.list('')).revision).toBe(2n);
  });

  it('keeps a lease over a cut connection and a restart of the server, until its time', async () => {
    const proxy = await proxied();
    const remote = client({ address: proxy.address });
    const lease = await remote.lease(1000);
    await remote.commit([], [{ type: 'put', key: 'a', value: bytes('1'), lease: lease.id }]);
    proxy.cut();
    clock.advance(999);
    await lease.renew();
    clock.advance(999);
    expect(lease.ended.aborted).toBe(false);
    expect(await content(store)).toEqual({ a: '1' });
    clock.advance(1);
    expect(lease.ended.aborted).toBe(true);
    await expect.poll(() => content(store)).toEqual({});
  });

  it('D19: ends a lease for its holder first, when the store does not answer', async () => {
    const proxy = await proxied();
    const slow = new FakeClock();
    const remote = client({ ...short, address: proxy.address, clock: slow });
    const lease = await remote.lease(1000);
    await remote.commit([], [{ type: 'put', key: 'leader', value: bytes('1'), lease: lease.id }]);
    proxy.loseAnswers();
    slow.advance(600);
    await expect(lease.renew()).rejects.toThrow(failure('STORE_UNAVAILABLE'));
    slow.advance(400);
    expect(lease.ended.aborted).toBe(true);
    await expect(lease.renew()).rejects.toThrow(failure('LEASE_EXPIRED'));
  });

  it('loses its lease with a process that was started anew', async () => {
    const remote = client();
    const lease = await remote.lease(1000);
    await restart(); // its handlers know no leases any more, as those of a new process
    await expect(lease.renew()).rejects.toThrow(failure('LEASE_EXPIRED'));
    expect(lease.ended.aborted).toBe(true);
  });

  it('hears that the store has failed, with its reason', async () => {
    const medium = { write: () => Promise.reject(new Error('EIO')), close: async () => undefined };
    const broken = new RevisionStore(medium, clock);
    const other = await StoreServer.open(broken);
    closing.push(broken, other);
    const remote = client({}, other);
    const failed = new StoreFailedError('commit', 'EIO');
    await expect(remote.commit([], [put('a', '1')])).rejects.toThrow(failure('STORE_FAILED', failed.message));
    await expect(remote.get('a')).rejects.toThrow(failure('STORE_FAILED', 'EIO'));
  });
});

describe('a process with the store', () => {
  it('tells commits of a moment in one message, in their order, each by itself', async () => {
    const { signal } = stop;
    const messages = storeHandlers(store).Watch({ prefix: '', after: '0' }, { signal, peer: {} as never });
    const answers = messages[Symbol.asyncIterator]();
    expect((await answers.next()).value).toEqual({ commits: [] });
    for (const value of ['1', '2', '3']) await store.commit([], [put('k', value)]);
    const answer = (await answers.next()).value as WatchResponse;
    expect(answer.commits.map(({ revision }) => revision)).toEqual(['1', '2', '3']);
    expect(answer.commits.map(({ changes }) => changes.map(({ value }) => text(value)))).toEqual([
      ...[['1'], ['2'], ['3']],
    ]);
    await answers.return?.();
  });

  it('gives out so many watches and leases, and takes back those whose reader is gone', async () => {
    const other = await StoreServer.open(store, { watchesMax: 2, leasesMax: 1 });
    closing.push(other);
    const remote = client(short, other);
    const first = new AbortController();
    const watches = [first.signal, stop.signal].map((signal) => take(remote.watch('', 0n, signal), 1));
    await sleep(100);
    const third = take(remote.watch('', 0n, stop.signal), 1);
    await remote.lease(1000);
    await expect(remote.lease(1000)).rejects.toThrow(failure('STORE_UNAVAILABLE', 'at most 1 leases'));
    first.abort();
    await watches[0];
    await sleep(1_000);
    await remote.commit([], [put('a', '1')]);
    expect((await Promise.all([watches[1]!, third])).map((sets) => sets.length)).toEqual([1, 1]);
  });

  it('logs no value', async () => {
    const remote = client();
    await remote.commit([], [put('auth/tokens/x', 'canary')]);
    await remote.list('');
    await remote.get('auth/tokens/x');
    expect(server.lines.join()).toContain('Commit: OK');
    expect(server.lines.join()).not.toMatch(/canary|Y2FuYXJ5/);
  });

  it('is refused an address beyond loopback without certificates, and one that is taken', async () => {
    const open = (host: string, port = 0) => StoreServer.open(store, { address: { host, port } });
    await expect(open('0.0.0.0')).rejects.toThrow(failure('INVALID_ARGUMENT', 'certificates of both sides'));
    await expect(open('127.0.0.1', server.address.port)).rejects.toThrow(failure('ADDRESS_IN_USE'));
  });

  it('M18: lets in who has a certificate of its authority, and nobody else', async () => {
    const certificates = new Certificates();
    const strangers = new Certificates();
    const tlsOf = (issuer: Certificates, name: string) => {
      const { certificate, key, ca } = issuer.issue(name);
      const own = { certificate: readFileSync(certificate), key: readFileSync(key) };
      return { own, certificateAuthority: readFileSync(ca) };
    };
    const { own, certificateAuthority } = tlsOf(certificates, 'controller');
    const other = await StoreServer.open(store, { tls: { ...own, clientAuthority: certificateAuthority } });
    closing.push(other);
    const agent = tlsOf(certificates, 'agent');
    const remote = client({ tls: agent }, other);
    await remote.commit([], [put('a', '1')]);
    expect(await content(remote)).toEqual({ a: '1' });
    const stranger = tlsOf(strangers, 'agent');
    for (const tls of [
      { certificateAuthority }, // none of its own
      { certificateAuthority, own: stranger.own },
      { certificateAuthority: stranger.certificateAuthority, own: agent.own }, // does not trust the server
      undefined,
    ]) {
      const refused = client({ ...short, ...(tls !== undefined && { tls }) }, other);
      await expect(refused.get('a')).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      await expect(refused.commit([], [put('a', '2')])).rejects.toThrow();
    }
    expect(await content(store)).toEqual({ a: '1' });
    certificates.close();
    strangers.close();
  });

  it('is not confused by a server that speaks something else', async () => {
    const web = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => web.once('listening', resolve));
    const { port } = web.address() as { port: number };
    const remote = client({ ...short, address: { host: '127.0.0.1', port } });
    await expect(remote.get('a')).rejects.toThrow(failure('STORE_UNAVAILABLE'));
    web.close();
  });
});
