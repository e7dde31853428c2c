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

/** [{ id, name, cpuSeconds }] of the threads that run now. */
export function threads(pid) {
  return readdirSync(`/proc/${pid}/task`).map((id) => ({
    id: Number(id),
    name: readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim(),
    cpuSeconds: cpuSecondsOf(`/proc/${pid}/task/${id}/stat`),
  }));
}

export function residentBytes(pid) {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** The CPUs this process may run on, in order. */
export function allowedCpus() {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
