import { randomUUID } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type IoKind, ioKinds, latencyBoundsUs } from '../../../src/base/io-latency.js';
import {
  mebibyte,
  memoryVolume,
  pattern,
  rejection,
  serve,
  serveAndConnect,
  startEngine,
  temporaryFolder,
  testNqn,
} from './helpers.js';

const hostNqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';

describe('adding volumes', () => {
  it('refuses a second one of the same name, of the same NSID, or of the same UUID', async () => {
    const engine = await startEngine();
    const first = await engine.addVolume(memoryVolume());
    const other = { name: 'other', nqn: 'nqn.2026-11.dev.ballast:test:other' };
    for (const changes of [{ nqn: other.nqn }, { name: 'other', nsid: 1 }, { ...other, uuid: first.uuid }]) {
      expect(await rejection(engine.addVolume(memoryVolume(changes)))).toMatchObject({
        code: 'DUPLICATE_VOLUME',
      });
    }
    expect((await engine.addVolume(memoryVolume(other))).nsid).toBe(1);
  });

  it('gives each volume of an NQN the next free NSID', async () => {
    const engine = await startEngine();
    const nsids: number[] = [];
    for (const nsid of [undefined, 3, undefined, undefined]) {
      const changes = { name: `v${nsids.length}`, ...(nsid !== undefined && { nsid }) };
      nsids.push((await engine.addVolume(memoryVolume(changes))).nsid);
    }
    expect(nsids).toEqual([1, 3, 2, 4]);
    await engine.removeVolume('v0');
    expect((await engine.addVolume(memoryVolume({ name: 'again' }))).nsid).toBe(1);
  });

  it('refuses hosts that differ from those of the NQN', async () => {
    const engine = await startEngine();
    await engine.addVolume(memoryVolume({ hosts: [hostNqn] }));
    expect((await engine.addVolume(memoryVolume({ name: 'joins' }))).nsid).toBe(2);
    const error = await rejection(engine.addVolume(memoryVolume({ name: 'differs', hosts: [testNqn] })));
    expect(error).toMatchObject({ code: 'VOLUME_OPEN_FAILED' });
  });

  it('says what is durable', async () => {
    const folder = temporaryFolder();
    const engine = await startEngine();
    const add = (name: string, changes: object) =>
      engine.addVolume(memoryVolume({ name, nqn: `nqn.2026-11.dev.ballast:test:${name}`, ...changes }));
    const file = { kind: 'file' as const, sizeBytes: mebibyte };
    expect((await add('memory', {})).durable).toBe(false);
    expect((await add('null', { kind: 'null' })).durable).toBe(false);
    expect((await add('file', { ...file, path: join(folder, 'a') })).durable).toBe(true);
    const cached = { ...file, path: join(folder, 'b'), volatileWriteCache: true };
    expect((await add('cached', cached)).durable).toBe(false);
  });

  it('refuses to remove what is not there', async () => {
    const engine = await startEngine();
    expect(await rejection(engine.removeVolume('none'))).toMatchObject({ code: 'NATIVE' });
  });
});

describe('file volumes', () => {
  const fileVolume = (path: string, sizeBytes?: bigint) => {
    const { sizeBytes: _, ...volume } = memoryVolume({ kind: 'file', path });
    return sizeBytes === undefined ? volume : { ...volume, sizeBytes };
  };

  it('refuses a directory, a missing file, a wrong size and an odd size, and changes nothing', async () => {
    const folder = temporaryFolder();
    const odd = join(folder, 'odd');
    writeFileSync(odd, Buffer.alloc(5000));
    mkdirSync(join(folder, 'directory'));
    const engine = await startEngine();
    for (const volume of [
      fileVolume(join(folder, 'directory')),
      fileVolume(join(folder, 'directory'), mebibyte),
      fileVolume(join(folder, 'missing')),
      fileVolume(join(folder, 'no', 'such', 'folder'), mebibyte),
      fileVolume(odd),
      fileVolume(odd, mebibyte),
    ]) {
      const error = await rejection(engine.addVolume(volume));
      expect(error).toMatchObject({ code: 'VOLUME_OPEN_FAILED', volume: 'test' });
      expect(error.message.length).toBeGreaterThan(20);
    }
    expect(statSync(odd).size).toBe(5000);
    await engine.addVolume(fileVolume(join(folder, 'good'), mebibyte)); // the name is still free
  });

  it('refuses a file that another engine, or another volume, has open', async () => {
    const path = join(temporaryFolder(), 'device');
    const [first, second] = [await startEngine(), await startEngine()];
    await first.addVolume(fileVolume(path, mebibyte));
    expect(await rejection(second.addVolume(fileVolume(path)))).toMatchObject({ code: 'VOLUME_OPEN_FAILED' });
    const twice = { ...fileVolume(path), name: 'twice', nsid: 2 };
    expect(await rejection(first.addVolume(twice))).toMatchObject({ code: 'VOLUME_OPEN_FAILED' });
    await first.removeVolume('test');
    expect((await second.addVolume(fileVolume(path))).sizeBytes).toBe(mebibyte);
  });

  it('keeps its data over a restart of the engine', async () => {
    const path = join(temporaryFolder(), 'device');
    const data = pattern(64 * 4096, 5);
    const changes = { kind: 'file' as const, path, sizeBytes: mebibyte };
    const before = await serveAndConnect({}, changes);
    await before.namespace.write(100n, data);
    await before.controller.close();
    await before.engine.close();
    const after = await serveAndConnect({}, changes);
    expect((await after.namespace.read(100n, 64)).equals(data)).toBe(true);
  });
});

