// node bench/pool-chains.mjs [DIR]: what a chain of snapshots costs a reader: a volume whose data lies below
// 1, 10, 100, 1,000 and 10,000 snapshots, each with a block of its own. One block of every MiB is read, one
// at a time, right after the pool was opened (cold: its metadata is on the disk) and again (warm), then at
// random at QD 32. The first read of all is shown by itself. Over TCP in one process. Prints a table.

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { Engine } = await import('../dist/native/index.js');
const mib = 1 << 20;
const slotsCount = 512;
const depths = [1, 10, 100, 1000, 10_000];
const nqnOf = (name) => `nqn.2026-11.dev.ballast:volume:${name}`;
const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'ballast-pool-chains-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'pool');

/** Calls `work` with the volume's controller and namespace. */
async function served(engine, port, name, work) {
  const { uuid } = (await engine.poolVolumes('chains')).find((one) => one.name === name);
  await engine.addVolume({ name, kind: 'pool', pool: 'chains', uuid, nqn: nqnOf(name) });
  const host = await engine.connect({ host: '127.0.0.1', port, nqn: nqnOf(name) });
  const value = await work(host, host.namespace(1));
  await host.close();
  await engine.removeVolume(name);
  return value;
}

async function make(engine, port, depth) {
  const name = `d${depth}`;
  const size = { name, uuid: randomUUID(), sizeBytes: BigInt(slotsCount * mib) };
  await engine.createPoolVolume('chains', size);
  await served(engine, port, name, async (_host, namespace) => {
    const block = Buffer.alloc(namespace.blockSizeBytes, depth);
    const blocksPerMib = mib / namespace.blockSizeBytes;
    for (let slot = 0; slot < slotsCount; ++slot) await namespace.write(BigInt(slot * blocksPerMib), block);
    for (let i = 0; i < depth; ++i) {
      await engine.createPoolSnapshots('chains', [{ volume: name, name: `s${i}`, uuid: randomUUID() }]);
      await namespace.write(BigInt((i % slotsCount) * blocksPerMib + 1), block);
    }
  });
}

/** The first, median, 99th percentile and the longest but the first of reads one by one, in microseconds. */
async function readAll(namespace, depth) {
  const blocksPerMib = mib / namespace.blockSizeBytes;
  const took = [];
  for (let slot = 0; slot < slotsCount; ++slot) {
    const begin = performance.now();
    const data = await namespace.read(BigInt(((slot * 37) % slotsCount) * blocksPerMib), 1);
    took.push(1000 * (performance.now() - begin));
    if (data[0] !== depth % 256) throw new Error(`depth ${depth}: MiB ${slot} reads something else`);
  }
  const [first, ...rest] = took;
  rest.sort((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((part) => rest[Math.floor(rest.length * part)]);
  const [one, ...others] = [first, p50, p99, rest.at(-1)].map((us) => Math.round(us));
  return [one, others.join(', ')];
}

const engine = await Engine.start();
const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });
await engine.createPool({ name: 'chains', devices: [{ path, sizeBytes: 16n << 30n }] });
for (const depth of depths) await make(engine, port, depth);
console.log(
  '| Depth | first read in us | cold p50, p99, max in us | warm p50, p99, max in us | IOPS at QD 32 |',
);
console.log('|---|---|---|---|---|');
for (const depth of depths) {
  await engine.closePool('chains');
  await engine.openPool([path]);
  const row = await served(engine, port, `d${depth}`, async (host, namespace) => {
    const [first, cold] = await readAll(namespace, depth);
    const [, warm] = await readAll(namespace, depth);
    const load = await host.perf({ rw: 'randread', blockSizeBytes: 4096, queueDepth: 32, seconds: 2 });
    return [first, cold, warm, Math.round(load.iops)];
  });
  console.log(`| ${depth} | ${row.join(' | ')} |`);
}
await engine.close();
