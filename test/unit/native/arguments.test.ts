import { describe, expect, it } from 'vitest';
import { Engine, type Namespace, parseUri } from '../../../src/native/index.js';
import type { ConnectOptions, EngineOptions, VolumeOptions } from '../../../src/native/types.js';
import { memoryVolume, rejection, serveAndConnect, startEngine, testNqn } from './helpers.js';

// What a JavaScript caller can do and a typed one cannot.
const loose = <T>(value: unknown): T => value as T;

describe('Engine.start', () => {
  const refused: [string, unknown][] = [
    ['reactors', { reactors: 0 }],
    ['reactors', { reactors: 65 }],
    ['reactors', { reactors: 1.5 }],
    ['reactors', { reactors: '2' }],
    ['cpus', { cpus: 0 }],
    ['cpus', { cpus: [-1] }],
    ['cpus', { reactors: 2, cpus: [0] }],
    ['spinUs', { spinUs: -1 }],
    ['spinUs', { spinUs: 1_000_001 }],
    ['spinUs', { spinUs: Number.NaN }],
    ['inCapsuleBytes', { inCapsuleBytes: 100 }],
    ['inCapsuleBytes', { inCapsuleBytes: 1 << 20 }],
    ['poolMapBytes', { poolMapBytes: 1 << 30 }],
    ['controllerIds', { controllerIds: 7 }],
    ['controllerIds', { reactors: 2, controllerIds: { first: 5, last: 5 } }],
    ['controllerIds.first', { controllerIds: { first: 0, last: 5 } }],
    ['controllerIds.last', { controllerIds: { first: 6, last: 5 } }],
    ['controllerIds.last', { controllerIds: { first: 1, last: 0xfff0 } }],
    ['onLog', { onLog: 'stderr' }],
    ['options', null],
  ];
  it.each(refused)('refuses a wrong %s: %j', async (argument, options) => {
    const error = await rejection(Engine.start(loose<EngineOptions>(options)));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', argument });
  });

  it.each([1n << 20n, 1n << 41n])('refuses %s bytes for the maps of pools', async (poolMapBytes) => {
    const error = await rejection(Engine.start({ poolMapBytes }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'poolMapBytes' });
  });

  it('refuses a CPU that does not exist', async () => {
    expect(await rejection(Engine.start({ cpus: [4000], onLog: () => undefined }))).toMatchObject({
      code: 'NATIVE',
      operation: 'start',
    });
  });
});

describe('addVolume', () => {
  const refused: [string, string, unknown][] = [
    ['INVALID_ARGUMENT', 'name', { name: '' }],
    ['INVALID_ARGUMENT', 'name', { name: 'a\0b' }],
    ['INVALID_ARGUMENT', 'name', { name: 'x'.repeat(256) }],
    ['INVALID_ARGUMENT', 'kind', { kind: 'tape' }],
    ['INVALID_ARGUMENT', 'sizeBytes', { sizeBytes: 0n }],
    ['INVALID_ARGUMENT', 'sizeBytes', { sizeBytes: 4095n }],
    ['INVALID_ARGUMENT', 'sizeBytes', { sizeBytes: 1 << 20 }],
    ['INVALID_ARGUMENT', 'sizeBytes', { sizeBytes: 1n << 63n }],
    ['INVALID_ARGUMENT', 'sizeBytes', { sizeBytes: undefined }],
    ['INVALID_ARGUMENT', 'blockSizeBytes', { blockSizeBytes: 1024 }],
    ['INVALID_ARGUMENT', 'path', { path: '/tmp/x' }],
    ['INVALID_ARGUMENT', 'path', { kind: 'file' }],
    ['INVALID_ARGUMENT', 'uuid', { uuid: 'no' }],
    ['INVALID_ARGUMENT', 'uuid', { uuid: '00000000-0000-0000-0000-000000000000' }],
    ['INVALID_ARGUMENT', 'nsid', { nsid: 0 }],
    ['INVALID_ARGUMENT', 'nsid', { nsid: 0xffff_ffff }],
    ['INVALID_ARGUMENT', 'volatileWriteCache', { volatileWriteCache: true }],
    ['INVALID_ARGUMENT', 'readOnly', { readOnly: 1 }],
    ['INVALID_ARGUMENT', 'hosts', { hosts: 'nqn.2014-08.org.nvmexpress:uuid:x' }],
    ['INVALID_NQN', '', { nqn: 'volume' }],
    ['INVALID_NQN', '', { nqn: `nqn.2026-11.dev.ballast:${'x'.repeat(200)}` }],
    ['INVALID_NQN', '', { nqn: 'nqn.2014-08.org.nvmexpress.discovery' }],
    ['INVALID_NQN', '', { hosts: ['me'] }],
  ];
  it.each(refused)('refuses with %s %s: %o', async (code, argument, changes) => {
    const engine = await startEngine();
    const volume = { ...memoryVolume(), ...loose<Partial<VolumeOptions>>(changes) };
    const error = await rejection(engine.addVolume(volume));
    expect(error).toMatchObject(argument === '' ? { code } : { code, argument });
    await engine.addVolume(memoryVolume()); // nothing of the refused one stayed
  });
});

