// Where nodes come in: what is open to whom by the addresses, and the names of the certificate.
import { mkdtempSync, rmSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import { storeHandlers, storeObservation } from '../../../src/store/remote/handlers.js';
import type { StoreService } from '../../../src/store/remote/messages.js';
import { RemoteStore } from '../../../src/store/remote/remote-store.js';
import { storeService } from '../../../src/store/remote/services.js';
import { Admission } from '../../../src/trust/admission.js';
import { Authority } from '../../../src/trust/authority.js';
import { ClusterDoors, type ClusterDoorsOptions } from '../../../src/trust/cluster-doors.js';
import { serverNames } from '../../../src/trust/server-names.js';

const loopback = { host: '127.0.0.1', port: 0 };

describe('the doors of a cluster', () => {
  let directory: string;
  let doors: ClusterDoors | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ballast-doors-'));
  });
  afterEach(async () => {
    await doors?.close();
    doors = undefined;
    rmSync(directory, { recursive: true });
  });

  async function open(more: Partial<ClusterDoorsOptions> = {}): Promise<ClusterDoors> {
    const store = openMemoryStore();
    doors = await ClusterDoors.open({
      authority: await Authority.open(directory),
      admission: new Admission(store),
      listen: loopback,
      addServices: (server) => server.add<StoreService>(storeService(), storeHandlers(store)),
      observation: storeObservation,
      log: pino({ level: 'silent' }),
      ...more,
    });
    return doors;
  }

  async function getPlain({ nodes: { port } }: ClusterDoors): Promise<unknown> {
    const store = new RemoteStore({ address: { ...loopback, port }, requestMs: 1_000, attemptMs: 500 });
    return store.get('k').finally(() => store.close());
  }

  it('on loopback alone are open to this machine', async () => {
    const opened = await open();
    await getPlain(opened);
    expect(opened.join).toBeUndefined();
    expect(opened.places).toEqual([`store for agents 127.0.0.1:${opened.nodes.port}`]);
  });

  it.each([
    ['beyond loopback', { listen: { host: '0.0.0.0', port: 0 } }],
    ['with a place to join', { joinListen: loopback }],
  ])('%s are for nodes with a certificate', async (_what, more) => {
    const opened = await open(more);
    await expect(getPlain(opened)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(opened.places[0]).toMatch(/^store for agents .*:\d+ \(nodes with a certificate\)$/);
  });

  it('that cannot be opened leave nothing open', async () => {
    const first = await open({ joinListen: loopback });
    const taken = { ...loopback, port: first.join!.port };
    const listen = { ...loopback, port: await freePort() };
    await expect(open({ listen, joinListen: taken })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    await first.close();
    expect((await open({ listen })).nodes).toEqual(listen);
  });

  async function freePort(): Promise<number> {
    const other = await open();
    await other.close();
    return other.nodes.port;
  }
});

describe('the names of a server', () => {
  const addresses = (...all: string[]) => all.map((address) => ({ address }) as NetworkInterfaceInfo);
  const machine = {
    hostname: 'controller-1',
    interfaces: { lo: addresses('127.0.0.1', '::1'), eth0: addresses('192.0.2.7', 'fe80::1', '2001:db8::7') },
  };

  it('are its address, what others call it, that of its machine, and localhost', () => {
    const found = serverNames(['192.0.2.7', '192.0.2.7'], ['controller.example.org'], machine);
    expect(found).toEqual(['controller.example.org', '192.0.2.7', 'controller-1', 'localhost']);
  });

  it('are all addresses where it listens on all, but those of a link', () => {
    const found = serverNames(['0.0.0.0'], [], machine);
    expect(found).toEqual(['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7', 'controller-1', 'localhost']);
    expect(serverNames(['::'], [], machine)).toEqual(found);
  });

  it('do not include what no certificate can have', () => {
    for (const hostname of ['a_b', '', 'ä', '*.example.org', 'a b', '-a', `${'a'.repeat(64)}`]) {
      expect(serverNames(['::1'], [], { ...machine, hostname })).toEqual(['::1', 'localhost']);
      expect(() => serverNames(['::1'], [hostname], machine)).toThrow('tls-name: expected');
    }
  });

  it('are bounded in number', () => {
    const many = Array.from({ length: 200 }, (_, i) => `n${i}`);
    expect(serverNames(['::1'], many, machine)).toHaveLength(64);
  });
});
