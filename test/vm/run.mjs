// The tests of `ballast serve` under real Linux kernels: `npm run test:vm`. See README.md for options, output
// and statuses. For each kernel a virtual machine runs the cases one after the other; a case that kills the
// machine costs one case, the others go on in a new one. The kernels run side by side.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCases } from './host/cases.mjs';
import { Cluster } from './host/cluster.mjs';
import { Machine } from './host/machine.mjs';
import { makeProgramDisk } from './host/program.mjs';
import { answerRequests, diskBytes } from './host/requests.mjs';
import { Target } from './host/target.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const statusSkipped = 77;
const bootSeconds = 120;
const cleanSeconds = 70;
const bootsMax = 3;
function usage(message) {
  console.error(`${message}
usage: test/vm/run [--short] [--kernel 6.1|6.12]... [--only TEXT]... [--self-check] [--ballast PROGRAM]
                   [--keep] [--list]`);
  process.exit(2);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: 'boolean', default: false },
        kernel: { type: 'string', multiple: true },
        only: { type: 'string', multiple: true },
        'self-check': { type: 'boolean', default: false },
        ballast: { type: 'string', default: join(here, '../../bin/ballast') },
        keep: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    });
    values.kernel ??= values.short ? ['6.12'] : ['6.1', '6.12'];
    for (const kernel of values.kernel)
      if (!['6.1', '6.12'].includes(kernel)) usage(`no such kernel: ${kernel}`);
    return values;
  } catch (error) {
    return usage(error.message);
  }
}

/** What came of the cases, printed as it comes. The last line of the run is totals(). */
class Report {
  counts = { passed: 0, failed: 0, skipped: 0 };
  #line(word, kernel, text) {
    console.log(`${word.padEnd(7)} ${kernel.padEnd(4)} ${text}`);
  }
  passed(kernel, { title }, seconds) {
    this.counts.passed += 1;
    this.#line('ok', kernel, `${title} (${seconds} s)`);
  }
  skipped(kernel, { title }, reason) {
    this.counts.skipped += 1;
    this.#line('skipped', kernel, `${title}: ${reason}`);
  }
  failed(kernel, { title }, details) {
    this.counts.failed += 1;
    this.#line('FAILED', kernel, title);
    for (const detail of details) console.log(`        | ${detail}`);
  }
  totals() {
    const { passed, failed, skipped } = this.counts;
    return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  }
}

function lastLines(path, count) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count);
}

/** What the case itself said; a host that tries to reconnect soon fills the last lines. */
function reasons(log) {
  return lastLines(log, Number.POSITIVE_INFINITY).filter((line) => line.startsWith('FAIL: '));
}

/** What a case with "# program" has: the program, a disk for a pool, and one for a log of its writes. */
function addDisks(machine, program) {
  const path = (name) => join(machine.jobDirectory, `${name}.raw`);
  makeProgramDisk(program, path('program'));
  for (const [name, bytes] of Object.entries({ disk: diskBytes, log: 4 * diskBytes })) {
    writeFileSync(path(name), '');
    truncateSync(path(name), bytes);
  }
  machine.disks = { program: path('program'), disk: path('disk'), log: path('log') };
}

/**
 * Boots one machine for the cases and reports each that came to an end. Returns those not reached. A machine
 * that dies before its first case is the emulator's fault or the host's: `mayBootAgain` says whether to try
 * another.
 */