describe('listen, connect, discover and setHosts', () => {
  it.each([
    { host: 'localhost', port: 0 },
    { host: '127.0.0.1', port: 65_536 },
    { host: '127.0.0.1', port: -1 },
    { host: '127.0.0.1', port: 0, advertisedHost: 'me' },
    { host: '127.0.0.1', port: 0, advertisedPort: 0 },
  ])('listen refuses %j', async (options) => {
    const engine = await startEngine();
    expect(await rejection(engine.listen(options))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  const connects: [string, unknown][] = [
    ['INVALID_ARGUMENT', { host: 'example.org' }],
    ['INVALID_ARGUMENT', { port: 0 }],
    ['INVALID_NQN', { nqn: 'x' }],
    ['INVALID_NQN', { hostNqn: 'x' }],
    ['INVALID_ARGUMENT', { hostId: 'x' }],
    ['INVALID_ARGUMENT', { ioQueues: 129 }],
    ['INVALID_ARGUMENT', { queueEntries: 1 }],
    ['INVALID_ARGUMENT', { queueEntries: 1025 }],
    ['INVALID_ARGUMENT', { keepAliveMs: -1 }],
    ['INVALID_ARGUMENT', { ctrlLossTimeoutMs: -1 }],
    ['INVALID_ARGUMENT', { connectTimeoutMs: 0 }],
    ['INVALID_ARGUMENT', { signal: true }],
  ];
  it.each(connects)('connect refuses with %s: %j', async (code, changes) => {
    const engine = await startEngine();
    const options = {
      host: '127.0.0.1',
      port: 4420,
      nqn: testNqn,
      ...loose<Partial<ConnectOptions>>(changes),
    };
    expect(await rejection(engine.connect(options))).toMatchObject({ code });
  });

  it('setHosts refuses what is no NQN, and an NQN that is not served', async () => {
    const engine = await startEngine();
    expect(await rejection(engine.setHosts('x', []))).toMatchObject({ code: 'INVALID_NQN' });
    expect(await rejection(engine.setHosts(testNqn, ['x']))).toMatchObject({ code: 'INVALID_NQN' });
    expect(await rejection(engine.setHosts(testNqn, []))).toMatchObject({ code: 'NATIVE' });
  });
});

describe('parseUri', () => {
  it.each(['', 'tcp:/x', 'rdma://h:1', 'tcp://', 'tcp://h:0', 'tcp://h:70000', 'tcp://[::1', 'tcp://h/x'])(
    'refuses %j',
    (uri) => {
      expect(() => parseUri(uri)).toThrow();
    },
  );

  it('takes host, port and NQN apart', () => {
    expect(parseUri(`tcp://[::1]:4421/${testNqn}`)).toEqual({
      transport: 'tcp',
      host: '::1',
      port: 4421,
      nqn: testNqn,
    });
    expect(parseUri('tcp://storage.example')).toEqual({
      transport: 'tcp',
      host: 'storage.example',
      port: 4420,
    });
  });
});

describe('namespace I/O', () => {
  const refused: [string, (namespace: Namespace) => Promise<unknown>][] = [
    ['lba', (n) => n.read(loose<bigint>(0), 1)],
    ['lba', (n) => n.read(-1n, 1)],
    ['lba', (n) => n.read(1n << 64n, 1)],
    ['blocks', (n) => n.read(0n, 0)],
    ['blocks', (n) => n.read(0n, 1.5)],
    ['blocks', (n) => n.read(0n, 2 ** 53)],
    ['data', (n) => n.write(0n, Buffer.alloc(0))],
    ['data', (n) => n.write(0n, Buffer.alloc(4095))],
    ['data', (n) => n.write(0n, loose<Buffer>('x'.repeat(4096)))],
    ['data', (n) => n.compare(0n, Buffer.alloc(1))],
    ['blocks', (n) => n.writeZeroes(0n, 0)],
    ['blocks', (n) => n.deallocate(0n, -1)],
    ['fua', (n) => n.write(0n, Buffer.alloc(4096), { fua: loose<boolean>('yes') })],
    ['signal', (n) => n.read(0n, 1, { signal: loose<AbortSignal>({}) })],
    ['options', (n) => n.flush(loose<object>(null))],
  ];
  it('refuses wrong arguments before anything is sent', async () => {
    const { engine, namespace } = await serveAndConnect();
    const before = engine.stats().volumes[0];
    for (const [argument, call] of refused) {
      expect(await rejection(call(namespace))).toMatchObject({ code: 'INVALID_ARGUMENT', argument });
    }
    expect(engine.stats().volumes[0]).toEqual(before);
  });
});
