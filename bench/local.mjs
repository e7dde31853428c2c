// node bench/local.mjs: a file volume over TCP beside fio with io_uring on the very same file, in turns. What
// our target adds to the device, at the same durability: O_DSYNC for the default, none for
// write-cache=volatile. fio uses the file while the target that serves it is stopped by signal.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseChoice,
  parseCount,
  parseList,
  parsePositive,
  readArguments,
  runMain,
} from './lib/arguments.mjs';
import { chooseCpus, perf, pinned, serve } from './lib/ballast.mjs';
import { runChild } from './lib/child.mjs';
import { environment } from './lib/environment.mjs';
import { checkOut } from './lib/results.mjs';
import { Stage } from './lib/stage.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';
import { fill, makeFile } from './lib/volumes.mjs';

const durabilities = {
  durable: { spec: '', fio: ['--sync=dsync'] },
  volatile: { spec: ',write-cache=volatile', fio: [] },
};
const spareMs = 60_000;

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
  const text = { type: 'string' };
  const { values } = readArguments(words, {
    durability: { ...text, default: Object.keys(durabilities).join(',') },
    qd: { ...text, default: '1,32' },
    seconds: { ...text, default: '3' },
    runs: { ...text, default: '3' },
    directory: text,
    out: text,
  });
  if (values.help) return undefined;
  checkOut(values.out);
  return {
    durability: parseList('durability', values.durability, (option, word) =>
      parseChoice(option, word, Object.keys(durabilities)),
    ),
    depths: parseList('qd', values.qd, (option, word) => parseCount(option, word, 1, 1024)),
    seconds: parsePositive('seconds', values.seconds),
    runs: parseCount('runs', values.runs, 1, 1000),
    directory: values.directory ?? tmpdir(),
    out: values.out,
  };
}

async function fioOnFile({ path, rw, queueDepth, seconds, cpus, sync, directory }) {
  const output = join(directory, 'fio.json');
  const command = pinned(cpus, [
    ...['fio', '--name=local', `--filename=${path}`, `--rw=${rw}`, '--bs=4k', `--iodepth=${queueDepth}`],
    ...[
      '--ioengine=io_uring',
      '--direct=1',
      '--time_based',
      `--runtime=${Math.round(seconds * 1000)}ms`,
      ...sync,
    ],
    ...['--output-format=json', `--output=${output}`],
  ]);
  await runChild(command, seconds * 1000 + spareMs);
  const [report] = JSON.parse(readFileSync(output, 'utf8')).jobs;
  return report[rw === 'randread' ? 'read' : 'write'].iops;
}

async function measure(options, directory) {
  const cpus = chooseCpus();
  const targets = {};
  for (const durability of options.durability) {
    const path = join(directory, `${durability}.raw`);
    await makeFile(path);
    const state = join(directory, durability);
    mkdirSync(state);
    const volumes = { file: `file:${path}${durabilities[durability].spec}` };
    targets[durability] = { path, target: await serve({ volumes, cpus: cpus.target, directory: state }) };
  }
  const stage = new Stage(Object.values(targets).map(({ target }) => target));
  const rows = new Map(); // name -> { ours, local }
  for (let run = 0; run < options.runs; ++run) {
    for (const durability of options.durability) {
      const { path, target } = targets[durability];
      for (const rw of durability === 'volatile' ? ['randwrite'] : ['randread', 'randwrite']) {
        for (const queueDepth of options.depths) {
          const name = `${rw} 4k QD ${queueDepth}${rw === 'randwrite' ? `, ${durability}` : ''}`;
          const row = rows.get(name) ?? { ours: [], local: [] };
          rows.set(name, row);
          const ours = async () => {
            await stage.only(target);
            const job = { rw, blockBytes: 4096, queueDepth };
            const uri = target.uri('file');
            if (run === 0) await fill('file', uri, cpus.client, directory);
            const report = await perf({
              uri,
              job,
              seconds: options.seconds,
              cpus: cpus.client,
              stateDirectory: directory,
            });
            await stage.only(undefined);
            row.ours.push(report.iops);
          };
          const local = async () => {
            const sync = rw === 'randwrite' ? durabilities[durability].fio : [];
            row.local.push(
              await fioOnFile({
                path,
                rw,
                queueDepth,
                seconds: options.seconds,
                cpus: cpus.target,
                sync,
                directory,
              }),
            );
          };
          // Who is first changes from run to run.
          for (const side of run % 2 === 0 ? [ours, local] : [local, ours]) await side();
        }
      }
    }
  }
  stage.release();
  for (const { target } of Object.values(targets)) await target.stop();
  return [...rows].map(([name, { ours, local }]) => ({
    name,
    ours: spread(ours),
    local: spread(local),
    ratio: spread(ours.map((iops, i) => iops / local[i])),
  }));
}

const range = ({ min, max }, show) => `${show(min)}..${show(max)}`;
const hundredths = (value) => value.toFixed(2);

runMain('bench:local', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  if (before.machine.loadAverage > 0.5)
    console.error(
      `bench:local: the load of this machine is ${before.machine.loadAverage.toFixed(2)} already`,
    );
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
