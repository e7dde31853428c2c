import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Engine, type LogEntry } from '../../../src/native/index.js';
import { memoryVolume, pattern, rejection, serve, serveAndConnect, startEngine, testNqn } from './helpers.js';

const run = promisify(execFile);
const addonPath = new URL('../../../build/addon/RelWithDebInfo/ballast.node', import.meta.url).pathname;
const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url);

/** Runs a fixture in a process of its own; rejects when it crashes, exits with a code, or hangs. */
async function runFixture(name: string, ...args: string[]): Promise<string> {
  const script = fixture(name).pathname;
  const { stdout } = await run(process.execPath, [script, ...args], { cwd: tmpdir(), timeout: 60_000 });
  return stdout.trim();
}

describe('the addon', () => {
  it('runs the OpenSSL that it was compiled against, not the one inside node', async () => {
    const { openssl, uring, isal } = (await startEngine()).features();
    expect(openssl.runtime).toBe(openssl.header);
    // Both may be of one version. What the addon neither needs nor offers cannot be bound to node's.
    const { stdout: symbols } = await run('nm', ['--dynamic', addonPath]);
    expect(symbols).toContain('napi_');
    expect(symbols.match(/ (?:OPENSSL|OpenSSL|SSL|EVP|CRYPTO|HMAC|RAND)_\w+/g)).toBeNull();
    expect(uring).not.toBe('');
    expect(isal).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('is found from any folder', async () => {
    expect(await runFixture('features.mjs')).toMatch(/^OpenSSL \d/);
  });

  it('serves several engines and several workers of a process at once', async () => {
    const { address, volume } = await serve();
    const workers = [1, 2, 3].map(
      (lba) => new Worker(fixture('worker-io.mjs'), { workerData: { ...address, nqn: volume.nqn, lba } }),
    );
    const answers = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    expect(answers).toEqual(['equal', 'equal', 'equal']);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
});

describe('exit', () => {
  it('a worker may exit with I/O in flight', async () => {
    const { engine, address, volume } = await serve();
    for (const how of ['exit', 'terminate', 'throw']) {
      const worker = new Worker(fixture('worker-exit.mjs'), {
        workerData: { target: { ...address, nqn: volume.nqn }, how },
        stderr: true,
      });
      worker.on('error', () => undefined); // the thrown one
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      if (how === 'terminate') worker.once('message', () => void worker.terminate());
      await exited;
      // No socket is left open: the target sees the last connection go.
      await expect.poll(() => engine.stats().transport.connections, { timeout: 10_000 }).toBe(0);
    }
  });

  it('the addon may be loaded by workers alone, one after the other', async () => {
    expect(await runFixture('process-exit.mjs', 'workers')).toBe('exit 0\nexit 0\nexit 0\nterminate 1');
  });

  it('a process may exit with connections, I/O in flight and listeners', async () => {
    expect(await runFixture('process-exit.mjs', 'exit')).toBe('exiting');
  });

  it('a process ends by itself once its listener is closed, and not before', async () => {
    expect(await runFixture('process-exit.mjs', 'listener')).toBe('still here\nclosed');
  });

  it('an idle engine does not keep the process', async () => {
    expect(await runFixture('process-exit.mjs', 'idle')).toBe('idle');
  });

  it('an uncaught exception in a log callback does not stop the engine', async () => {
    expect(await runFixture('process-exit.mjs', 'throwing-log')).toBe('caught\nserves');
  });
});

describe('close', () => {
  it('is idempotent, and everything afterwards is refused', async () => {
    const engine = await Engine.start({ onLog: () => undefined });
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    for (const call of [
      engine.addVolume(memoryVolume()),
      engine.removeVolume('x'),
      engine.listen({ host: '127.0.0.1', port: 0 }),
      engine.setHosts(testNqn, undefined),
      engine.discover({ host: '127.0.0.1', port: 1 }),
      engine.connect({ host: '127.0.0.1', port: 1, nqn: testNqn }),
    ]) {
      expect(await rejection(call)).toMatchObject({ code: 'CLOSED' });
    }
    expect(() => engine.stats()).toThrow('closed');
  });

  it('of the host ends its I/O in flight', async () => {
    const { controller, namespace } = await serveAndConnect({ queueEntries: 4 });
    const ios = Array.from({ length: 200 }, () => namespace.read(0n, 32));
    const outcomes = Promise.all(
      ios.map((io) =>
        io.then(
          () => 'ok',
          (error) => error.code,
        ),
      ),
    );
    await controller.close();
    for (const outcome of await outcomes) expect(['ok', 'CLOSED']).toContain(outcome);
    expect(await rejection(namespace.read(0n, 1))).toMatchObject({ code: 'CLOSED' });
  });

  it('of the target answers what is in flight, and the host hears of it', async () => {
    const { engine, controller, namespace } = await serveAndConnect({ ctrlLossTimeoutMs: 0 });
    const dead = new Promise((resolve) => controller.onState((state) => state === 'dead' && resolve(state)));
    const ios = Array.from({ length: 100 }, (_, i) => namespace.write(BigInt(i), pattern(4096, i)));
    const outcomes = Promise.all(
      ios.map((io) =>
        io.then(
          () => 'ok',
          (error) => error.code,
        ),
      ),
    );
    await engine.close();
    for (const outcome of await outcomes) expect(['ok', 'CONNECTION_LOST', 'NVME_STATUS']).toContain(outcome);
    expect(await dead).toBe('dead');
  });

  it('of an engine that is being connected ends the connect', async () => {
    // Accepts and says nothing (H20).
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const engine = await startEngine();
    const options = { host: '127.0.0.1', port, nqn: testNqn, connectTimeoutMs: 60_000 };
    const connecting = rejection(engine.connect(options));
    const discovering = rejection(engine.discover(options));
    await engine.close();
    expect((await connecting).code).toBe('CLOSED');
    expect((await discovering).code).toBe('CLOSED');
    silent.close();
  });
});

describe('listen and connect', () => {
  it('refuses a port in use, and the first listener serves on', async () => {
    const { engine, address, volume } = await serve();
    const other = await startEngine();
    for (const second of [other, engine]) {
      const error = await rejection(second.listen(address));
      expect(error).toMatchObject({ code: 'ADDRESS_IN_USE', address: `tcp://127.0.0.1:${address.port}` });
    }
    const controller = await other.connect({ ...address, nqn: volume.nqn });
    expect(controller.namespaces.length).toBe(1);
  });

  it('refuses an address that is not of this machine', async () => {
    const engine = await startEngine();
    expect(await rejection(engine.listen({ host: '192.0.2.1', port: 0 }))).toMatchObject({
      code: 'LISTEN_FAILED',
    });
  });

  it('frees its port when it closes', async () => {
    const { engine, address } = await serve();
    await engine.close();
    const next = await startEngine();
    expect(await next.listen(address)).toEqual(address);
  });

  it('says that nobody is there', async () => {
    const { engine, address } = await serve();
    await engine.close();
    const host = await startEngine();
    expect(await rejection(host.connect({ ...address, nqn: testNqn }))).toMatchObject({
      code: 'UNREACHABLE',
    });
    expect(await rejection(host.discover(address))).toMatchObject({ code: 'UNREACHABLE' });
  });

  it('gives up connecting when the signal aborts', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const engine = await startEngine();
    const abort = new AbortController();
    const options = { host: '127.0.0.1', port, nqn: testNqn, connectTimeoutMs: 500, signal: abort.signal };
    const connecting = rejection(engine.connect(options));
    abort.abort();
    expect((await connecting).code).toBe('ABORTED');
    silent.close();
  });

  it('spreads connections over the reactors', async () => {
    const { engine, address, volume } = await serve({}, { reactors: 2 });
    const host = await startEngine({ reactors: 2 });
    const controller = await host.connect({ ...address, nqn: volume.nqn, ioQueues: 3 });
    await controller.namespaces[0]?.write(0n, pattern(1 << 17, 2));
    expect(engine.stats().reactors.map(({ connections }) => connections)).toEqual([2, 2]);
  });

  it('hands log lines to every engine that asked, until it closes', async () => {
    const lines: LogEntry[] = [];
    const listener = await startEngine({ onLog: (entry) => lines.push(entry) });
    const { engine } = await serve();
    await expect.poll(() => lines.length).toBeGreaterThan(0);
    expect(lines.every(({ level, room, text }) => level !== undefined && room !== '' && text !== '')).toBe(
      true,
    );
    await listener.close();
    const count = lines.length;
    await engine.addVolume(memoryVolume({ name: 'late' }));
    expect(lines.length).toBe(count);
  });
});
