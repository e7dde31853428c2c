// What a figure was measured on: goes into every result file.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { repository } from './ballast.mjs';

function git(...args) {
  try {
    const options = { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', args, options).trim();
  } catch {
    return undefined; // an unpacked archive has no revision
  }
}

const busyLoad = 0.5;

/** Tells a person that others use the machine too, which shows in what is measured; of environment(). */
export function warnOfLoad(title, { machine }) {
  if (machine.loadAverage <= busyLoad) return;
  console.error(`${title}: the load of this machine is ${machine.loadAverage.toFixed(2)} already`);
}

export function environment() {
  const changed = git(
    'status',
    '--porcelain',
    '--untracked-files=no',
    '--',
    'native',
    'src',
    'CMakeLists.txt',
    'cmake',
  );
  return {
    date: new Date().toISOString(),
    revision: git('rev-parse', 'HEAD') ?? 'unknown',
    modified: changed !== undefined && changed !== '',
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      kernel: release(),
      clockSource: readFileSync(
        '/sys/devices/system/clocksource/clocksource0/current_clocksource',
        'utf8',
      ).trim(),
      loadAverage: loadavg()[0],
    },
    node: process.version,
  };
}
