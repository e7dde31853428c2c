// What the kernel knows about a process, from /proc. Used to account the target's CPU time, memory and
// threads.

import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ, which /proc counts CPU time in, is 100 on every architecture that Linux exports it for.
const ticksPerSecond = 100;

function cpuSecondsOf(statPath) {
  // The name is in parentheses and may hold spaces: fields are counted from behind it.
  const fields = readFileSync(statPath, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** User and system time of all threads of the process, ended ones included. */
export function cpuSeconds(pid) {
  return cpuSecondsOf(`/proc/${pid}/stat`);
}

/** The processes of a group that still run, such as all that a shell started. */
export function processGroup(group) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [state, , of] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
        return Number(of) === group && state !== 'Z'; // Z: it ended, and nobody has asked for its status
      } catch {
        return false; // it ended meanwhile
      }
    });
}

/** [{ id, name, cpuSeconds }] of the threads that run now. */
export function threads(pid) {
  return readdirSync(`/proc/${pid}/task`).map((id) => ({
    id: Number(id),
    name: readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim(),
    cpuSeconds: cpuSecondsOf(`/proc/${pid}/task/${id}/stat`),
  }));
}

/** Resident memory; huge pages, which the kernel counts apart, included. */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return 1024 * (kib('VmRSS') + kib('HugetlbPages'));
}

/** The CPUs this process may run on, in order. */
export function allowedCpus() {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