async function runMachine(kernel, cases, options, report, mayBootAgain) {
  const targetName = options['self-check'] ? 'nvmet' : 'host';
  const waiting = [...cases];
  let current;
  const machine = new Machine({
    kernel,
    timeLimitMs:
      1000 * (bootSeconds + cases.reduce((sum, { limitSeconds }) => sum + limitSeconds + cleanSeconds, 0)),
    onLine(line) {
      const [word, , , status, seconds] = line.trim().split(' ');
      if (word === '@begin') {
        current = waiting.shift();
      } else if (word === '@end' && current) {
        const log = join(machine.jobDirectory, 'log', `${current.file}.${current.variant}`);
        if (status === '0') report.passed(kernel, current, seconds);
        else report.failed(kernel, current, [...reasons(log), ...lastLines(log, 60), ...lastLinesOfHost()]);
        current = undefined;
      }
    },
  });
  const target = new Target(options.ballast, join(machine.jobDirectory, 'target'));
  const cluster = new Cluster(options.ballast, join(machine.jobDirectory, 'cluster'));
  const lastLinesOfHost = () => [target.logFile, ...cluster.logFiles].flatMap((file) => lastLines(file, 12));
  cpSync(join(here, 'guest'), join(machine.jobDirectory, 'guest'), { recursive: true });
  cpSync(join(here, 'cases'), join(machine.jobDirectory, 'cases'), { recursive: true });
  mkdirSync(join(machine.jobDirectory, 'log'));
  if (cases.some(({ needsProgram }) => needsProgram)) addDisks(machine, options.ballast);
  const plan = cases
    .map(({ file, variant, limitSeconds }) => `${file} ${variant} ${limitSeconds}\n`)
    .join('');
  writeFileSync(join(machine.jobDirectory, 'plan'), plan);
  writeFileSync(join(machine.jobDirectory, 'environment'), `TARGET=${targetName}\n`);

  const killAtExit = () => {
    machine.kill();
    target.killNow();
  };
  process.on('exit', killAtExit);
  const stopAnswering = answerRequests(machine.jobDirectory, target, cluster, machine.disks);
  const { outcome, status } = await machine.run(`exec bash /job/guest/suite.sh`);
  await stopAnswering();
  await target.discard();
  await cluster.discard();
  process.off('exit', killAtExit);

  const died = `the machine ${outcome}, status ${status}`;
  if (mayBootAgain && !current && waiting.length === cases.length && outcome !== 'ended') {
    console.log(`again   ${kernel.padEnd(4)} ${died} before the first case: ${machine.lastWords(1)}`);
  } else if (current || outcome !== 'ended' || (waiting.length > 0 && status !== 9)) {
    const victim = current ?? waiting.shift();
    if (victim) report.failed(kernel, victim, [died, ...machine.lastWords()]);
  }
  if (options.keep) console.log(`kept    ${kernel.padEnd(4)} ${machine.jobDirectory}`);
  else machine.remove();
  return waiting;
}

async function runKernel(kernel, cases, options, report) {
  const skip = ({ beyondNvmet }) => options['self-check'] && beyondNvmet;
  for (const each of cases.filter(skip)) report.skipped(kernel, each, 'the kernel has no such target');
  let left = cases.filter((each) => !skip(each));
  let boots = 0;
  while (left.length > 0) {
    const reached = left.length;
    boots += 1;
    left = await runMachine(kernel, left, options, report, boots < bootsMax);
    if (left.length < reached) boots = 0;
  }
}

async function main() {
  const options = readOptions();
  let cases = readCases(join(here, 'cases'));
  if (options.short) cases = cases.filter(({ short }) => short);
  for (const text of options.only ?? []) {
    if (!cases.some(({ file, variant }) => `${file}.${variant}`.includes(text)))
      usage(`no case has '${text}' in its name`);
  }
  if (options.only)
    cases = cases.filter((c) => options.only.some((text) => `${c.file}.${c.variant}`.includes(text)));
  if (options.list) {
    for (const { file, variant, title } of cases) console.log(`${`${file}.${variant}`.padEnd(24)} ${title}`);
    return 0;
  }
  if (!options['self-check'] && !existsSync(options.ballast)) usage(`there is no program ${options.ballast}`);

  const report = new Report();
  const setup = spawnSync(join(here, 'setup.sh'), options.kernel, {
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  process.stderr.write(setup.stderr ?? '');
  if (setup.status === statusSkipped) {
    const reason = setup.stderr.trim().split('\n').at(-1);
    report.counts.skipped = cases.length * options.kernel.length;
    console.log(`SKIPPED: NOTHING WAS TESTED UNDER A REAL KERNEL. ${reason}`);
    console.log(report.totals());
    return statusSkipped;
  }
  if (setup.status !== 0) {
    console.log(`the virtual machines could not be set up (setup.sh: status ${setup.status})`);
    console.log(`0 passed, 1 failed`);
    return 1;
  }

  const kernels = [...options.kernel];
  const worker = async () => {
    for (let kernel = kernels.shift(); kernel; kernel = kernels.shift())
      await runKernel(kernel, cases, options, report);
  };
  await Promise.all(Array.from({ length: Math.min(kernels.length, availableParallelism()) }, worker));
  console.log(report.totals());
  return report.counts.failed > 0 || report.counts.passed === 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
process.exitCode = await main();
