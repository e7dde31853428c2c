// The authority of a cluster: what it signs is accepted by OpenSSL, and what its directory may look like.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Authority } from '../../../src/trust/authority.js';
import { nodeIdIn } from '../../../src/trust/node-identity.js';
import { newKey, requestOf } from '../../../src/trust/x509.js';
import { FakeClock } from '../../support/fake-clock.js';

const id = '0b4f7c58-5d0f-4a6e-9f0e-3a3a0e5b6c11';
const dayMs = 86_400_000;
let directory: string;
let clock: FakeClock;
const path = (name: string) => join(directory, name);
const open = () => Authority.open(directory, clock);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ballast-authority-'));
  clock = new FakeClock();
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('an authority', () => {
  it('is made at its first use, with a key for its owner only, and is the same afterwards', async () => {
    const { certificate, keyHash } = await open();
    expect(statSync(path('ca.key')).mode & 0o777).toBe(0o600);
    const again = await open();
    expect(again.certificate).toBe(certificate);
    expect(again.keyHash).toEqual(keyHash);
    const parsed = new X509Certificate(certificate);
    expect(parsed.ca).toBe(true);
    expect(parsed.verify(parsed.publicKey)).toBe(true);
  });

  it('is made of the key that a crash left', async () => {
    const { keyHash } = await open();
    rmSync(path('ca.pem'));
    expect((await open()).keyHash).toEqual(keyHash);
  });

  it('without its key is refused: a new one would not be the one that nodes trust', async () => {
    await open();
    rmSync(path('ca.key'));
    await expect(open()).rejects.toThrow('ca.key: is gone, and ca.pem is there');
  });

  it('whose key others could read is refused', async () => {
    await open();
    chmodSync(path('ca.key'), 0o640);
    await expect(open()).rejects.toThrow('has mode 0640 instead of 0600');
  });

  it.each([
    ['another key', newKey],
    ['no key', async () => 'not a key'],
  ])('with %s is refused', async (_what, key) => {
    await open();
    writeFileSync(path('ca.key'), await key());
    await expect(open()).rejects.toThrow('is not the certificate of ca.key');
  });
});

describe('the certificate of a node', () => {
  it('is of its ID, for a client and a server, for a year, and OpenSSL takes it', async () => {
    const authority = await open();
    const { certificate, notAfter } = await authority.signNode(
      id.toUpperCase(),
      await requestOf(await newKey()),
    );
    const parsed = new X509Certificate(certificate);
    expect(nodeIdIn(parsed)).toBe(id);
    expect(parsed.subjectAltName).toBe(`URI:urn:uuid:${id}`);
    expect(parsed.subject).toBe(`CN=urn:uuid:${id}`);
    expect(parsed.ca).toBe(false);
    expect(notAfter.getTime() - clock.date().getTime()).toBe(365 * dayMs);
    expect(Date.parse(parsed.validFrom)).toBeLessThan(clock.date().getTime());
    writeFileSync(path('node.pem'), certificate);
    for (const purpose of ['sslclient', 'sslserver']) {
      expect(verified('node.pem', purpose)).toContain('node.pem: OK');
    }
  });

  it.each([
    ['nothing', async () => new Uint8Array()],
    ['no request', async () => Buffer.from('a request')],
    ['too much', async () => new Uint8Array(64 * 1024)],
    [
      'a request that was changed',
      async () => {
        const request = await requestOf(await newKey());
        request[request.length - 1]! ^= 1;
        return request;
      },
    ],
    ['a request of another curve', async () => openssl('ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1')],
    ['a request of an RSA key', async () => openssl('rsa:2048')],
  ])('is not made of %s', async (_what, request) => {
    const authority = await open();
    await expect(authority.signNode(id, await request())).rejects.toThrow('expected a certificate request');
  });

  it('is not made of something else than a UUID', async () => {
    const authority = await open();
    const request = await requestOf(await newKey());
    await expect(authority.signNode('controller.example.org', request)).rejects.toThrow(
      'node ID: expected a UUID',
    );
  });

  it('is not that of an authority: what it signs is refused', async () => {
    const authority = await open();
    const key = await newKey();
    const { certificate } = await authority.signNode(id, await requestOf(key));
    const below = mkdtempSync(join(directory, 'below-'));
    writeFileSync(join(below, 'ca.pem'), certificate);
    writeFileSync(join(below, 'ca.key'), key, { mode: 0o600 });
    const forged = await (await Authority.open(below, clock)).signNode(id, await requestOf(await newKey()));
    writeFileSync(path('node.pem'), `${forged.certificate}${certificate}`);
    expect(() => verified('node.pem', 'sslclient', '-untrusted', path('node.pem'))).toThrow();
  });
});

describe('the certificate of the controller', () => {
  const names = ['127.0.0.1', 'controller.example.org', '2001:db8::1'];

  it('is of its addresses and names, for a server only, with that of the authority after it', async () => {
    const authority = await open();
    const { certificate } = await authority.serverIdentity(names);
    const parsed = new X509Certificate(certificate);
    for (const name of names) {
      const found = name.includes('example') ? parsed.checkHost(name) : parsed.checkIP(name);
      expect(found).toBe(name);
    }
    expect(parsed.checkHost('other.example.org')).toBeUndefined();
    expect(certificate.toString().endsWith(authority.certificate)).toBe(true);
    expect(nodeIdIn(parsed)).toBeUndefined();
    writeFileSync(path('server-only.pem'), certificate);
    expect(verified('server-only.pem', 'sslserver')).toContain('OK');
    expect(() => verified('server-only.pem', 'sslclient')).toThrow();
    expect(statSync(path('server.pem')).mode & 0o777).toBe(0o600);
  });

  it('stays while its names do, also in another order, and half its time has not passed', async () => {
    const authority = await open();
    const { certificate, key } = await authority.serverIdentity(names);
    const same = await (await open()).serverIdentity([...names].reverse());
    expect(same).toEqual({ certificate, key });
    for (const changed of [names.slice(1), [...names, '127.0.0.2']]) {
      const other = await authority.serverIdentity(changed);
      expect(other.certificate).not.toEqual(certificate);
      expect((await authority.serverIdentity(changed)).certificate).toEqual(other.certificate);
    }
    const before = await authority.serverIdentity(names);
    clock.advance(183 * dayMs);
    expect((await authority.serverIdentity(names)).certificate).not.toEqual(before.certificate);
  });

  it('is made anew when it is damaged, or of another authority', async () => {
    const authority = await open();
    const { certificate } = await authority.serverIdentity(names);
    writeFileSync(path('server.pem'), readFileSync(path('server.pem')).subarray(0, 300));
    const second = await authority.serverIdentity(names);
    expect(second.certificate).not.toEqual(certificate);
    rmSync(path('ca.key'));
    rmSync(path('ca.pem'));
    expect((await (await open()).serverIdentity(names)).certificate).not.toEqual(second.certificate);
  });
});

function verified(name: string, purpose: string, ...more: string[]): string {
  const at = String(Math.floor(clock.date().getTime() / 1000));
  const args = ['verify', '-attime', at, '-purpose', purpose, '-CAfile', path('ca.pem'), ...more, path(name)];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
}

function openssl(...newKeyOf: string[]): Buffer {
  const args = ['req', '-new', '-newkey', ...newKeyOf, '-nodes', '-keyout', path('other.key')];
  return execFileSync('openssl', [...args, '-subj', '/CN=x', '-outform', 'DER'], { stdio: 'pipe' });
}
