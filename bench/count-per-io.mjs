// node bench/count-per-io.mjs [--rw randread] [--qd 1,32,128] [--seconds 2] [--device memory]: what one I/O
// costs the target in system calls and allocations, counted from outside while `ballast perf` runs. System
// calls: by perf's trace points where the machine allows them, else by strace, which slows the target so that
// more I/Os share a call. Allocations: by a counter preloaded into the target (probes/allocation_counter.cc),
// per thread. Each figure is the slope between a short and a long run, so that what connecting and closing
// cost falls out.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { optionsOrExit } from './lib/arguments.mjs';
import { chooseCpus, perf, repository, serve } from './lib/ballast.mjs';
import { environment } from './lib/environment.mjs';
import { allocationCounter, buildProbes } from './lib/probes.mjs';
import { cpuSeconds, threads } from './lib/processes.mjs';
import { table } from './lib/statistics.mjs';

// The calls that the data path is made of; all others are counted together.
const callNames = [
  'sendmsg',
  'sendto',
  'writev',
  'recvmsg',
  'recvfrom',
  'read',
  'io_uring_enter',
  'epoll_wait',
  'futex',
];
const longRunFactor = 4;
const slotBytes = 32;
const attachMs = 500;

const help = `Usage: node bench/count-per-io.mjs [--rw randread] [--qd 1,32,128] [--seconds 2]
       [--device memory] [--spin-us N] [--strace] [--json]
Counts the system calls and allocations of the target for one I/O; --strace: not by perf.`;
const values = optionsOrExit(
  'count-per-io',
  {
    rw: { type: 'string', default: 'randread' },
    qd: { type: 'string', default: '1,32,128' },
    seconds: { type: 'string', default: '2' },
    device: { type: 'string', default: 'memory' },
    'spin-us': { type: 'string' },
    strace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  help,
);
const seconds = Number(values.seconds);
const specs = {
  memory: 'mem:256MiB',
  null: 'null:256MiB',
  file: (directory) => `file:${join(directory, 'file.raw')}:256MiB`,
};
if (!(seconds > 0) || !Object.hasOwn(specs, values.device)) {
  console.error(
    `count-per-io: --seconds takes a number above 0, --device one of ${Object.keys(specs).join(', ')}`,
  );
  process.exit(2);
}

function canTrace() {
  try {
    execFileSync('perf', ['stat', '-x,', '-e', 'raw_syscalls:sys_enter', '--', 'true'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Starts counting the calls of a process; resolves with stop(), which gives { all, sendmsg, ... }. */
async function countCalls(pid, byPerf) {
  const events = ['raw_syscalls:sys_enter', ...callNames.map((name) => `syscalls:sys_enter_${name}`)];
  const args = byPerf ? ['stat', '-x,', '-e', events.join(','), '-p', pid] : ['-f', '-c', '-p', pid];
  const child = spawn(byPerf ? 'perf' : 'strace', args.map(String), { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (data) => {
    output += data;
  });
  await sleep(attachMs);
  return async () => {
    child.kill('SIGINT');
    await once(child, 'close');
    const counts = byPerf ? readPerf(output) : readStrace(output);
    if (!(counts.all >= 0)) throw new Error(`${child.spawnfile}: ${output}`);
    return counts;
  };
}

function readPerf(output) {
  const counts = {};
  for (const line of output.split('\n')) {
    const [text, , event] = line.split(',');
    const count = text === '<not counted>' ? 0 : Number(text); // it made no call at all
    if (event === 'raw_syscalls:sys_enter') counts.all = count;
    else if (event?.startsWith('syscalls:sys_enter_'))
      counts[event.slice('syscalls:sys_enter_'.length)] = count;
  }
  return counts;
}

function readStrace(output) {
  const counts = { all: 0 };
  for (const line of output.split('\n')) {
    const match = /^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$/.exec(line);
    if (!match || match[2] === 'total') continue;
    counts[match[2]] = Number(match[1]);
    counts.all += Number(match[1]);
  }
  return counts;
}

function allocationsByThread(file) {
  const slots = readFileSync(file);
  const byThread = new Map();
  for (let at = 0; at + slotBytes <= slots.length; at += slotBytes) {
    const id = Number(slots.readBigUInt64LE(at));
    if (id !== 0) byThread.set(id, Number(slots.readBigUInt64LE(at + 8)));
  }
  return byThread;
}

const cpus = chooseCpus();
buildProbes();
const directory = mkdtempSync(join(repository, 'build/count-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const countsFile = join(directory, 'allocations');
const spec = specs[values.device];
const target = await serve({
  volumes: { counted: typeof spec === 'function' ? spec(directory) : spec },
  cpus: cpus.target,
  directory: join(directory, 'data'),
  spinUs: values['spin-us'],
  environment: { LD_PRELOAD: allocationCounter, BALLAST_ALLOCATION_COUNTS: countsFile },
});
const byPerf = !values.strace && canTrace();
const isReactor = (name) => /^ballast-r\d/.test(name);
const results = [];

/** Allocations of the threads that run, by name. */
function allocationsByName() {
  const byThread = allocationsByThread(countsFile);
  const byName = new Map();
  for (const { id, name } of threads(target.pid))
    byName.set(name, (byName.get(name) ?? 0) + (byThread.get(id) ?? 0));
  return byName;
}

async function countRun(qd, runSeconds) {
  const stop = await countCalls(target.pid, byPerf);
  const before = { allocations: allocationsByName(), cpu: cpuSeconds(target.pid) };
  const options = {
    uri: target.uri('counted'),
    job: { rw: values.rw, queueDepth: qd, blockBytes: 4096 },
    seconds: runSeconds,
    cpus: cpus.client,
  };
  const report = await perf(options);
  const allocations = allocationsByName();
  for (const [name, count] of before.allocations) allocations.set(name, (allocations.get(name) ?? 0) - count);
  const cpu = cpuSeconds(target.pid) - before.cpu;
  return {
    ios: report.read.ios + report.write.ios,
    iops: report.iops,
    calls: await stop(),
    allocations,
    cpu,
  };
}

try {
  for (const qd of values.qd.split(',').map(Number)) {
    const short = await countRun(qd, seconds);
    const long = await countRun(qd, longRunFactor * seconds);
    const perIo = (pick) => Math.max(0, (pick(long) - pick(short)) / (long.ios - short.ios));
    const callKeys = [...new Set([...Object.keys(short.calls), ...Object.keys(long.calls)])];
    results.push({
      rw: values.rw,
      device: values.device,
      queueDepth: qd,
      iops: long.iops,
      callsPerIo: Object.fromEntries(callKeys.map((key) => [key, perIo(({ calls }) => calls[key] ?? 0)])),
      allocationsPerIo: Object.fromEntries(
        [...long.allocations.keys()]
          .map((name) => [name, perIo(({ allocations }) => allocations.get(name) ?? 0)])
          .filter(([name, value]) => value > 0 || isReactor(name)),
      ),
      cpuSecondsPerMillionIos: perIo(({ cpu }) => cpu) * 1e6,
    });
  }
} finally {
  await target.stop();
}

if (values.json) {
  console.log(
    JSON.stringify(
      { schema: 'ballast-count/1', ...environment(), by: byPerf ? 'perf' : 'strace', results },
      null,
      1,
    ),
  );
} else {
  const sends = ({ callsPerIo: c }) => (c.sendmsg ?? 0) + (c.sendto ?? 0) + (c.writev ?? 0);
  const receives = ({ callsPerIo: c }) => (c.recvmsg ?? 0) + (c.recvfrom ?? 0) + (c.read ?? 0);
  const header = [
    'job',
    'QD',
    'IOPS',
    'calls/IO',
    'sends/IO',
    'IOs/send',
    'receives/IO',
    'ring enters/IO',
    'allocations/IO by thread',
  ];
  const rows = results.map((result) => [
    `${result.device} ${result.rw}`,
    String(result.queueDepth),
    `${(result.iops / 1000).toFixed(1)}k`,
    result.callsPerIo.all.toFixed(3),
    sends(result).toFixed(3),
    (1 / sends(result)).toFixed(1),
    receives(result).toFixed(3),
    (result.callsPerIo.io_uring_enter ?? 0).toFixed(3),
    Object.entries(result.allocationsPerIo)
      .map(([name, value]) => `${name} ${value.toFixed(6)}`)
      .join(', '),
  ]);
  console.log(
    `system calls counted by ${byPerf ? 'perf' : 'strace (it slows the target: more I/Os share a call)'}`,
  );
  console.log(table(header, rows));
}
