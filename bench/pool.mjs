// node bench/pool.mjs: volumes of a pool beside fio with io_uring on the same file, in turns,
// at the same durability (fio: --sync=dsync; a pool acknowledges what is on stable media). All in the process
// that does the I/O: no network between.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runMain } from './lib/arguments.mjs';
import { repository } from './lib/ballast.mjs';
import { runChild } from './lib/child.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { fioOnFile } from './lib/fio-on-file.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';
import { makeFile } from './lib/volumes.mjs';

const help = `Usage: npm run bench:pool -- [options]
IOPS of fio --ioengine=io_uring --direct=1 on a file, and of a volume of a pool in the same file, with and
without checksums, 4 KiB at random places, in turns: read and overwrite of allocated blocks, first write of
thin blocks, overwrite right after a snapshot. fio overwrites allocated blocks in the last two.

  --seconds N    each measurement (default: 3)
  --runs N       how often (default: 3); medians are shown, ratios are formed within a run
  --directory D  where the file is made, 1.5 GiB (default: a temporary directory)
  --out FILE     JSON of the results
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

const volumeBytes = 384 << 20;
const poolMib = 1536;
const spareMs = 120_000;
const buildDirectory = join(repository, 'build/bench');
const program = join(buildDirectory, 'bench/native/pool_load');
const jobs = [
  { name: 'read', fio: 'randread', depths: [1, 32] },
  { name: 'overwrite', fio: 'randwrite', depths: [1, 32] },
  { name: 'first', fio: 'randwrite', depths: [32] },
  { name: 'snapshot', fio: 'randwrite', depths: [32] },
].flatMap(({ name, fio, depths }) => depths.map((queueDepth) => ({ name, fio, queueDepth })));
const titles = {
  read: 'read',
  overwrite: 'overwrite',
  first: 'first write of thin blocks',
  snapshot: 'write after a snapshot',
};

function readOptions(words) {
  return readRunOptions(words, { directory: textOption() })?.shared;
}

function build() {
  const run = (...args) => execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  run('-G', 'Ninja', '-S', repository, '-B', buildDirectory, '-DBALLAST_BENCH=ON');
  run('--build', buildDirectory, '--target', 'pool_load');
}

async function load(...words) {
  const { stdout } = await runChild([program, ...words.map(String)], spareMs);
  return JSON.parse(stdout).iops;
}

async function measure({ seconds, runs }, directory) {
  build();
  // One file for all three, written beforehand as a disk is: files of a virtual disk differ by more than what
  // is measured, and the first write of a sparse file's block changes the file system.
  const path = join(directory, 'disk');
  await makeFile(path, poolMib);
  const onPool = async (checksums, { name, queueDepth }) => {
    await load('create', path, checksums, volumeBytes);
    return load('run', path, name, queueDepth, seconds);
  };
  const measured = jobs.map((job) => ({ job, fio: [], plain: [], sums: [] }));
  for (let run = 0; run < runs; ++run) {
    for (const one of measured) {
      const { name, fio: rw, queueDepth } = one.job;
      const sync = name === 'read' ? [] : ['--sync=dsync'];
      const region = [`--offset=${volumeBytes}`, `--size=${volumeBytes}`];
      const turns = [
        async () =>
          one.fio.push(
            await fioOnFile(path, { rw, queueDepth, sync: [...sync, ...region] }, { seconds, directory }),
          ),
        async () => one.plain.push(await onPool(0, one.job)),
        async () => one.sums.push(await onPool(1, one.job)),
      ];
      // Who is first changes from run to run.
      for (let i = 0; i < turns.length; ++i) await turns[(i + run) % turns.length]();
    }
  }
  return measured.map(({ job, fio, plain: without, sums }) => ({
    name: `${titles[job.name]} QD ${job.queueDepth}`,
    fio: spread(fio),
    withoutChecksums: spread(without),
    withChecksums: spread(sums),
    ratioWithout: spread(without.map((iops, i) => iops / fio[i])),
    ratioWith: spread(sums.map((iops, i) => iops / fio[i])),
  }));
}

const range = ({ min, max }) => `${min.toFixed(2)}..${max.toFixed(2)}`;

runMain('bench:pool', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:pool', before);
  const directory = mkdtempSync(join(options.directory, 'ballast-bench-pool-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const results = await measure(options, directory);
  const rows = results.map((result) => [
    result.name,
    thousands(result.fio.median),
    thousands(result.withoutChecksums.median),
    result.ratioWithout.median.toFixed(2),
    range(result.ratioWithout),
    thousands(result.withChecksums.median),
    result.ratioWith.median.toFixed(2),
    range(result.ratioWith),
  ]);
  console.log(
    table(['4 KIB', 'FIO, FILE', 'POOL', 'RATIO', 'MIN..MAX', 'CHECKSUMS', 'RATIO', 'MIN..MAX'], rows),
  );
  if (options.out === undefined) return;
  const { seconds, runs } = options;
  const document = { schema: 'ballast-bench-pool/1', ...before, seconds, runs, results };
  writeFileSync(options.out, `${JSON.stringify(document, null, 1)}\n`);
});
