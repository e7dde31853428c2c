// node bench/attach.mjs: what a namespace gives as a block device by the driver fuse, in one run and in
// turns: our own client without any kernel device, the FUSE file, and the loop device over it. As root; fio
// with io_uring and direct I/O, 4 KiB at random, over loopback TCP to a memory volume.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCount, parseList, runMain } from './lib/arguments.mjs';
import { perf, repository, serve } from './lib/ballast.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { fioOnFile } from './lib/fio-on-file.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';

const help = `Usage: npm run bench:attach -- [options]
IOPS of 4 KiB random reads and writes of a memory volume: through a loop device over a FUSE file (what
\`ballast attach --driver fuse\` gives), through the FUSE file alone, and by \`ballast perf\`, in turns.
As root.

  --qd LIST          I/Os in flight (default: 1,32)
  --seconds N        each measurement (default: 3)
  --runs N           how often (default: 3); medians are shown, ratios are formed within a run
  --out FILE         JSON of the results
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

function readOptions(words) {
  const read = readRunOptions(words, { qd: textOption('1,32') });
  if (read === undefined) return undefined;
  if (process.getuid() !== 0) throw new Error('attaching needs root');
  const { values, shared } = read;
  return {
    ...shared,
    depths: parseList('qd', values.qd, (option, word) => parseCount(option, word, 1, 1024)),
  };
}

const program = process.env.BALLAST_PROGRAM ?? join(repository, 'bin/ballast');

/** The device, and the FUSE file that it is over. */
function attach(uri, directory) {
  const state = ['--state-directory', join(directory, 'attach')];
  const command = ['attach', uri, '--driver', 'fuse', '-o', 'json', ...state];
  const { device, uuid } = JSON.parse(execFileSync(program, command, { encoding: 'utf8' }));
  return {
    device,
    file: join(directory, 'attach', `${uuid}.img`),
    detach: () => void execFileSync(program, ['detach', uuid, ...state]),
  };
}

// Nothing is pinned: the kernel's threads of the loop device would not be, either.
async function measure({ depths, seconds, runs }, directory) {
  const volumes = { memory: 'mem:512MiB' };
  const target = await serve({ volumes, directory });
  const uri = target.uri('memory');
  const attached = attach(uri, directory);
  const jobs = ['randread', 'randwrite'].flatMap((rw) => depths.map((queueDepth) => ({ rw, queueDepth })));
  const measured = jobs.map((job) => ({ job, client: [], fuse: [], loop: [] }));
  const onFile = (path, job) => fioOnFile(path, { ...job, sync: ['--size=512m'] }, { seconds, directory });
  const ways = {
    client: async (job) =>
      (await perf({ job: { ...job, blockBytes: 4096 }, seconds, uri, stateDirectory: directory })).iops,
    fuse: (job) => onFile(attached.file, job),
    loop: (job) => onFile(attached.device, job),
  };
  try {
    for (let run = 0; run < runs; ++run) {
      // Who is first changes from run to run.
      const order = Object.keys(ways);
      if (run % 2 === 1) order.reverse();
      for (const one of measured) for (const way of order) one[way].push(await ways[way](one.job));
    }
  } finally {
    attached.detach();
    await target.stop();
  }
  return measured.map(({ job, client, fuse, loop }) => ({
    name: `${job.rw} 4k QD ${job.queueDepth}`,
    client: spread(client),
    fuse: spread(fuse),
    loop: spread(loop),
    loopToFuse: spread(loop.map((iops, i) => iops / fuse[i])),
  }));
}

const range = ({ min, max }, show) => `${show(min)}..${show(max)}`;
const hundredths = (value) => value.toFixed(2);

runMain('bench:attach', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:attach', before);
  const directory = mkdtempSync(join(tmpdir(), 'ballast-bench-attach-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const results = await measure(options, directory);
  const rows = results.map(({ name, client, fuse, loop, loopToFuse }) => [
    name,
    thousands(client.median),
    thousands(fuse.median),
    range(fuse, thousands),
    thousands(loop.median),
    range(loop, thousands),
    hundredths(loopToFuse.median),
    range(loopToFuse, hundredths),
  ]);
  const titles = ['DEVICE', 'PERF', 'FUSE FILE', 'MIN..MAX', 'LOOP', 'MIN..MAX', 'LOOP/FUSE', 'MIN..MAX'];
  console.log(table(titles, rows));
  if (options.out === undefined) return;
  const { seconds, runs } = options;
  const document = { schema: 'ballast-bench-attach/1', ...before, seconds, runs, results };
  writeFileSync(options.out, `${JSON.stringify(document, null, 1)}\n`);
});
