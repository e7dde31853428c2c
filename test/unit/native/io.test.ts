import { describe, expect, it } from 'vitest';
import { ClosedError } from '../../../src/base/errors.js';
import { connect } from '../../../src/native/index.js';
import { mebibyte, pattern, rejection, serve, serveAndConnect, startEngine } from './helpers.js';

describe.each([
  { name: 'without digests', digests: {} },
  { name: 'with both digests', digests: { headerDigest: true, dataDigest: true } },
])('block I/O over loopback, $name', ({ digests }) => {
  it('reads what was written: in a capsule, by R2T, and in many commands', async () => {
    const { namespace } = await serveAndConnect(digests);
    for (const blocks of [1, 2, 3, 32, 100, 700]) {
      const data = pattern(blocks * 4096, blocks);
      await namespace.write(7n, data);
      expect((await namespace.read(7n, blocks)).equals(data)).toBe(true);
    }
    expect((await namespace.read(0n, 7)).equals(Buffer.alloc(7 * 4096))).toBe(true);
  });

  it('compares, writes zeroes, deallocates and flushes', async () => {
    const { namespace } = await serveAndConnect(digests);
    const data = pattern(8 * 4096, 1);
    await namespace.write(0n, data, { fua: true });
    await namespace.flush();
    await namespace.compare(0n, data);
    const other = Buffer.from(data);
    other[5 * 4096 + 17] = (other[5 * 4096 + 17] ?? 0) ^ 1;
    expect(await rejection(namespace.compare(0n, other))).toMatchObject({
      code: 'NVME_STATUS',
      status: { statusCodeType: 2, statusCode: 0x85, name: 'Compare Failure' },
    });
    await namespace.writeZeroes(2n, 2);
    await namespace.deallocate(5n, 1);
    const expected = Buffer.from(data);
    expected.fill(0, 2 * 4096, 4 * 4096).fill(0, 5 * 4096, 6 * 4096);
    expect((await namespace.read(0n, 8)).equals(expected)).toBe(true);
  });

  it('keeps many I/Os in flight apart, on several queues and with 512-byte blocks', async () => {
    const { namespace } = await serveAndConnect(
      { ...digests, ioQueues: 4, queueEntries: 8 },
      { blockSizeBytes: 512 },
    );
    expect(namespace.blockSizeBytes).toBe(512);
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    await Promise.all(numbers.map((i) => namespace.write(BigInt(i * 2), pattern(1024, i))));
    const found = await Promise.all(numbers.map((i) => namespace.read(BigInt(i * 2), 2)));
    expect(found.every((data, i) => data.equals(pattern(1024, i)))).toBe(true);
  });
});

describe('errors', () => {
  it('gives the decoded status of a read past the end (N1)', async () => {
    const { namespace } = await serveAndConnect();
    const past = await rejection(namespace.read(namespace.blocksCount, 1));
    expect(past).toMatchObject({
      code: 'NVME_STATUS',
      operation: 'read',
      status: { statusCodeType: 0, statusCode: 0x80, name: 'LBA Out of Range', doNotRetry: true },
    });
    expect(await rejection(namespace.write((1n << 64n) - 1n, Buffer.alloc(8192)))).toMatchObject({
      status: { statusCode: 0x80 },
    });
    expect(await rejection(namespace.deallocate(namespace.blocksCount - 1n, 2))).toMatchObject({
      status: { statusCode: 0x80 },
    });
  });

  it('refuses writes to a read-only volume and leaves it as it was', async () => {
    const { namespace } = await serveAndConnect({}, { readOnly: true });
    const error = await rejection(namespace.write(0n, pattern(4096, 1)));
    expect(error).toMatchObject({ code: 'NVME_STATUS' });
    expect((await namespace.read(0n, 1)).equals(Buffer.alloc(4096))).toBe(true);
  });

  it('rejects an I/O whose signal has aborted without sending it', async () => {
    const { engine, namespace } = await serveAndConnect();
    const reads = engine.stats().volumes[0]?.reads;
    const error = await rejection(namespace.read(0n, 1, { signal: AbortSignal.abort('enough') }));
    expect(error).toMatchObject({ code: 'ABORTED', cause: 'enough' });
    expect(engine.stats().volumes[0]?.reads).toBe(reads);
  });

  it('rejects at once when the signal aborts in flight, and the connection goes on', async () => {
    const { namespace } = await serveAndConnect();
    const abort = new AbortController();
    const data = pattern(1 << 20, 3);
    const write = rejection(namespace.write(0n, data, { signal: abort.signal }));
    const read = rejection(namespace.read(0n, 256, { signal: abort.signal }));
    abort.abort();
    expect((await write).code).toBe('ABORTED');
    expect((await read).code).toBe('ABORTED');
    await namespace.write(0n, data);
    expect((await namespace.read(0n, 256)).equals(data)).toBe(true);
  });

  it('refuses more I/Os at once than it holds, and serves the others', async () => {
    const { namespace } = await serveAndConnect({ queueEntries: 16 });
    const reads = Array.from({ length: 17_000 }, () =>
      namespace.read(0n, 1).then(
        () => 'ok',
        (e) => e.code,
      ),
    );
    const outcomes = await Promise.all(reads);
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'NATIVE']));
    expect(outcomes.filter((outcome) => outcome === 'ok').length).toBeGreaterThanOrEqual(16_384);
    await namespace.read(0n, 1);
  });
});

