// How good the way to a volume is: said of a volume, seen by a host with one path and with two.
import { describe, expect, it, vi } from 'vitest';
import { anaStates } from '../../../src/base/ana.js';
import { InvalidArgumentError } from '../../../src/base/errors.js';
import type { AnaState, ConnectOptions } from '../../../src/native/types.js';
import { pattern, rejection, serve, startEngine, testNqn } from './helpers.js';

const hostNqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';
const uuid = '11111111-2222-4333-8444-666666666666';

/** Two engines with memory of their own: what is written over one path is not seen over the other. */
async function twoPaths(options: Partial<ConnectOptions> = {}) {
  const volume = { uuid };
  const first = await serve(volume, { controllerIds: { first: 1, last: 9 } });
  const second = await serve(
    { ...volume, anaState: 'inaccessible' },
    { controllerIds: { first: 10, last: 19 } },
  );
  const engine = await startEngine();
  const controller = await engine.connect({
    ...first.address,
    otherAddresses: [second.address],
    nqn: testNqn,
    hostNqn,
    ...options,
  });
  return { first: first.engine, second: second.engine, controller, namespace: controller.namespaces[0]! };
}

describe('the ANA state of a volume', () => {
  it.each(anaStates)('%s is what a host of one path is answered', async (state: AnaState) => {
    const { engine, address } = await serve({ anaState: state });
    const host = await startEngine();
    const controller = await host.connect({ ...address, nqn: testNqn, ctrlLossTimeoutMs: 0 });
    const write = controller.namespaces[0]!.write(0n, pattern(4096, 7));
    if (state === 'optimized' || state === 'non-optimized') await write;
    else expect(await rejection(write)).toMatchObject({ code: 'NVME_STATUS', status: { statusCodeType: 3 } });
    expect(engine.stats().volumes[0]?.writes).toBe(state.endsWith('optimized') ? 1n : 0n);
  });

  it('is changed, but from persistent-loss', async () => {
    const { engine } = await serve();
    for (const state of ['inaccessible', 'change', 'optimized', 'persistent-loss'] as const) {
      await engine.setAnaState('test', state);
    }
    const error = await rejection(engine.setAnaState('test', 'optimized'));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('for good') });
    expect(await rejection(engine.setAnaState('none', 'change'))).toMatchObject({ code: 'VOLUME_NOT_FOUND' });
    const unknown = engine.setAnaState('test', 'lost' as AnaState);
    expect(await rejection(unknown)).toBeInstanceOf(InvalidArgumentError);
  });
});

describe('several paths', () => {
  it('are one controller, whose I/O follows the states without an error', async () => {
    const { first, second, controller, namespace } = await twoPaths();
    const paths = await controller.paths();
    expect(paths.map(({ controllerId }) => controllerId > 9)).toEqual([false, true]);
    expect(paths.map(({ ana }) => ana[0]?.state)).toEqual(['optimized', 'inaccessible']);
    await namespace.write(0n, pattern(4096, 7));
    await first.setAnaState('test', 'inaccessible');
    const waits = namespace.write(1n, pattern(4096, 7));
    await second.setAnaState('test', 'optimized');
    await waits;
    expect([first, second].map((engine) => engine.stats().volumes[0]?.writes)).toEqual([1n, 1n]);
  });

  it('are dropped on one side, and come back', async () => {
    const { first, controller, namespace } = await twoPaths({ reconnectDelayMs: 50 });
    const before = (await controller.paths())[0]?.controllerId;
    await first.dropHost('test', hostNqn);
    await namespace.write(0n, pattern(4096, 7));
    const [path] = await controller.paths();
    expect(path).toMatchObject({ state: 'live' });
    expect(path?.controllerId).not.toBe(before);
    expect(await rejection(first.dropHost('none', hostNqn))).toMatchObject({ code: 'VOLUME_NOT_FOUND' });
    expect(await rejection(first.dropHost('test', 'me'))).toMatchObject({ code: 'INVALID_NQN' });
  });

  it('fail I/O when none is open for longer than was asked for', async () => {
    const { first, namespace } = await twoPaths({ fastIoFailTimeoutMs: 100 });
    await first.setAnaState('test', 'inaccessible');
    expect(await rejection(namespace.write(0n, pattern(4096, 7)))).toMatchObject({ code: 'CONNECTION_LOST' });
    await first.setAnaState('test', 'optimized');
    // The host hears of it by an event; I/O before that ends at once, as the time is over already.
    await vi.waitFor(() => namespace.write(0n, pattern(4096, 7)), { timeout: 10_000 });
  });

  it.each([
    ['ioPolicy', { ioPolicy: 'best' }],
    ['fastIoFailTimeoutMs', { fastIoFailTimeoutMs: -1 }],
    ['reconnectDelayMs', { reconnectDelayMs: 0 }],
    ['otherAddresses', { otherAddresses: Array(16).fill({ host: '127.0.0.1', port: 1 }) }],
  ])('are refused with a wrong %s', async (argument, options) => {
    const engine = await startEngine();
    const wrong = { host: '127.0.0.1', port: 1, nqn: testNqn, ...options } as ConnectOptions;
    expect(await rejection(engine.connect(wrong))).toMatchObject({ code: 'INVALID_ARGUMENT', argument });
  });
});
