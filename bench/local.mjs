// node bench/local.mjs: a file volume over TCP beside fio with io_uring on the very same file, in turns. What
// our target adds to the device, at the same durability: O_DSYNC for the default, none for
// write-cache=volatile. fio uses the file while the target that serves it is stopped by signal.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseChoice, parseCount, parseList, runMain } from './lib/arguments.mjs';
import { chooseCpus, perf, serve } from './lib/ballast.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { fioOnFile } from './lib/fio-on-file.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { Stage } from './lib/stage.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';
import { fill, makeFile } from './lib/volumes.mjs';

const durabilities = {
  durable: { spec: '', fio: ['--sync=dsync'] },
  volatile: { spec: ',write-cache=volatile', fio: [] },
};

const help = `Usage: npm run bench:local -- [options]
IOPS of a file volume over loopback TCP (\`ballast perf\`) and of fio --ioengine=io_uring --direct=1 on the
same file, 4 KiB random read and write, in turns.

  --durability LIST  durable (fio: --sync=dsync), volatile (write-cache=volatile; fio: no sync);
                     default: both
  --qd LIST          I/Os in flight (default: 1,32)
  --seconds N        each measurement (default: 3)
  --runs N           how often (default: 3); medians are shown, ratios are formed within a run
  --directory DIR    where the files of 512 MiB are made (default: a temporary directory)
  --out FILE         JSON of the results
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

function readOptions(words) {
  const read = readRunOptions(words, {
    durability: textOption(Object.keys(durabilities).join(',')),
    qd: textOption('1,32'),
    directory: textOption(),
  });
  if (read === undefined) return undefined;
  const { values, shared } = read;
  return {
    ...shared,
    durability: parseList('durability', values.durability, (option, word) =>
      parseChoice(option, word, Object.keys(durabilities)),
    ),
    depths: parseList('qd', values.qd, (option, word) => parseCount(option, word, 1, 1024)),
  };
}

/** What is measured: reads once, since durability is nothing to them. */
function jobsOf({ durability, depths }) {
  const kinds = durability.map((name) => ({ rw: 'randwrite', durability: name }));
  return [{ rw: 'randread', durability: durability[0] }, ...kinds].flatMap((kind) =>
    depths.map((queueDepth) => ({ ...kind, queueDepth, blockBytes: 4096 })),
  );
}

const title = ({ rw, queueDepth, durability }) =>
  `${rw} 4k QD ${queueDepth}${rw === 'randwrite' ? `, ${durability}` : ''}`;

async function serveFiles({ durability }, cpus, directory) {
  const served = new Map();
  for (const name of durability) {
    const path = join(directory, `${name}.raw`);
    await makeFile(path);
    const state = join(directory, name);
    mkdirSync(state);
    const volumes = { file: `file:${path}${durabilities[name].spec}` };
    served.set(name, { path, target: await serve({ volumes, cpus, directory: state }) });
  }
  return served;
}

async function measure(options, directory) {
  const cpus = chooseCpus();
  const served = await serveFiles(options, cpus.target, directory);
  const targets = [...served.values()].map(({ target }) => target);
  const stage = new Stage(targets);
  for (const target of targets) {
    await stage.only(target);
    await fill('file', target.uri('file'), cpus.client, directory);
  }
  const { seconds, runs } = options;
  const ours = async (job) => {
    const { target } = served.get(job.durability);
    await stage.only(target);
    const where = { uri: target.uri('file'), cpus: cpus.client, stateDirectory: directory };
    return (await perf({ job, seconds, ...where })).iops;
  };
  const local = async (job) => {
    await stage.only(undefined);
    const { path } = served.get(job.durability);
    const sync = job.rw === 'randwrite' ? durabilities[job.durability].fio : [];
    return fioOnFile(path, { ...job, sync }, { seconds, cpus: cpus.target, directory });
  };
  const measured = jobsOf(options).map((job) => ({ job, ours: [], local: [] }));
  for (let run = 0; run < runs; ++run) {
    for (const one of measured) {
      // Who is first changes from run to run.
      if (run % 2 === 1) one.local.push(await local(one.job));
      one.ours.push(await ours(one.job));
      if (run % 2 === 0) one.local.push(await local(one.job));
    }
  }
  stage.release();
  for (const target of targets) await target.stop();
  return measured.map((one) => ({
    name: title(one.job),
    ours: spread(one.ours),
    local: spread(one.local),
    ratio: spread(one.ours.map((iops, i) => iops / one.local[i])),
  }));
}

const range = ({ min, max }, show) => `${show(min)}..${show(max)}`;
const hundredths = (value) => value.toFixed(2);

runMain('bench:local', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:local', before);
  const directory = mkdtempSync(join(options.directory, 'ballast-bench-local-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const results = await measure(options, directory);
  const rows = results.map(({ name, ours, local, ratio }) => [
    name,
    thousands(ours.median),
    range(ours, thousands),
    thousands(local.median),
    range(local, thousands),
    hundredths(ratio.median),
    range(ratio, hundredths),
  ]);
  console.log(table(['FILE', 'OVER TCP', 'MIN..MAX', 'LOCAL FIO', 'MIN..MAX', 'RATIO', 'MIN..MAX'], rows));
  if (options.out === undefined) return;
  const { seconds, runs } = options;
  const document = { schema: 'ballast-bench-local/1', ...before, seconds, runs, results };
  writeFileSync(options.out, `${JSON.stringify(document, null, 1)}\n`);
});