describe('host access', () => {
  it('refuses a host that is not on the list, and an NQN that is not served (F13, F17)', async () => {
    const { address, volume } = await serve({ hosts: [hostNqn] });
    const host = await startEngine();
    const connect = (nqn: string, who: string) => host.connect({ ...address, nqn, hostNqn: who });
    expect((await connect(volume.nqn, hostNqn)).state).toBe('live');
    const stranger = 'nqn.2014-08.org.nvmexpress:uuid:99999999-2222-4333-8444-555555555555';
    expect(await rejection(connect(volume.nqn, stranger))).toMatchObject({ code: 'CONNECT_REFUSED' });
    expect(await rejection(connect('nqn.2026-11.dev.ballast:test:none', hostNqn))).toMatchObject({
      code: 'CONNECT_REFUSED',
    });
  });

  it('ends the connections of a host that lost access (F18)', async () => {
    const { engine, controller, namespace } = await serveAndConnect({ hostNqn, ctrlLossTimeoutMs: 0 });
    await namespace.read(0n, 1);
    const lost = new Promise((resolve) => controller.onState((state) => state === 'dead' && resolve(state)));
    await engine.setHosts(testNqn, []);
    expect(await lost).toBe('dead');
    expect(await rejection(namespace.read(0n, 1))).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('lets no write take effect once a host lost access (F18), and tells who is connected', async () => {
    const { engine, address, namespace } = await serveAndConnect({ hostNqn, ctrlLossTimeoutMs: 0 });
    const other = 'nqn.2014-08.org.nvmexpress:uuid:22222222-2222-4333-8444-555555555555';
    const where = { host: address.host, port: address.port, nqn: testNqn };
    const beside = await engine.connect({ ...where, hostNqn: other, hostId: randomUUID() });
    expect(await engine.hosts(testNqn)).toEqual([hostNqn, other]);
    expect(await engine.connectedHosts(testNqn)).toEqual(
      [hostNqn, other].map((nqn) => {
        return { nqn, keepAliveMs: 5_000, silentMs: expect.any(Number), ending: false };
      }),
    );
    const blocks = 64n;
    let value = 0;
    let acknowledged = 0;
    const writer = async () => {
      for (;;) {
        value += 1;
        const mine = value;
        for (let lba = 0n; lba < blocks; lba += 1n) await namespace.write(lba, Buffer.alloc(4096, mine));
        acknowledged = mine;
      }
    };
    const writers = [writer(), writer()].map((writing) => rejection(writing));
    while (acknowledged < 2) await new Promise((resolve) => setImmediate(resolve));
    await engine.setHosts(testNqn, [other]);
    const [reader] = beside.namespaces;
    const seen = await reader?.read(0n, Number(blocks));
    for (const end of await Promise.all(writers)) expect(end).toMatchObject({ code: 'CONNECTION_LOST' });
    for (let again = 0; again < 20; again += 1) {
      expect((await reader?.read(0n, Number(blocks)))?.equals(seen ?? Buffer.alloc(0))).toBe(true);
    }
    expect(await engine.hosts(testNqn)).toEqual([other]);
  });
});

describe('stats', () => {
  it('counts I/O by volume, and calls and bytes of the transport', async () => {
    const { engine, namespace } = await serveAndConnect();
    await namespace.write(0n, pattern(8192, 1));
    await namespace.read(0n, 1);
    await rejection(namespace.read(namespace.blocksCount, 1)); // refused: no error of the device
    const stats = engine.stats();
    const waits = { throttledIos: 0n, throttledNs: 0n, waitingIos: 0 };
    expect(stats.volumes).toEqual([
      {
        qos: { ...waits, guaranteeSeconds: 0, guaranteeKeptSeconds: 0 },
        name: 'test',
        nqn: testNqn,
        nsid: 1,
        reads: 1n,
        writes: 1n,
        readBytes: 4096n,
        writeBytes: 8192n,
        errors: 0n,
        inFlight: 0,
        errorTypes: { generic: 1n, command: 0n, media: 0n, path: 0n, other: 0n },
      },
    ]);
    expect(stats.reactors.length).toBe(1);
    expect(stats.reactors[0]?.turns).toBeGreaterThan(0);
    expect(stats.controllers).toBe(1);
    expect(stats.transport).toMatchObject({ connections: 2, connectionsTotal: 2n });
    expect(stats.transport.bytesReceived).toBeGreaterThan(8192n);
    expect(stats.transport.pduErrors).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    expect(stats.logLinesDropped).toBe(0);
  });

  it('has how long commands took where it is asked for', async () => {
    const { engine, namespace } = await serveAndConnect();
    for (let i = 0; i < 3; i += 1) await namespace.read(0n, 1);
    await namespace.write(0n, pattern(4096, 1));
    await namespace.flush();
    const [volume] = engine.stats({ latency: true }).volumes;
    const total = (kind: IoKind) => volume?.latency?.[kind].counts.reduce((sum, count) => sum + count, 0);
    expect(ioKinds.map(total)).toEqual([3, 1, 1, 0]);
    expect(volume?.latency?.read.counts.length).toBe(latencyBoundsUs.length + 1);
    expect(volume?.latency?.read.sumSeconds).toBeGreaterThan(0);
    expect(volume?.latency?.read.sumSeconds).toBeLessThan(60);
    expect(volume?.latency?.unmap.sumSeconds).toBe(0);
    expect([latencyBoundsUs[0], latencyBoundsUs.at(-1)]).toEqual([8, 16_777_216]);
  });

  it('tells the same volume by volume, of one moment, and of one alone', async () => {
    const { engine, namespace } = await serveAndConnect();
    for (const name of ['second', 'third'])
      await engine.addVolume(memoryVolume({ name, uuid: randomUUID() }));
    await namespace.write(0n, pattern(8192, 1));
    for (const options of [{}, { latency: true }]) {
      const all = engine.stats(options);
      const byVolume = engine.statsByVolume(options);
      expect(all.volumes.map(({ name }) => name)).toEqual(['test', 'second', 'third']);
      for (const one of all.volumes) {
        expect(byVolume.volume(one.name)).toEqual(one);
        expect(engine.volumeStats(one.name, options)).toEqual(one);
      }
      expect(byVolume.volume('none')).toBeUndefined();
      expect(byVolume.controllers).toBe(all.controllers);
    }
    expect(engine.volumeStats('none')).toBeUndefined();
    const before = engine.statsByVolume();
    await namespace.write(0n, pattern(4096, 1));
    await engine.removeVolume('second');
    expect(before.volume('test')?.writes).toBe(1n);
    expect(before.volume('second')?.name).toBe('second');
    expect(engine.statsByVolume().volume('test')?.writes).toBe(2n);
    expect(engine.statsByVolume().volume('second')).toBeUndefined();
    expect(engine.statsByVolume().volume('third')).toMatchObject({ name: 'third', writes: 0n });
  });

  it('knows a volume that joined later and forgets one that was removed', async () => {
    const { engine } = await serve();
    await engine.addVolume(memoryVolume({ name: 'second', uuid: randomUUID() }));
    expect(engine.stats().volumes.map(({ name, nsid }) => [name, nsid])).toEqual([
      ['test', 1],
      ['second', 2],
    ]);
    await engine.removeVolume('test');
    expect(engine.stats().volumes.map(({ name }) => name)).toEqual(['second']);
  });
});
