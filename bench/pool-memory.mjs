// node bench/pool-memory.mjs [DIR] [GIB] [MIB]: the memory that a pool's maps take. A thick volume of GIB
// (16; the file takes as much room) in a pool of twice the size, opened anew and read at random, so that the
// place of each extent, and its checksums, were needed. What the resident memory of the process grows by when
// the pool is opened, and by the reads, with checksums and without, and how many reads a second there were.
// MIB: what the maps may take, instead of the default. Prints one line of JSON.

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { Engine } = await import('../dist/native/index.js');
const mib = 1 << 20;
const nqnOf = (name) => `nqn.2026-11.dev.ballast:volume:${name}`;
const residentBytes = () =>
  1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

async function make(path, gib, checksums) {
  const engine = await Engine.start();
  const sizeBytes = BigInt(gib) << 30n;
  const devices = [{ path, sizeBytes: 2n * sizeBytes + (1n << 30n) }];
  await engine.createPool({ name: 'memory', devices, checksums });
  await engine.createPoolVolume('memory', { name: 'full', uuid: randomUUID(), sizeBytes, thick: true });
  const small = { name: 'small', uuid: randomUUID(), sizeBytes: BigInt(mib), thick: true };
  await engine.createPoolVolume('memory', small);
  await engine.close();
}

/** Random reads at QD 32, long enough to come to every MiB. */
async function load(engine, port, name, seconds) {
  const { uuid } = (await engine.poolVolumes('memory')).find((one) => one.name === name);
  await engine.addVolume({ name, kind: 'pool', pool: 'memory', uuid, nqn: nqnOf(name) });
  const host = await engine.connect({ host: '127.0.0.1', port, nqn: nqnOf(name) });
  const { iops } = await host.perf({ rw: 'randread', blockSizeBytes: 4096, queueDepth: 32, seconds });
  await host.close();
  await engine.removeVolume(name);
  return iops;
}

async function measure(path, mapMib) {
  const engine = await Engine.start(mapMib > 0 ? { poolMapBytes: BigInt(mapMib) << 20n } : {});
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });
  const before = residentBytes();
  await engine.openPool([path]);
  const opened = residentBytes();
  // What a connection and a load take themselves is there before anything is measured.
  await load(engine, port, 'small', 1);
  const ready = residentBytes();
  // A volume that is removed gives its places back: the most is while it is read.
  let most = 0;
  const looks = setInterval(() => {
    most = Math.max(most, residentBytes());
  }, 50);
  const iops = await load(engine, port, 'full', 6);
  clearInterval(looks);
  await engine.close();
  return { openBytes: opened - before, mapBytes: most - ready, iops: Math.round(iops) };
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'make') {
  await make(rest[0], Number(rest[1]), rest[2] === 'true');
} else if (first === 'measure') {
  console.log(JSON.stringify(await measure(rest[0], Number(rest[1]))));
} else {
  const gib = Number(rest[0] ?? 16);
  const mapMib = Number(rest[1] ?? 0);
  const directory = mkdtempSync(join(first ?? tmpdir(), 'ballast-pool-memory-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const own = fileURLToPath(import.meta.url);
  const answer = { allocatedBytes: gib * 1024 * mib };
  for (const checksums of [true, false]) {
    const path = join(directory, `pool-${checksums}`);
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
    const made = spawnSync(process.execPath, [own, 'make', path, String(gib), String(checksums)], options);
    const measured = spawnSync(process.execPath, [own, 'measure', path, String(mapMib)], options);
    rmSync(path, { force: true });
    if (made.status !== 0 || measured.status !== 0) process.exit(1);
    const figures = JSON.parse(measured.stdout);
    const percent = (100 * (figures.openBytes + figures.mapBytes)) / answer.allocatedBytes;
    answer[checksums ? 'withChecksums' : 'without'] = {
      ...figures,
      percentOfAllocated: Math.round(percent * 1000) / 1000,
    };
  }
  console.log(JSON.stringify(answer));
}
