// Who may use an etcd, and how it is told apart from somebody who only says that he is one: TLS with
// certificates of both sides, users with passwords, and tokens that a restart makes worthless.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClientTls } from '../../../../src/rpc/connection.js';
import type { EtcdStore } from '../../../../src/store/etcd/etcd-store.js';
import { Certificates, type TlsFiles } from '../../../support/certificates.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../../../support/etcd.js';
import { content, put, take } from '../contract.js';

const failure = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
const short = { requestMs: 2_000, attemptMs: 600 };
const base64 = (text: string) => Buffer.from(text).toString('base64');

function tlsOf({ ca, certificate, key }: TlsFiles): Required<ClientTls> {
  return {
    certificateAuthority: readFileSync(ca),
    own: { certificate: readFileSync(certificate), key: readFileSync(key) },
  };
}

describe.skipIf(withoutEtcd)(`an etcd ${needsEtcd}`, () => {
  const stores: EtcdStore[] = [];
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
  });

  describe('with TLS', () => {
    let certificates: Certificates;
    let etcd: EtcdHarness;
    let tls: Required<ClientTls>;
    beforeAll(async () => {
      certificates = new Certificates();
      tls = tlsOf(certificates.issue('client'));
      etcd = await new EtcdHarness({ tls: certificates.issue('server') }).start();
    });
    afterAll(async () => {
      await etcd.close();
      certificates.close();
    });

    it('is used by a client with a certificate of its authority', async () => {
      const store = await etcd.open({ tls });
      stores.push(store);
      await store.commit([], [put('a', '1')]);
      expect(await content(store)).toEqual({ a: '1' });
    });

    it('is not trusted by a client that trusts another authority', async () => {
      const others = new Certificates();
      const own = tlsOf(others.issue('client'));
      const opening = etcd.open({
        ...short,
        tls: { ...tls, certificateAuthority: own.certificateAuthority },
      });
      await expect(opening).rejects.toThrow(failure('STORE_UNAVAILABLE', 'certificate'));
      others.close();
    });

    it('refuses a client without a certificate, or without TLS', async () => {
      const { certificateAuthority } = tls;
      for (const options of [{ tls: { certificateAuthority } }, {}]) {
        await expect(etcd.open({ ...short, ...options })).rejects.toThrow(failure('STORE_UNAVAILABLE'));
      }
    });
  });

  describe('with users', () => {
    const user = { name: 'ballast', password: 'canary' };
    let etcd: EtcdHarness;
    beforeAll(async () => {
      etcd = await new EtcdHarness().start();
      await etcd.post('auth/role/add', { name: 'own' });
      const perm = { permType: 'READWRITE', key: base64('own/'), range_end: base64('own0') };
      await etcd.post('auth/role/grant', { name: 'own', perm });
      for (const [name, password, role] of [
        ['root', 'root', 'root'],
        [user.name, user.password, 'own'],
      ] as const) {
        await etcd.post('auth/user/add', { name, password });
        await etcd.post('auth/user/grant', { user: name, role });
      }
      await etcd.post('auth/enable', {});
    });
    afterAll(() => etcd.close());

    it('is used by one with the right password', async () => {
      const store = await etcd.open({ prefix: 'own/', user });
      stores.push(store);
      await store.commit([], [put('a', '1')]);
      expect(await content(store)).toEqual({ a: '1' });
    });

    it('refuses a wrong password, nobody, and the prefix of others; and no password is told', async () => {
      const wrong = { ...user, password: 'canary2' };
      const refused = failure('STORE_UNAVAILABLE', 'etcdserver: ');
      for (const options of [
        { prefix: 'own/', user: wrong },
        { prefix: 'own/' },
        { prefix: 'other/', user },
      ]) {
        const error = await etcd.open(options).catch((reason) => reason);
        expect(error).toEqual(refused);
        expect(`${error.message} ${error.stack}`).not.toContain('canary');
      }
    });

    it('gives a new token when it has forgotten the old one, to calls and to watches', async () => {
      const store = await etcd.open({ prefix: 'own/', user });
      stores.push(store);
      const { revision } = await store.list('');
      const stop = new AbortController();
      const watching = take(store.watch('b', revision, stop.signal), 2);
      await store.commit([], [put('b', '1')]);
      await etcd.server.kill();
      await etcd.server.start();
      await store.commit([], [put('b', '2')]);
      expect((await watching).map(({ changes }) => changes.length)).toEqual([1, 1]);
    });
  });
});
