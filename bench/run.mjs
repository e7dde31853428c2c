// npm run bench: random reads and writes on memory and file volumes with `ballast perf`, beside the limit
// that bare loopback TCP sets. Prints a table and writes one JSON file. See README.md for the options and the
// schema. Runs are interleaved: every configuration once, then all again, so that a busy minute of the
// machine hits all alike.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseCpus, perf, perfCommand, repository, serve } from './lib/ballast.mjs';
import { environment } from './lib/environment.mjs';
import { buildProbes, rawLoopback, rawLoopbackCommand } from './lib/probes.mjs';
import { cpuSeconds } from './lib/processes.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';

const volumeMib = 512;
const knownDevices = ['memory', 'file', 'null'];

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' },
      runs: { type: 'string', default: '3' },
      devices: { type: 'string', default: 'memory,file' },
      qd: { type: 'string', default: '1,32,128' },
      rw: { type: 'string', default: 'randread,randwrite' },
      bs: { type: 'string', default: '4096' },
      'spin-us': { type: 'string' },
      'no-limit': { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const numbers = (text) => text.split(',').map(Number);
  const options = {
    seconds: Number(values.seconds),
    runs: Number(values.runs),
    devices: values.devices.split(','),
    queueDepths: numbers(values.qd),
    workloads: values.rw.split(','),
    blockBytes: Number(values.bs),
    spinUs: values['spin-us'],
    limit: !values['no-limit'],
    out: values.out,
  };
  const unknown = options.devices.find((device) => !knownDevices.includes(device));
  if (unknown !== undefined)
    throw new TypeError(`--devices: '${unknown}' is none of ${knownDevices.join(', ')}`);
  const wrong = [options.seconds, options.runs, options.blockBytes, ...options.queueDepths].some(
    (n) => !(n > 0),
  );
  if (wrong) throw new TypeError('--seconds, --runs, --bs and --qd take numbers above 0');
  return options;
}

/** Written through, so that reads find data and not holes. */
async function makeFile(path) {
  const stream = createWriteStream(path);
  const chunk = Buffer.alloc(1 << 20, 0xa5);
  for (let i = 0; i < volumeMib; ++i) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'close');
  execFileSync('sync', [path]);
}

async function volumesFor(devices, directory) {
  const volumes = {};
  if (devices.includes('memory')) volumes.memory = `mem:${volumeMib}MiB`;
  if (devices.includes('null')) volumes.null = `null:${volumeMib}MiB`;
  if (devices.includes('file')) {
    const path = join(directory, 'file.raw');
    await makeFile(path);
    volumes.file = `file:${path}`;
  }
  return volumes;
}

/** A command line without this checkout's place in it. */
const asTyped = (words) => words.map((word) => word.replaceAll(`${repository}/`, '')).join(' ');

function configurations({ devices, workloads, queueDepths }) {
  return devices.flatMap((device) =>
    workloads.flatMap((rw) => queueDepths.map((qd) => ({ device, rw, qd }))),
  );
}

async function measureTarget(target, { device, rw, qd }, options, cpu) {
  const before = cpuSeconds(target.pid);
  const report = await perf({
    uri: target.uri(device),
    rw,
    qd,
    bs: options.blockBytes,
    seconds: options.seconds,
    cpu,
  });
  const ios = report.read.ios + report.write.ios;
  const targetCpu = ((cpuSeconds(target.pid) - before) / ios) * 1e6;
  return { report, targetCpu };
}

function summarise({ device, rw, qd }, measured, limits, blockBytes) {
  const figure = (pick) => spread(measured.map(pick));
  const latencyUs = {};
  for (const key of ['mean', 'p50', 'p99', 'p999'])
    latencyUs[key] = figure(({ report }) => report.latencyUs[key]);
  const result = {
    device,
    rw,
    blockBytes,
    queueDepth: qd,
    iops: figure(({ report }) => report.iops),
    latencyUs,
    targetCpuSecondsPerMillionIos: figure(({ targetCpu }) => targetCpu),
    clientCpuSecondsPerMillionIos: figure(({ report }) => report.cpuSecondsPerMillionIos),
  };
  const limit = limits.find((one) => one.rw === rw && one.queueDepth === qd);
  if (limit) result.ratioToLimit = result.iops.median / limit.perSecond.median;
  return result;
}

