// node bench/pool-scale.mjs: what a large pool costs: 16 TiB (two sparse files), 1,000 volumes with some
// data, how long it takes to open after SIGKILL; then 10,000 volumes, 10,000 snapshots of one, a snapshot of
// 1 TiB, and the memory of the process. Prints one line of JSON.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { Engine } = await import('../dist/native/index.js');
const gib = 1n << 30n;
const nqnOf = (name) => `nqn.2026-11.dev.ballast:volume:${name}`;
const residentMib = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

async function timed(work) {
  const begin = performance.now();
  const value = await work();
  return { value, ms: Math.round((performance.now() - begin) * 10) / 10 };
}

const addVolume = (engine, name, sizeBytes) =>
  engine.createPoolVolume('big', { name, uuid: randomUUID(), sizeBytes });

/** Makes the pool, writes to some volumes, and is killed. */
async function fill(paths) {
  const engine = await Engine.start();
  await engine.createPool({ name: 'big', devices: paths.map((path) => ({ path, sizeBytes: 8192n * gib })) });
  for (let i = 0; i < 1000; ++i) await addVolume(engine, `v${i}`, 16n * gib);
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });
  const volumes = await engine.poolVolumes('big');
  for (const { name, uuid } of volumes.slice(0, 20)) {
    await engine.addVolume({ name, kind: 'pool', pool: 'big', uuid, nqn: nqnOf(name) });
    const host = await engine.connect({ host: '127.0.0.1', port, nqn: nqnOf(name) });
    await host.perf({ rw: 'randwrite', blockSizeBytes: 4096, queueDepth: 32, seconds: 0.2 });
    await host.close();
  }
  process.stdout.write('filled\n');
  process.kill(process.pid, 'SIGKILL');
}

async function measure(paths) {
  const engine = await Engine.start();
  const before = residentMib();
  const opened = await timed(() => engine.openPool(paths));
  const openMib = residentMib() - before;
  const listed = await timed(() => engine.poolVolumes('big'));
  await addVolume(engine, 'large', 1024n * gib);
  const [large] = (await engine.poolVolumes('big')).slice(-1);
  await engine.addVolume({ name: 'large', kind: 'pool', pool: 'big', uuid: large.uuid, nqn: nqnOf('large') });
  const snapshots = [];
  for (let i = 0; i < 10_000; ++i) {
    const one = { volume: 'large', name: `s${i}`, uuid: randomUUID() };
    snapshots.push((await timed(() => engine.createPoolSnapshots('big', [one]))).ms);
  }
  const volumes = await timed(async () => {
    for (let i = 1001; i < 10_000; ++i) await addVolume(engine, `v${i}`, 16n * gib);
  });
  const info = await engine.poolInfo('big');
  const memoryMib = residentMib();
  const closed = await timed(() => engine.closePool('big'));
  const again = await timed(() => engine.openPool(paths));
  await engine.close();
  const inOrder = [...snapshots].sort((a, b) => a - b);
  return {
    capacityBytes: String(info.capacityBytes),
    volumes: info.volumesCount,
    layers: info.layersCount,
    openAfterKillMs: opened.ms,
    openMib: Math.round(openMib),
    listMs: listed.ms,
    snapshotMs: { median: inOrder[5000], p99: inOrder[9900], max: inOrder[9999], last: snapshots[9999] },
    volumesMs: volumes.ms,
    memoryMib: Math.round(memoryMib),
    closeMs: closed.ms,
    openClosedMs: again.ms,
  };
}

if (process.argv[2] === 'fill') {
  await fill(process.argv.slice(3));
} else {
  const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'ballast-pool-scale-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const paths = [join(directory, 'a'), join(directory, 'b')];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'fill', ...paths], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await new Promise((resolve) => child.on('exit', resolve));
  console.log(JSON.stringify(await measure(paths)));
}
