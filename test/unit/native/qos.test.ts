import { describe, expect, it } from 'vitest';
import type { Engine, Namespace } from '../../../src/native/index.js';
import type { QosLimits, QosStats } from '../../../src/native/types.js';
import { memoryVolume, rejection, serveAndConnect, startEngine } from './helpers.js';

const reads = (namespace: Namespace, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => namespace.read(BigInt(i), 1)));
const qosOf = (engine: Engine): QosStats | undefined => engine.stats().volumes[0]?.qos;

/** Until so many I/Os wait for the volume's limit: they must, sooner or later. */
async function untilWaiting(engine: Engine, count: number): Promise<void> {
  while ((qosOf(engine)?.waitingIos ?? 0) < count) await new Promise((resolve) => setImmediate(resolve));
}

describe('limits of a volume', () => {
  it('hold I/O, which goes on when they are taken away, and say how much was held (N31)', async () => {
    const { engine, namespace } = await serveAndConnect({}, { qos: { iops: 1 } });
    const all = reads(namespace, 10);
    await untilWaiting(engine, 8);
    await engine.setQos('test', { iops: 1_000_000_000_000 });
    expect((await all).map(({ length }) => length)).toEqual(Array(10).fill(4096));
    const qos = qosOf(engine);
    expect(qos?.throttledIos).toBeGreaterThanOrEqual(8n);
    expect(qos?.throttledNs).toBeGreaterThan(0n);
    expect(qos?.waitingIos).toBe(0);
  });

  it('of 0 are none (N31)', async () => {
    const { engine, namespace } = await serveAndConnect({}, { qos: { iops: 0, readIops: 0, minIops: 0 } });
    await reads(namespace, 50);
    expect(qosOf(engine)).toMatchObject({ throttledIos: 0n, throttledNs: 0n, guaranteeSeconds: 0 });
  });

  it('of writes do not hold reads', async () => {
    const { engine, namespace } = await serveAndConnect({}, { qos: { writeBytesPerSecond: 4096 } });
    const writes = [0, 1, 2].map((lba) => namespace.write(BigInt(lba), Buffer.alloc(4096, lba)));
    await untilWaiting(engine, 2);
    await reads(namespace, 50);
    await engine.setQos('test', {});
    await Promise.all(writes);
  });

  it('are refused where they are out of range or contradict each other', async () => {
    const engine = await startEngine();
    await engine.addVolume(memoryVolume());
    const refused: [string, unknown][] = [
      ['qos', null],
      ['qos.iops', { iops: -1 }],
      ['qos.iops', { iops: 1.5 }],
      ['qos.iops', { iops: 1e16 }],
      ['qos.readIops', { readIops: '5' }],
      ['qos.bytesPerSecond', { bytesPerSecond: Number.NaN }],
      ['qos.burstMs', { burstMs: 3_600_001 }],
      ['qos.weight', { weight: 0 }],
      ['qos.weight', { weight: 10_001 }],
      ['qos', { iops: 10, minIops: 11 }],
    ];
    for (const [argument, limits] of refused) {
      const error = await rejection(engine.setQos('test', limits as QosLimits));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', argument });
    }
    expect(await rejection(engine.setQos('nobody', {}))).toMatchObject({ code: 'VOLUME_NOT_FOUND' });
  });
});

describe('the budget of an engine', () => {
  it('refuses guarantees above it, with the numbers, and counts those that are given', async () => {
    const engine = await startEngine();
    await engine.addVolume(memoryVolume({ qos: { minIops: 600 } }));
    await engine.setQosBudget({ iops: 1000 });
    expect(await rejection(engine.setQos('test', { minIops: 1001 }))).toMatchObject({
      code: 'QOS_OVERCOMMITTED',
      message: expect.stringMatching(/1001.*1000/),
    });
    await engine.setQos('test', { minIops: 1000 });
    expect(engine.stats().qos.guaranteedIops).toBe(1000);
    await engine.removeVolume('test');
    expect(engine.stats().qos.guaranteedIops).toBe(0);
    expect(await rejection(engine.setQosBudget({ iops: -1 }))).toMatchObject({ argument: 'iops' });
    expect(await rejection(engine.setQosBudget({ iops: 1, depth: 65_537 }))).toMatchObject({
      argument: 'depth',
    });
  });

  it('holds what was not promised, and lets it go when it is taken away', async () => {
    const { engine, namespace } = await serveAndConnect();
    await engine.setQosBudget({ iops: 1, depth: 1 });
    const all = reads(namespace, 10);
    await untilWaiting(engine, 8);
    expect(engine.stats().qos.waitingVolumes).toBe(1);
    await engine.setQosBudget({ iops: 0 });
    await all;
  });
});