function printTable(results, limits) {
  const header = [
    'job',
    'QD',
    'IOPS',
    'min-max',
    'mean us',
    'p50',
    'p99',
    'p99.9',
    'target CPU s/M',
    'of limit',
  ];
  const range = ({ min, max }) => `${thousands(min)}-${thousands(max)}`;
  const rows = results.map(
    ({ device, rw, queueDepth, iops, latencyUs, targetCpuSecondsPerMillionIos, ratioToLimit }) => [
      `${device} ${rw}`,
      String(queueDepth),
      thousands(iops.median),
      range(iops),
      ...['mean', 'p50', 'p99', 'p999'].map((key) => latencyUs[key].median.toFixed(1)),
      targetCpuSecondsPerMillionIos.median.toFixed(2),
      ratioToLimit === undefined ? '-' : `${(100 * ratioToLimit).toFixed(0)} %`,
    ],
  );
  const limitRows = limits.map(({ rw, queueDepth, perSecond, meanUs }) => [
    `raw loopback, as ${rw}`,
    ...[String(queueDepth), thousands(perSecond.median), range(perSecond), meanUs.median.toFixed(1)],
    ...['', '', '', '', ''],
  ]);
  console.log(table(header, [...rows, ...limitRows]));
}

async function main() {
  const options = readOptions();
  const cpus = chooseCpus();
  if (cpus.target === undefined)
    console.error('bench: one CPU only: nothing is pinned, the figures say little');
  const jobs = configurations(options);
  const shapes = options.limit ? options.workloads.filter((rw) => /^(rand)?(read|write)$/.test(rw)) : [];
  const limitJobs = shapes.flatMap((rw) =>
    options.queueDepths.map((qd) => ({ rw, qd, bs: options.blockBytes, cpus })),
  );
  const limitSeconds = Math.min(options.seconds, 2);
  const about = environment();
  if (about.machine.loadAverage > 0.5)
    console.error(`bench: the machine is busy (load ${about.machine.loadAverage})`);
  buildProbes();

  // On the repository's disk, which is where a user's ./var is; /tmp may be memory.
  mkdirSync(join(repository, 'build'), { recursive: true });
  const directory = mkdtempSync(join(repository, 'build/bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const volumes = await volumesFor(options.devices, directory);
  const target = await serve({
    volumes,
    cpu: cpus.target,
    directory: join(directory, 'data'),
    spinUs: options.spinUs,
  });
  const measured = jobs.map(() => []);
  const limits = limitJobs.map(() => []);
  try {
    for (const device of options.devices) {
      await perf({
        uri: target.uri(device),
        rw: 'randread',
        qd: 32,
        bs: options.blockBytes,
        seconds: 1,
        cpu: cpus.client,
      });
    }
    for (let run = 1; run <= options.runs; ++run) {
      console.error(`bench: run ${run} of ${options.runs}`);
      for (const [i, job] of limitJobs.entries()) {
        limits[i].push(await rawLoopback({ ...job, seconds: limitSeconds }));
      }
      for (const [i, job] of jobs.entries())
        measured[i].push(await measureTarget(target, job, options, cpus.client));
    }
  } finally {
    await target.stop();
  }

  const limitResults = limitJobs.map(({ rw, qd }, i) => ({
    rw,
    queueDepth: qd,
    perSecond: spread(limits[i].map(({ perSecond }) => perSecond)),
    meanUs: spread(limits[i].map(({ meanUs }) => meanUs)),
  }));
  const results = jobs.map((job, i) => summarise(job, measured[i], limitResults, options.blockBytes));
  const example = {
    uri: 'URI',
    rw: 'RW',
    bs: options.blockBytes,
    qd: 'QD',
    seconds: options.seconds,
    cpu: cpus.client,
  };
  const document = {
    schema: 'ballast-bench/1',
    ...about,
    cpus,
    seconds: options.seconds,
    runs: options.runs,
    commands: {
      bench: asTyped(['node', 'bench/run.mjs', ...process.argv.slice(2)]),
      target: asTyped(target.command),
      client: asTyped(perfCommand(example)),
      ...(limitJobs.length > 0 && {
        limit: asTyped(rawLoopbackCommand({ ...limitJobs[0], seconds: limitSeconds })),
      }),
    },
    limit: limitResults,
    results,
  };
  const stamp = about.date.slice(0, 16).replace(/[:T]/g, '-');
  const out = options.out ?? join(repository, 'bench/results', `${stamp}-${about.revision.slice(0, 8)}.json`);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(document, null, 1)}\n`);
  printTable(results, limitResults);
  console.log(`written to ${out}`);
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof TypeError ? error.message : (error.stack ?? error)}`);
  process.exitCode = error instanceof TypeError || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}
