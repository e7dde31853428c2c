// What could be left on a machine: mounts, loop devices, processes.
import { readdirSync, readFileSync } from 'node:fs';

export function mountsBelow(directory) {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`));
}

/** Names of loop devices over files of the directory: others of this machine are none of ours. */
export function loopsOf(directory) {
  return readdirSync('/sys/block').filter((name) => {
    if (!name.startsWith('loop')) return false;
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').startsWith(`${directory}/`);
    } catch {
      return false; // it has no file, or has gone meanwhile
    }
  });
}

/** Processes that have the directory in their command line, but this one and what the demo itself runs. */
export function processesOf(directory, what = 'attach-serve') {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return argv.includes(directory) && argv.includes(what);
      } catch {
        return false;
      }
    })
    .map(Number);
}

export function leftovers(directory) {
  return [
    ...mountsBelow(directory).map((path) => `mount ${path}`),
    ...loopsOf(directory).map((name) => `loop device ${name}`),
    ...processesOf(directory).map((pid) => `process ${pid}`),
  ];
}