describe('the controller', () => {
  it('tells who it is, and passes admin commands', async () => {
    const { controller, volume } = await serveAndConnect({ ioQueues: 2, queueEntries: 64 });
    expect(controller.info).toMatchObject({ subsystemNqn: volume.nqn, modelNumber: 'Ballast', ioQueues: 2 });
    expect(controller.state).toBe('live');
    expect(controller.identifyController().length).toBe(4096);
    expect(controller.namespaces.map(({ uuid }) => uuid)).toEqual([volume.uuid]);
    const identify = Buffer.alloc(4096);
    const done = await controller.adminPassthrough({ opcode: 0x06, cdw10: 1, data: identify });
    expect(done).toEqual({ dw0: 0, dw1: 0 });
    expect(identify.equals(controller.identifyController())).toBe(true);
    expect(await rejection(controller.adminPassthrough({ opcode: 0xc5 }))).toMatchObject({
      status: { statusCodeType: 0, statusCode: 1 },
    });
  });

  it('is found by discovery, at the advertised address', async () => {
    const { engine, address, volume } = await serve();
    await engine.listen({ host: '127.0.0.1', port: 0, advertisedHost: '192.0.2.9', advertisedPort: 4420 });
    const host = await startEngine();
    const found = await host.discover(address);
    const places = found
      .filter(({ subsystemNqn }) => subsystemNqn === volume.nqn)
      .map((entry) => `${entry.transport} ${entry.address}:${entry.port} ${entry.subsystemType}`);
    expect(places.sort()).toEqual([`tcp 127.0.0.1:${address.port} nvme`, 'tcp 192.0.2.9:4420 nvme']);
  });

  it('connects by a URI with an engine of its own', async () => {
    const { address, volume } = await serve();
    const controller = await connect(`tcp://localhost:${address.port}/${volume.nqn}`, { ioQueues: 1 });
    const states: string[] = [];
    controller.onState((state) => states.push(state));
    await controller.namespaces[0]?.write(1n, pattern(4096, 9));
    await controller.close();
    await controller.close();
    expect(states).toEqual(['closed']);
    const error = await rejection(controller.namespaces[0]!.read(0n, 1));
    expect(error).toBeInstanceOf(ClosedError);
  });

  it('measures a load, reports progress, and stops early when told', async () => {
    const { controller } = await serveAndConnect({}, { sizeBytes: 16n * mebibyte });
    const base = { blockSizeBytes: 4096, queueDepth: 8 };
    const result = await controller.perf({ ...base, rw: 'randrw', seconds: 0.2, verify: true });
    expect(result.reads).toBeGreaterThan(0);
    expect(result.writes).toBeGreaterThan(0);
    expect(result).toMatchObject({ errors: 0, verifyErrors: 0, errorCounts: [] });
    expect(result.blocksChecked).toBeGreaterThan(0);
    expect(result.latencyUs.p50).toBeLessThanOrEqual(result.latencyUs.p99);
    const abort = new AbortController();
    let progressed = 0;
    const stopped = await controller.perf(
      { ...base, rw: 'read', seconds: 3600, signal: abort.signal },
      () => {
        progressed += 1;
        abort.abort();
      },
    );
    expect(progressed).toBeGreaterThan(0);
    expect(stopped.reads).toBeGreaterThan(0);
    expect(stopped.seconds).toBeLessThan(3600);
  });

  it('refuses a load that the namespace cannot take', async () => {
    const { controller } = await serveAndConnect();
    const options = { rw: 'read', queueDepth: 1, seconds: 1 } as const;
    expect(await rejection(controller.perf({ ...options, blockSizeBytes: 512 }))).toMatchObject({
      code: 'NATIVE',
      operation: 'perf',
    });
    expect(await rejection(controller.perf({ ...options, blockSizeBytes: 4096, nsid: 9 }))).toMatchObject({
      code: 'NAMESPACE_NOT_FOUND',
    });
  });
});
