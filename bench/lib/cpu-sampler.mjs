// How much CPU time a target takes while it is under load, and not while its client starts and ends: a target
// that polls uses a whole CPU all the time, and must not be charged for the client's start. The client says
// how long its load is but not when it begins, so the middle of the load is looked at.

import { setInterval } from 'node:timers';
import { cpuSeconds } from './processes.mjs';

const periodMs = 50;
// Of the load's length, counted back from the client's end: what a client does after its load is over fits
// into the first, and its ramp at the beginning into what the second leaves.
const fromEnd = 0.2;
const untilFromEnd = 0.8;

/** CPUs in use between two times, from [{ atMs, cpuSeconds }] in order; between samples it is even. */
export function shareBetween(samples, fromMs, toMs) {
  const at = (time) => {
    const next = samples.findIndex(({ atMs }) => atMs >= time);
    if (next === -1) return samples.at(-1).cpuSeconds;
    if (next === 0) return samples[0].cpuSeconds;
    const [a, b] = [samples[next - 1], samples[next]];
    return a.cpuSeconds + ((b.cpuSeconds - a.cpuSeconds) * (time - a.atMs)) / (b.atMs - a.atMs);
  };
  const first = Math.max(fromMs, samples[0].atMs);
  const last = Math.min(toMs, samples.at(-1).atMs);
  return last > first ? ((at(last) - at(first)) * 1000) / (last - first) : Number.NaN;
}

/** Gives stop(loadSeconds): the CPUs that the processes used in the middle of a load that is just over. */
export function sampleCpu(pids) {
  const samples = [];
  const take = () => {
    try {
      const used = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
      samples.push({ atMs: performance.now(), cpuSeconds: used });
    } catch {} // a process of the target ended: its end is noticed elsewhere
  };
  take();
  const timer = setInterval(take, periodMs);
  return (loadSeconds) => {
    clearInterval(timer);
    take();
    const endMs = performance.now();
    const loadMs = loadSeconds * 1000;
    return shareBetween(samples, endMs - untilFromEnd * loadMs, endMs - fromEnd * loadMs);
  };
}
