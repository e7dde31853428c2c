// node bench/fio.mjs: runs the jobs of bench/fio through our fio engine against `ballast serve` with a memory
// volume, and `ballast perf` beside randread-4k, in turns, so that the ratio of the two is of the same
// minutes. Prints a table; writes JSON only where --out says.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseChoice, parseList, runMain } from './lib/arguments.mjs';
import { chooseCpus, perf, pinned, repository, serve } from './lib/ballast.mjs';
import { runChild } from './lib/child.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { Stage } from './lib/stage.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';
import { fill } from './lib/volumes.mjs';

const jobs = [
  ...['randread-4k', 'randwrite-4k', 'mixed-70-30', 'seqread-128k', 'seqwrite-128k', 'latency-qd1'],
  ...['verify', 'failover'],
];
const comparedJob = 'randread-4k';
const volume = 'mem:512MiB'; // what fill() fills
const pauseMs = 1000;
const spareMs = 60_000; // for what a job does besides its time: connecting, or writing and reading all

const help = `Usage: npm run bench:fio -- [options]
Runs bench/fio/*.fio through build/fio/ballast_fio.so against a memory volume of our target, and
\`ballast perf\` beside ${comparedJob}.

  --jobs LIST    which, of ${jobs.slice(0, 4).join(', ')},
                 ${jobs.slice(4).join(', ')} (default: all)
  --seconds N    each job (default: 3; verify ends when all is read back)
  --runs N       how often (default: 3); medians are shown
  --out FILE     JSON of the results
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

function readOptions(words) {
  const read = readRunOptions(words, { jobs: textOption() });
  if (read === undefined) return undefined;
  const { values, shared } = read;
  const choice = (option, word) => parseChoice(option, word, jobs);
  return { ...shared, jobs: values.jobs === undefined ? jobs : parseList('jobs', values.jobs, choice) };
}

function buildEngine() {
  const { status } = spawnSync(join(repository, 'scripts/build-fio-engine'), { stdio: 'inherit' });
  if (status !== 0) throw new Error('there is no fio engine to measure with (see above)');
  return join(repository, 'build/fio/ballast_fio.so');
}

/** fio takes no option over a job file's own, so the time is put into a copy. */
function copyOfJob(job, seconds, directory) {
  const text = readFileSync(join(repository, `bench/fio/${job}.fio`), 'utf8');
  const path = join(directory, `${job}.fio`);
  writeFileSync(path, text.replace(/^runtime=.*$/m, `runtime=${Math.round(seconds * 1000)}ms`));
  return path;
}

/** [{ name, iops, mibPerSecond, latencyUs }] of one run: one for reads, one for writes. */
async function runJob(job, { uri, engine, cpus, seconds, directory, stage, target }) {
  const output = join(directory, 'output.json');
  const fio = ['fio', '--output-format=json', `--output=${output}`, copyOfJob(job, seconds, directory)];
  const command = pinned(cpus, ['env', `--chdir=${directory}`, ...fio]);
  const running = runChild(command, seconds * 1000 + spareMs, { URI: uri, BALLAST_FIO: engine });
  const pause = async () => {
    await sleep((seconds * 1000) / 3);
    await stage.only(undefined);
    await sleep(pauseMs);
    await stage.only(target);
  };
  await Promise.all([running, ...(job === 'failover' ? [pause()] : [])]);
  const [report] = JSON.parse(readFileSync(output, 'utf8')).jobs;
  const sides = ['read', 'write'].filter((side) => report[side].total_ios > 0);
  return sides.map((side) => {
    const { iops, bw_bytes: bytesPerSecond, clat_ns: clat } = report[side];
    const us = (percentile) => clat.percentile[percentile] / 1000;
    return {
      name: sides.length > 1 ? `${job} ${side}` : job,
      iops,
      mibPerSecond: bytesPerSecond / (1 << 20),
      latencyUs: { p50: us('50.000000'), p99: us('99.000000'), p999: us('99.900000'), max: clat.max / 1000 },
    };
  });
}

function summary(name, runs) {
  const of = (pick) => spread(runs.map(pick));
  return {
    name,
    iops: of(({ iops }) => iops),
    mibPerSecond: of(({ mibPerSecond }) => mibPerSecond),
    latencyUs: Object.fromEntries(
      ['p50', 'p99', 'p999', 'max'].map((key) => [key, of(({ latencyUs }) => latencyUs[key])]),
    ),
  };
}

function row({ name, iops, mibPerSecond, latencyUs }) {
  const range = `${thousands(iops.min)}..${thousands(iops.max)}`;
  const latencies = Object.values(latencyUs).map(({ median }) => median.toFixed(0));
  return [name, thousands(iops.median), range, mibPerSecond.median.toFixed(0), ...latencies];
}

async function measure(options, directory) {
  const engine = buildEngine();
  const cpus = chooseCpus();
  const target = await serve({ volumes: { memory: volume }, cpus: cpus.target, directory });
  const stage = new Stage([target]);
  await stage.only(target);
  const uri = target.uri('memory');
  const state = { cpus: cpus.client, stateDirectory: directory };
  await fill('memory', uri, cpus.client, directory);

  const runs = new Map(); // name of a row -> its runs
  const add = (result) => runs.set(result.name, [...(runs.get(result.name) ?? []), result]);
  const perfName = `ballast perf ${comparedJob}`;
  for (let run = 0; run < options.runs; ++run) {
    for (const job of options.jobs) {
      if (job === comparedJob) {
        const like = { rw: 'randread', blockBytes: 4096, queueDepth: 32 };
        const report = await perf({ uri, job: like, seconds: options.seconds, ...state });
        add({ name: perfName, ...report });
      }
      const context = { uri, engine, cpus: cpus.client, seconds: options.seconds, directory, stage, target };
      for (const result of await runJob(job, context)) add(result);
    }
  }
  await target.stop();
  const ratios = (runs.get(perfName) ?? []).map(({ iops }, i) => runs.get(comparedJob)[i].iops / iops);
  return {
    results: [...runs].map(([name, list]) => summary(name, list)),
    ratioToPerf: ratios.length > 0 ? spread(ratios) : undefined,
  };
}

runMain('bench:fio', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:fio', before);
  const directory = mkdtempSync(join(tmpdir(), 'ballast-bench-fio-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const { results, ratioToPerf } = await measure(options, directory);
  console.log(
    table(['JOB', 'IOPS', 'MIN..MAX', 'MIB/S', 'P50 US', 'P99 US', 'P99.9 US', 'MAX US'], results.map(row)),
  );
  if (ratioToPerf) {
    const [median, min, max] = ['median', 'min', 'max'].map((key) => ratioToPerf[key].toFixed(2));
    console.log(`${comparedJob}: ${median} (${min}..${max}) of the IOPS of ballast perf`);
  }
  if (options.out === undefined) return;
  const fio = spawnSync('fio', ['--version'], { encoding: 'utf8' }).stdout.trim();
  const { seconds, runs } = options;
  const document = { schema: 'ballast-bench-fio/1', ...before, fio, seconds, runs, results, ratioToPerf };
  writeFileSync(options.out, `${JSON.stringify(document, null, 1)}\n`);
});
