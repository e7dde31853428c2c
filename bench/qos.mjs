// node bench/qos.mjs: how exactly limits are kept, what a guarantee is worth beside a neighbour that takes
// all it can, what the QoS layer costs, and a plot of a rate whose limit is changed meanwhile.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCount, parseList, runMain } from './lib/arguments.mjs';
import { chooseCpus, perf, perfTogether, repository, serve } from './lib/ballast.mjs';
import { runChild } from './lib/child.mjs';
import { daemonApi, untilApi } from './lib/daemon-api.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { ratePlot } from './lib/rate-plot.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';

const help = `Usage: npm run bench:qos -- [options]
Limits: how far the worst window of 1 s and of 10 s is off, by the machine's own clock (qos_rate).
Guarantee: a volume at QD 1 with a minimum of 50, 70 and 80 % of what it gets alone, beside one at QD 32, in
a pool's file, under a budget of all that the device gives and at a depth of all that the neighbour has.
Cost: nanoseconds of CPU time that the layer takes for an I/O (qos_bench), of those that one takes in all.
Plot: a rate whose limit is changed meanwhile.

  --limits LIST      (default: 1,10,100,1000,10000,100000,300000)
  --limit-seconds N  each limit (default: 12; below 10 there is no window of 10 s)
  --seconds N        each other measurement (default: 3)
  --runs N           how often guarantees are measured (default: 3)
  --out FILE         JSON of the results
  --plot FILE        SVG of the rate over time
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

const buildDirectory = join(repository, 'build/bench');
const native = (name) => join(buildDirectory, 'bench/native', name);
const volumeBytes = 256 << 20;
const block = { blockBytes: 4096 };

function readOptions(words) {
  const read = readRunOptions(words, {
    limits: textOption('1,10,100,1000,10000,100000,300000'),
    'limit-seconds': textOption('12'),
    plot: textOption(),
  });
  if (read === undefined) return undefined;
  const { values, shared } = read;
  return {
    ...shared,
    limits: parseList('limits', values.limits, (option, word) => parseCount(option, word, 1, 100_000_000)),
    limitSeconds: parseCount('limit-seconds', values['limit-seconds'], 1, 3600),
    plot: values.plot,
  };
}

function build() {
  const run = (...args) => execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  run('-G', 'Ninja', '-S', repository, '-B', buildDirectory, '-DBALLAST_BENCH=ON');
  run('--build', buildDirectory, '--target', 'qos_rate', 'qos_bench');
}

async function measureLimits({ limits, limitSeconds }) {
  const results = [];
  for (const iops of limits) {
    const words = [native('qos_rate'), String(iops), String(limitSeconds)];
    results.push(JSON.parse((await runChild(words, (limitSeconds + 60) * 1000)).stdout));
  }
  return results;
}

/** CPU nanoseconds of an I/O in the layer, by case; what stands in `bare` is the bench itself. */
async function measureCost() {
  const words = [native('qos_bench'), '--benchmark_format=json', '--benchmark_filter=^run/'];
  const { benchmarks } = JSON.parse((await runChild(words, 300_000)).stdout);
  const perIo = new Map(benchmarks.map(({ name, cpu_time: ns }) => [name.replace('run/', ''), ns / 32]));
  const above = (name, bare) => perIo.get(name) - perIo.get(bare);
  return {
    unlimitedNs: above('unlimited', 'bare'),
    limitedNs: above('limit_far_above', 'bare'),
    unlimitedReadNs: above('mapped_read_unlimited', 'mapped_read_bare'),
  };
}

/** Runs `work` with { ask, load(...), together(...) } of a daemon with two volumes, a and b. */
async function withVolumes(kind, cpus, work) {
  const directory = mkdtempSync(join(tmpdir(), 'ballast-bench-qos-'));
  const memory = { a: 'mem:256MiB', b: 'mem:256MiB' };
  try {
    const target = await serve({ volumes: kind === 'memory' ? memory : {}, cpus: cpus.target, directory });
    const ask = await daemonApi(directory);
    await untilApi(ask);
    const uris = new Map();
    if (kind === 'pool') {
      const devices = [{ path: join(directory, 'pool'), sizeBytes: 4 * volumeBytes }];
      await ask('POST', 'pools', { name: 'bench', devices });
      for (const name of ['a', 'b']) {
        const { nqn } = await ask('POST', 'volumes', { name, sizeBytes: volumeBytes });
        uris.set(name, nqn);
      }
    }
    const uri = (name) =>
      uris.has(name) ? `tcp://127.0.0.1:${target.port}/${uris.get(name)}` : target.uri(name);
    const where = { cpus: cpus.client, stateDirectory: directory };
    const load = (name, queueDepth, rw, seconds) =>
      perf({ uri: uri(name), job: { ...block, rw, queueDepth }, seconds, ...where });
    const together = (seconds, ...loads) => {
      const job = ([name, queueDepth, rw]) => ({ uri: uri(name), ...block, rw, queueDepth });
      return perfTogether({ jobs: loads.map(job), seconds, ...where });
    };
    try {
      return await work({ ask, load, together });
    } finally {
      await target.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const neighbourDepth = 32;
const minimumParts = [0.5, 0.7, 0.8];

async function measureGuarantees({ seconds, runs }, cpus) {
  return withVolumes('pool', cpus, async ({ ask, load, together }) => {
    // Every block is there, as in a volume that is in use.
    for (const name of ['a', 'b']) await load(name, 32, 'write', Math.max(seconds, 2));
    const guaranteed = ['a', 1, 'randread'];
    const neighbour = ['b', neighbourDepth, 'randread'];
    const [{ iops: flatOut }] = await together(seconds, neighbour);
    const before = [];
    for (let run = 0; run < runs; ++run)
      before.push({
        alone: (await together(seconds, guaranteed))[0],
        beside: (await together(seconds, guaranteed, neighbour))[0],
      });
    const alone = spread(before.map((run) => run.alone.iops)).median;
    const results = [summary('none', undefined, before, alone, flatOut)];
    await ask('PUT', 'qos/budget', { iops: Math.round(flatOut), depth: neighbourDepth });
    for (const part of minimumParts) {
      const minIops = Math.round(part * alone);
      await ask('PATCH', 'volumes/a', { qos: { minIops } });
      const pairs = [];
      for (let run = 0; run < runs; ++run) {
        const [own] = await together(seconds, guaranteed);
        const [beside, other] = await together(seconds, guaranteed, neighbour);
        pairs.push({ alone: own, beside, other });
      }
      results.push(summary(`${100 * part} %`, minIops, pairs, alone, flatOut));
    }
    return results;
  });
}

function summary(guarantee, minIops, runs, alone, flatOut) {
  return {
    guarantee,
    minIops,
    flatOut,
    ofAlone: spread(runs.map(({ beside }) => beside.iops / alone)),
    ofMinimum: minIops && spread(runs.map(({ beside }) => beside.iops / minIops)),
    p99ToAlone: spread(runs.map(({ alone: own, beside }) => beside.latencyUs.p99 / own.latencyUs.p99)),
    neighbourOfFlatOut: minIops && spread(runs.map(({ other }) => other.iops / flatOut)),
  };
}

const limitSteps = [1000, 5000, 500, 2000];

async function measureSteps({ seconds }, cpus) {
  return withVolumes('pool', cpus, async ({ ask, load }) => {
    await ask('PATCH', 'volumes/a', { qos: { iops: limitSteps[0] } });
    const running = load('a', 8, 'randread', seconds * limitSteps.length + 1);
    const read = async () => {
      const { timeMs, volumes } = await ask('GET', 'stats');
      return { timeMs, ios: Number(volumes.find(({ name }) => name === 'a').reads) };
    };
    let last = await read();
    while (last.ios === 0) last = await sleep(20).then(read);
    const begin = last.timeMs;
    const points = [];
    const steps = [];
    for (const iops of limitSteps) {
      await ask('PATCH', 'volumes/a', { qos: { iops } });
      const fromSeconds = ((await read()).timeMs - begin) / 1000;
      while ((last.timeMs - begin) / 1000 < fromSeconds + seconds) {
        await sleep(100);
        const now = await read();
        const iopsNow = ((now.ios - last.ios) / (now.timeMs - last.timeMs)) * 1000;
        points.push({ seconds: (now.timeMs - begin) / 1000, iops: iopsNow });
        last = now;
      }
      steps.push({ fromSeconds, untilSeconds: (last.timeMs - begin) / 1000, iops });
    }
    const { errorCounts } = await running;
    return { points, steps, errors: errorCounts };
  });
}

const percent = (value) => `${value.toFixed(2)} %`;
const range = ({ median, min, max }) => `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;

function print({ limits, guarantees, cost }) {
  const off = ([below, above]) => `${below.toFixed(2)} ${above >= 0 ? '+' : ''}${above.toFixed(2)} %`;
  const limitRows = limits.map((one) => [
    `${one.iops} IOPS`,
    one.mean.toFixed(1),
    off(one.off_1s_percent),
    one.seconds >= 10 ? off(one.off_10s_percent) : '-',
  ]);
  console.log(table(['LIMIT', 'MEAN', 'WORST 1 S', 'WORST 10 S'], limitRows));
  const rows = guarantees.map((one) => [
    one.guarantee,
    one.minIops ? thousands(one.minIops) : '-',
    one.ofMinimum ? range(one.ofMinimum) : '-',
    range(one.ofAlone),
    range(one.p99ToAlone),
    one.neighbourOfFlatOut ? range(one.neighbourOfFlatOut) : '-',
  ]);
  const header = ['GUARANTEE', 'MIN IOPS', 'OF MINIMUM', 'OF ALONE', 'P99 TO ALONE', 'NEIGHBOUR OF FLAT OUT'];
  console.log(table(header, rows));
  const share = (ns) =>
    `${ns.toFixed(1)} ns, ${percent((100 * ns) / cost.ioNs)} of ${cost.ioNs.toFixed(0)} ns`;
  console.log(
    `cost of the layer without limits: ${share(cost.unlimitedNs)}; with one: ${share(cost.limitedNs)}`,
  );
}

runMain('bench:qos', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:qos', before);
  build();
  const cpus = chooseCpus(1);
  const limits = await measureLimits(options);
  const guarantees = await measureGuarantees(options, cpus);
  // At QD 32 on memory the target's CPU is what limits: its share of the time is what an I/O takes.
  const ioNs = await withVolumes('memory', cpus, async ({ load }) => {
    await load('a', 32, 'write', 1);
    return 1e9 / (await load('a', 32, 'randwrite', options.seconds)).iops;
  });
  const cost = { ...(await measureCost()), ioNs };
  const steps = await measureSteps(options, cpus);
  print({ limits, guarantees, cost });
  if (options.plot !== undefined) {
    writeFileSync(
      options.plot,
      ratePlot('4 KiB reads of a pool volume, its limit changed live', steps.points, steps.steps),
    );
  }
  if (options.out === undefined) return;
  const document = { schema: 'ballast-bench-qos/2', ...before, ...options, limits, guarantees, cost, steps };
  writeFileSync(options.out, `${JSON.stringify(document, null, 1)}\n`);
});
